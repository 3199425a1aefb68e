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


def test_a_script_is_given_its_texts_only_where_they_differ(client):
    assert 'id="texts"' not in client.get("/workers").text
    page = client.get("/workers", headers={ASKED: "zh"}).text
    for found in re.findall(r'id="texts">(.*?)</script>', page):
        assert json.loads(found)
