"""The page of several runs."""

from __future__ import annotations

import json

import pytest

from tests.reported import epoch_end, evaluated
from tests.webui.pages.conftest import get


@pytest.fixture
def runs(report):
    return [
        report({"epochs": epochs}, epoch_end(epoch=1, step=469, seconds=4.0), evaluated())
        for epochs in (1, 2)
    ]


def data_of(page):
    return json.loads(page.one("script", id="compare-data").text)["runs"]


def test_the_runs_stand_beside_each_other_in_the_order_of_the_address(client, runs):
    page = get(client, f"/compare?run={runs[1]}&run={runs[0]}")

    rows = [each.attributes["data-run"] for each in page.all("tr") if "data-run" in each.attributes]
    assert rows == [str(runs[1]), str(runs[0])]
    assert [each["id"] for each in data_of(page)] == [runs[1], runs[0]]
    assert len({each["hue"] for each in data_of(page)}) == 2
    for words in ("Epochs", "Right in each class", "95% interval", "Which is better"):
        assert words in page.text


def test_the_curves_come_with_the_time_that_training_took(client, runs):
    [first, _] = data_of(get(client, f"/compare?run={runs[0]},{runs[1]}"))

    assert first["epochs"]["at"] == [1]
    assert first["epochs"]["seconds"] == [4.0]
    assert (first["batches"], first["images"]) == (10, 64)


def test_a_run_that_waits_can_be_compared(client, runs, submitted):
    waiting = submitted("waits")

    page = get(client, f"/compare?run={waiting.id}&run={runs[0]}")

    assert "waits" in page.text
    assert "Right in each class" not in page.text


@pytest.mark.parametrize("query", ["run=", "run=1", "run=1&run=1", "run=x&run=1"])
def test_fewer_than_two_runs_are_refused_in_words(client, runs, query):
    assert "Choose from 2 to 50 runs" in get(client, f"/compare?{query}", 422).text


def test_without_runs_the_page_says_how_to_choose_some(client):
    assert get(client, "/compare").text.count("the list of runs") == 1


def test_more_than_fifty_and_unknown_runs_are_refused(client, runs):
    many = "&".join(f"run={each}" for each in range(1, 52))

    assert "Choose from 2 to 50 runs" in get(client, f"/compare?{many}", 422).text
    assert "There is no run 99" in get(client, f"/compare?run={runs[0]}&run=99", 404).text
    get(client, f"/compare?run={runs[0]}&run={10**30}", 404)


def test_the_list_offers_to_compare(client, runs):
    page = get(client, "/")

    assert page.one("form", id="selection").attributes["action"] == "/compare"
    values = [each.attributes["value"] for each in page.all("input", name="run")]
    assert values == [str(each) for each in reversed(runs)]
