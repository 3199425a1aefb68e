"""Whose each run is, in the list of a server with accounts."""

from __future__ import annotations

import pytest

from tests.webui.pages.conftest import Page


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def eve(place):
    place.join("eve")
    client = place.browser("eve")
    client.post("/api/v1/jobs", json={"name": "x"})
    return client


def owners(client):
    return [each.text for each in Page(client.get("/").text).all("td", data_label="Owner")]


def test_the_list_says_whose_each_run_is(eve):
    assert owners(eve) == ["eve"]


def test_what_a_browser_remembers_of_the_columns_still_wins(eve):
    eve.set_cookie("columns", "created,worker")

    assert owners(eve) == []


def test_a_viewer_is_told_of_nothing_that_a_viewer_may_not(place, eve):
    eve.post("/api/v1/jobs", json={"name": "y"})
    place.join("vera", "viewer")

    hints = [
        Page(each.get("/").text).one("span", **{"class": "faint hint"}).text
        for each in (eve, place.browser("vera"))
    ]

    assert "delete" in hints[0]
    assert hints[1] == "Tick two or more to compare them."


def test_without_accounts_all_is_the_owners_and_no_column_says_so(client, submitted):
    submitted()

    assert owners(client) == []
