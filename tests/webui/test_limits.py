"""Nobody asks the API more often than the settings say, and every answer says what is left."""

from __future__ import annotations

import pytest

from cli.stack.ports import free_port
from tests.webui.people import Installation, hash_quickly
from webui.app import create_app
from webui.context import of
from webui.limits import PAUSE_AFTER_FAILURE_S, WINDOW_S, Limiter


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_share_is_one_person_s_and_what_is_refused_is_not_counted(redis_url):
    limiter = Limiter(4, redis_url)

    spent = [limiter.take("ada") for _ in range(6)]

    assert [each.requests for each in spent] == [3, 2, 1, 0, 0, 0]
    assert [each.is_refused for each in spent] == [False] * 4 + [True] * 2
    assert 0 < spent[-1].more_in_s <= WINDOW_S
    assert not limiter.take("eve").is_refused


def test_two_servers_of_one_installation_count_together(redis_url):
    one, other = Limiter(3, redis_url), Limiter(3, redis_url)

    left = [limiter.take("ada").requests for limiter in (one, other, one)]

    assert left == [2, 1, 0]
    assert other.take("ada").is_refused


def test_nobody_is_refused_while_redis_takes_no_counts_and_it_is_asked_again_later(redis_server):
    redis_server.flush()
    clock = Clock()
    limiter = Limiter(1, redis_server.url, clock)
    redis_server.replicate("127.0.0.1", 1)  # it reads only
    try:
        assert [limiter.take("ada") for _ in range(3)] == [None] * 3
    finally:
        redis_server.replicate("NO", "ONE")

    assert limiter.take("ada") is None, "it is left alone for a while"
    clock.now += PAUSE_AFTER_FAILURE_S
    assert not limiter.take("ada").is_refused
    assert limiter.take("ada").is_refused


def test_nobody_is_refused_where_there_is_no_redis():
    limiter = Limiter(1, f"redis://127.0.0.1:{free_port()}/0")

    assert [limiter.take("ada") for _ in range(3)] == [None] * 3


def test_without_accounts_there_is_no_limit(client):
    assert "RateLimit" not in client.get("/api/v1/jobs").headers


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    """An installation with accounts, and few requests."""
    hash_quickly(monkeypatch)
    app = create_app(settings.model_copy(update={"accounts": "shared", "requests_per_minute": 3}))
    app.jinja_env.bytecode_cache = compiled_templates
    yield Installation(app)
    of(app).database.dispose()


def test_a_person_has_one_share_with_all_tokens_and_others_have_their_own(place):
    ada, eve = place.join("ada"), place.join("eve")
    clients = [place.program(ada), place.program(ada), place.program(eve)]

    left = [clients[number].get("/api/v1/me").headers["RateLimit"] for number in (0, 1, 0)]
    refused = clients[1].get("/api/v1/me")

    assert [each.split(";")[1] for each in left] == ["r=2", "r=1", "r=0"]
    assert refused.status_code == 429
    assert refused.json["code"] == "request.too_many"
    assert 1 <= int(refused.headers["Retry-After"]) <= WINDOW_S + 1
    assert refused.headers["RateLimit-Policy"] == '"person";q=3;w=60'
    assert clients[2].get("/api/v1/me").status_code == 200
    assert clients[1].get("/").status_code == 200  # pages are not counted
