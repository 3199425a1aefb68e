"""The embedded stack's own decisions; `tests/faults` runs it."""

import os
import signal
import socket

import pytest
from filelock import FileLock

from cli.stack import broker, child, endpoint
from cli.stack import stack as stack_module
from cli.stack.stack import Stack
from core.accounts import invitations
from core.errors import Unavailable
from core.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def silent(_text):
    """Say nothing."""


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("::1", "http://[::1]:9000"),
        ("0.0.0.0", "http://127.0.0.1:9000"),
        ("::", "http://[::1]:9000"),
    ],
)
def test_the_address_of_the_dashboard_can_be_opened(tmp_path, host, url):
    assert Stack(Settings(home=tmp_path, host=host, port=9000), silent).url == url


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_where_people_have_accounts_the_first_gets_a_link_and_nobody_else(settings, database):
    alone = Stack(settings, silent)
    shared = Stack(settings.model_copy(update={"accounts": "shared"}), silent)
    assert alone.first_link() is None

    link = shared.first_link()
    secret = link.partition("/invitations/")[2]
    person = invitations.accept(database, secret, "ada", "correct horse battery")

    assert person.role == "administrator"
    assert shared.first_link() is None


def test_a_port_that_was_asked_for_and_is_taken_is_refused_by_its_variable(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = Settings(
            home=tmp_path, port=taken.getsockname()[1], redis_url="redis://127.0.0.1:1/0"
        )
        with (
            pytest.raises(Unavailable, match="TRAINYARD_PORT"),
            Stack(chosen, silent).running(),
        ):
            pass


def test_a_stack_that_is_going_down_is_waited_for_and_one_that_is_up_is_named(tmp_path):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]  # so that it starts nothing
    chosen = Settings(home=tmp_path, port=port, redis_url="redis://127.0.0.1:1/0")
    other, texts = FileLock(tmp_path / "up.lock"), []
    other.acquire()

    def say(text):
        texts.append(text)
        other.release()  # it is gone

    with taken, pytest.raises(Unavailable, match="TRAINYARD_PORT"), Stack(chosen, say).running():
        pass
    assert texts[0] == "another one is starting or stopping here: waiting for it"

    with other:
        endpoint.write(tmp_path, "http://127.0.0.1:9", os.getpid())
        with (
            pytest.raises(Unavailable, match=r"already up at http://127\.0\.0\.1:9,"),
            Stack(chosen, silent).running(),
        ):
            pass


def test_a_home_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "a file").write_text("")
    chosen = Settings(home=tmp_path / "a file" / "home")

    with pytest.raises(Unavailable, match="TRAINYARD_HOME"), Stack(chosen, silent).running():
        pass


def test_the_broker_listens_on_loopback_with_a_password_and_keeps_nothing():
    lines = broker.configuration(7000, "secret").decode().splitlines()

    assert {"bind 127.0.0.1", "port 7000", "requirepass secret", 'save ""'} <= set(lines)


@pytest.mark.parametrize(("size", "is_kept"), [(10, True), (child.LARGEST_LOG_BYTES + 1, False)])
def test_a_log_that_has_grown_large_is_put_aside(tmp_path, size, is_kept):
    log = tmp_path / "web.log"
    with log.open("wb") as file:
        file.truncate(size)

    child._keep_small(log)

    assert log.exists() is is_kept
    assert (tmp_path / "web.1.log").exists() is not is_kept


@pytest.mark.parametrize("is_ignored", [True, False])
def test_a_hang_up_stops_it_unless_it_was_started_with_nohup(tmp_path, is_ignored):
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
        stack_module.stop_on_signals(Stack(Settings(home=tmp_path), silent))
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert callable(signal.getsignal(signal.SIGTERM))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert ignored is is_ignored
