"""Finding the server: by what was given, by what is up, else by default."""

import json
import os

import psutil
import pytest

from cli import tokens
from cli.stack import endpoint
from core.errors import InvalidInput
from core.settings import Settings
from trainyard import Client

URL = "http://127.0.0.1:9"


@pytest.fixture
def up(tmp_path):
    """The file of a stack that is up: this process."""
    endpoint.write(tmp_path, URL, os.getpid())
    return tmp_path / endpoint.FILE


def test_the_running_stack_of_a_home_is_found(tmp_path, up):
    assert endpoint.find_url(Settings(home=tmp_path)) == URL
    assert endpoint.find_running(tmp_path).process_id == os.getpid()
    assert list(tmp_path.iterdir()) == [up]


def test_a_worker_that_is_started_beside_it_finds_its_redis(tmp_path):
    endpoint.write(tmp_path, URL, os.getpid(), "redis://:secret@127.0.0.1:7/0")
    assert endpoint.find_redis(Settings(home=tmp_path)) == "redis://:secret@127.0.0.1:7/0"
    given = Settings(home=tmp_path, redis_url="redis://mine:1/0")
    assert endpoint.find_redis(given) == "redis://mine:1/0"
    assert (tmp_path / endpoint.FILE).stat().st_mode & 0o077 == 0


def test_without_a_running_stack_a_worker_takes_the_redis_of_this_host(tmp_path):
    assert endpoint.find_redis(Settings(home=tmp_path)) == "redis://127.0.0.1:6379/0"


def test_an_address_that_was_given_goes_before_a_running_stack(tmp_path, up):
    assert endpoint.find_url(Settings(home=tmp_path, url="http://web:80")) == "http://web:80"


THERE = "https://trains.example"


def test_without_any_the_one_server_that_somebody_has_logged_in_to_is_meant(tmp_path):
    tokens.keep(Settings(home=tmp_path), THERE, "ty_kept")

    assert endpoint.find_url(Settings(home=tmp_path)) == THERE


@pytest.mark.parametrize(
    "given", [{"port": 9000}, {"host": "127.0.0.1"}, {"token": "ty_" + "a" * 72}]
)
def test_a_kept_token_names_no_server_where_another_is_meant(tmp_path, given):
    tokens.keep(Settings(home=tmp_path), THERE, "ty_kept")

    assert endpoint.find_url(Settings(home=tmp_path, **given)).startswith("http://127.0.0.1:")


def test_whoever_brings_a_token_of_their_own_is_led_to_no_server_by_a_kept_one(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    tokens.keep(Settings(home=tmp_path), THERE, "ty_kept")

    assert Client(token="ty_mine").url.startswith("http://127.0.0.1:")
    assert endpoint.find_url(Settings(home=tmp_path), by_tokens=False).startswith(
        "http://127.0.0.1:"
    )
    assert Client().url == THERE


def test_a_running_stack_goes_before_a_kept_token(tmp_path, up):
    tokens.keep(Settings(home=tmp_path), THERE, "ty_kept")

    assert endpoint.find_url(Settings(home=tmp_path)) == URL


def test_of_several_servers_one_must_be_chosen(tmp_path):
    for url in (THERE, "http://127.0.0.1:8327"):
        tokens.keep(Settings(home=tmp_path), url, "ty_kept")

    with pytest.raises(InvalidInput, match=r"http://127.0.0.1:8327, https://trains.example.*--url"):
        endpoint.find_url(Settings(home=tmp_path))
    assert endpoint.find_url(Settings(home=tmp_path, url=THERE)) == THERE


def test_without_any_the_default_port_is_meant(tmp_path):
    assert endpoint.find_url(Settings(home=tmp_path, port=9000)) == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    "change",
    [
        {"process_id": 2**22 + 1},  # more than Linux counts to
        {"process_id": -1},
        {"process_id": "one"},
        {"started_at": psutil.Process().create_time() - 60},  # the id was used again
        {"started_at": "noon"},
        {"more": 1},
    ],
)
def test_the_file_of_a_dead_process_or_a_damaged_one_is_ignored(tmp_path, up, change):
    up.write_text(json.dumps(json.loads(up.read_text()) | change))

    assert endpoint.find_running(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]", b"null", b"\xff", b"{}"])
def test_a_file_that_is_none_of_ours_is_ignored(tmp_path, up, content):
    up.write_bytes(content)

    assert endpoint.find_running(tmp_path) is None


def test_what_was_written_down_can_be_erased_twice(tmp_path, up):
    endpoint.erase(tmp_path)
    endpoint.erase(tmp_path)

    assert endpoint.find_running(tmp_path) is None
