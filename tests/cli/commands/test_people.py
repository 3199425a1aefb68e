"""People, invitations and the history of accounts, from the terminal."""

from __future__ import annotations

import pytest

from core.accounts import tokens
from tests.serving import serving
from tests.webui.people import Installation, hash_quickly
from webui.app import create_app


@pytest.fixture
def place(settings, monkeypatch):
    hash_quickly(monkeypatch)
    made = Installation(create_app(settings.model_copy(update={"accounts": "shared"})))
    yield made
    made.database.dispose()


@pytest.fixture
def server_url(place):
    with serving(place.app) as (_, url):
        yield url


def test_an_administrator_manages_people_by_a_token(trainyard, place, monkeypatch):
    ann = place.join("ann", "administrator")
    place.join("eve")
    assert trainyard("people").exit_code == 4  # nobody has logged in here
    token, _ = tokens.make(place.database, ann, "terminal", "admin", None)
    monkeypatch.setenv("TRAINYARD_TOKEN", token)

    assert "eve" in trainyard("people").stdout
    assert trainyard("people", "role", "eve", "viewer").stdout == "eve is viewer.\n"
    assert trainyard("people", "disable", "eve").stdout == "eve is viewer, disabled.\n"
    assert trainyard("people", "enable", "eve").stdout == "eve is viewer.\n"
    assert "/invitations/" in trainyard("invite", "--role", "viewer").stdout
    assert "ann" in trainyard("invite", "--list").stdout
    number = trainyard("invite", "--list").stdout.splitlines()[1].split()[0]
    assert "works no more" in trainyard("invite", "--withdraw", number).stdout
    assert "eve" in trainyard("audit", "--person", "eve").stdout
    assert trainyard("people", "role", "nobody", "viewer").exit_code == 1


def test_who_is_no_administrator_is_refused(trainyard, place, monkeypatch):
    token, _ = tokens.make(place.database, place.join("eve"), "terminal", "submit", None)
    monkeypatch.setenv("TRAINYARD_TOKEN", token)

    for command in (["people"], ["people", "disable", "eve"], ["invite"], ["audit"]):
        assert trainyard(*command).exit_code == 4
