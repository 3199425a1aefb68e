"""Which language a request is answered in, and what a page in it holds."""

from __future__ import annotations

import json
import re

import pytest

ASKED = "Accept-Language"


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        ("", "en"),
        ("en-GB, zh;q=0.5", "en"),
        ("zh-CN, en;q=0.8", "zh-Hans"),
        ("zh-Hans-CN", "zh-Hans"),
        ("ZH-tw", "zh-Hans"),
        ("fr, zh;q=0.2, en;q=0.4", "en"),
        ("xx", "en"),
    ],
)
def test_the_browser_asks_for_a_language(client, asked, tag):
    page = client.get("/workers", headers={ASKED: asked}).text
    assert f'<html lang="{tag}"' in page


def test_what_was_chosen_goes_before_what_the_browser_asks_for(client):
    client.set_cookie("language", "zh")
    assert '<html lang="zh-Hans"' in client.get("/workers", headers={ASKED: "en"}).text
    client.set_cookie("language", "klingon")
    assert '<html lang="en"' in client.get("/workers", headers={ASKED: "en"}).text


def test_a_page_is_in_the_language_and_the_next_in_its_own(client):
    assert "训练任务" in client.get("/workers", headers={ASKED: "zh"}).text
    assert "训练任务" not in client.get("/workers").text


def test_programs_are_answered_in_english(client):
    problem = client.get("/api/v1/jobs/77", headers={ASKED: "zh"}).json
    assert problem == client.get("/api/v1/jobs/77").json


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "same-origin"}, {"Referer": "http://localhost/jobs/77"}],
    ids=["told by the browser", "by where it comes from"],
)
def test_a_script_of_a_page_is_answered_in_the_language_of_the_page(client, headers):
    problem = client.get("/api/v1/jobs/77", headers={ASKED: "zh"} | headers).json
    assert problem["detail"] == "没有任务 77；目前还没有任何任务。"
    assert problem["code"] == "run.unknown_none"


def test_a_page_elsewhere_gives_a_program_no_language(client):
    headers = {ASKED: "zh", "Referer": "http://elsewhere.example/jobs/77"}
    assert "run 77" in client.get("/api/v1/jobs/77", headers=headers).json["detail"]


def test_a_reader_changes_the_language_and_stays_on_the_page(client):
    page = client.get("/storage?sort=size").text
    address = re.search(r'class="language" href="([^"]+)"', page)[1].replace("&amp;", "&")
    answer = client.get(address)
    assert (answer.status_code, answer.location) == (303, "/storage?sort=size")
    assert '<html lang="zh-Hans"' in client.get(answer.location).text
    client.get("/language/en")
    assert '<html lang="en"' in client.get("/storage").text


def test_a_page_that_a_form_was_sent_from_is_the_one_that_is_shown_again(client):
    page = client.post("/jobs", headers={"Referer": "http://localhost/jobs/new?preset=best"}).text
    assert 'page=/jobs/new?preset%3Dbest"' in page


@pytest.mark.parametrize("page", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_no_address_elsewhere_is_led_to(client, page):
    assert client.get("/language/zh", query_string={"page": page}).location == "/"


def test_an_unknown_language_is_not_found(client):
    answer = client.get("/language/klingon")
    assert answer.status_code == 404
    assert "Set-Cookie" not in answer.headers


def test_a_script_is_given_its_texts_only_where_they_differ(client):
    assert 'id="texts"' not in client.get("/workers").text
    page = client.get("/workers", headers={ASKED: "zh"}).text
    for found in re.findall(r'id="texts">(.*?)</script>', page):
        assert json.loads(found)
