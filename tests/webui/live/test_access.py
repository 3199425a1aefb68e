"""A stream ends within seconds of what its viewer came in by, and of what it was there for."""

import contextlib

import httpx
import pytest
from httpx_sse import connect_sse

from core.accounts import logins, people, tokens
from core.accounts.logins import Browser
from core.jobs import editing
from tests.serving import serving
from tests.webui.people import PASSWORD, shared
from webui import access
from webui.context import of
from webui.live import hub as hub_module
from webui.live.topics import HistoryTopic

SECONDS = 30
"""Of silence, after which a test gives up: many times what it takes."""


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.2)
    with shared(settings, monkeypatch, compiled_templates) as made:
        yield made


@pytest.fixture
def address(place):
    with serving(place.app) as (_, found):
        yield found


@pytest.fixture
def eve(place):
    return place.join("eve")


@pytest.fixture
def run(place, eve):
    """The number of a run of eve."""
    answer = place.program(eve).post("/api/v1/jobs", json={"name": "a run"})
    return answer.json["id"]


def by_login(place, name):
    """What a browser shows in which somebody is logged in, and the number of the login."""
    secret, _ = logins.log_in(place.database, name, PASSWORD, Browser("127.0.0.1", "tests"))
    with place.app.test_request_context():
        shown = {
            "Cookie": f"{access.cookie_name(place.app.extensions['trainyard'].settings)}={secret}"
        }
    with place.database.reading() as session:
        return shown, logins.find(session, secret, logins.Lifetime(1e6, 1e6)).login_id


def by_token(place, person):
    """What a program shows, and the number of its token."""
    text, row = tokens.make(place.database, person, "tests", "read", None)
    return {"Authorization": f"Bearer {text}"}, row.id


@contextlib.contextmanager
def watching(address, path, shown):
    with (
        httpx.Client(base_url=address, timeout=SECONDS, headers=shown) as client,
        connect_sse(client, "GET", path) as source,
    ):
        assert source.response.status_code == 200
        yield source.iter_sse()


def rest_of(events):
    """What is sent until the server ends a stream."""
    return [each.event for each in events]


def status(address, path, shown):
    with httpx.stream("GET", f"{address}{path}", headers=shown, timeout=SECONDS) as answer:
        return answer.status_code


@pytest.mark.parametrize("path", ["/api/v1/jobs/{run}/events", "/api/v1/events"])
def test_a_stream_ends_with_its_login(place, address, eve, run, path):
    shown, login_id = by_login(place, "eve")
    path = path.format(run=run)
    with watching(address, path, shown) as events:
        logins.end(place.database, eve, login_id)
        rest_of(events)

    assert status(address, path, shown) != 200


def test_a_stream_ends_with_its_token(place, address, eve, run):
    shown, token_id = by_token(place, eve)
    path = f"/api/v1/streams?job={run}&events="
    with watching(address, path, shown) as events:
        tokens.revoke(place.database, eve, token_id)
        rest_of(events)

    assert status(address, path, shown) == 401


def test_a_stream_ends_where_its_viewer_is_shut_out(place, address, eve, run):
    place.join("ada", "administrator")
    shown, _ = by_login(place, "eve")
    with watching(address, f"/api/v1/jobs/{run}/events", shown) as events:
        people.disable(place.database, people.CONSOLE, "eve")
        rest_of(events)


@pytest.mark.parametrize("path", ["/api/v1/jobs/{run}/events", "/api/v1/streams?job={run}"])
def test_a_stream_of_a_run_that_becomes_private_ends_for_others(place, address, eve, run, path):
    shown, _ = by_token(place, place.join("bob"))
    path = path.format(run=run)
    with watching(address, path, shown) as events:
        next(events)
        editing.edit(place.database, run, eve, private=True)
        rest_of(events)

    assert status(address, f"/api/v1/jobs/{run}/events", shown) == 404


@pytest.mark.parametrize("path", ["/api/v1/jobs/{run}/events", "/api/v1/streams?job={run}"])
def test_nothing_of_a_private_run_is_sent_to_others_who_watch_it(
    place, address, eve, run, path, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", SECONDS)  # none of these looks ends them
    shown, _ = by_token(place, place.join("bob"))
    own, _ = by_token(place, eve)
    path = path.format(run=run)
    with watching(address, path, shown) as events, watching(address, path, own) as of_eve:
        next(events)
        next(of_eve)
        editing.edit(place.database, run, eve, private=True)
        editing.edit(place.database, run, eve, notes="a secret")
        of(place.app).wakeups.announce("changed", run)
        assert "a secret" in next(each.data for each in of_eve if "a secret" in each.data)
        assert not [each.data for each in events if "a secret" in each.data]


def test_lists_of_others_are_told_that_a_run_is_no_longer_there_and_nothing_else(place, eve, run):
    topic = HistoryTopic(place.database, "bob")
    seen, _ = topic.present()
    editing.edit(place.database, run, eve, notes="for all")
    editing.edit(place.database, run, eve, private=True)
    editing.edit(place.database, run, eve, notes="a secret")

    events = topic.look(seen).events

    assert [(each.name, each.data) for each in events] == [("hidden", {"job_id": run})]
