"""Patience with the file store, and the log lines of the thread that has it."""

from __future__ import annotations

import io
import json
import logging
import threading

import pytest

from core import logs
from core.errors import DatabaseUnavailable, Unavailable
from worker.supervisor import publishing
from worker.supervisor.publishing import StoreAccess


class Writer:
    """Notes the lines of the run's log."""

    renew_every_s = 0.01

    def __init__(self):
        self.lines = []

    def log(self, text, level="info"):
        self.lines.append((level, text))


class Asked:
    is_asked = False
    grace_seconds = 0.05


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def stopping():
    return Asked()


@pytest.fixture
def access(writer, stopping, monkeypatch):
    monkeypatch.setattr(publishing, "FIRST_PAUSE_S", 0.01)
    return StoreAccess(writer, stopping, lambda: None)


def failing(*errors):
    """Work that fails so often, and then succeeds."""
    left = iter(errors)

    def work():
        for error in left:
            raise error
        return "done"

    return work


def test_a_store_that_comes_back_costs_nothing_but_time_and_is_logged(access, writer):
    away = Unavailable("The file store is away.")

    assert access.run(failing(away)) == "done"

    [(level, text)] = writer.lines
    assert level == "warning"
    assert text.startswith("The file store is away. Waiting for it")


def test_a_store_that_is_away_for_too_long_is_given_up(access, monkeypatch):
    monkeypatch.setattr(publishing, "STORE_PATIENCE_S", 0.0)

    with pytest.raises(Unavailable, match="away"):
        access.run(failing(*[Unavailable("It is away.")] * 3))


def test_the_database_is_waited_for_however_long_it_takes(access, writer, monkeypatch):
    monkeypatch.setattr(publishing, "STORE_PATIENCE_S", 0.0)

    assert access.run(failing(*[DatabaseUnavailable("It is away.")] * 3)) == "done"
    assert not writer.lines


def test_a_job_that_is_to_stop_waits_for_nothing(access, stopping):
    stopping.is_asked = True

    with pytest.raises(Unavailable):
        access.run(failing(Unavailable("It is away.")))


def test_the_lease_is_kept_meanwhile(writer, stopping):
    is_kept = threading.Event()

    def work():
        assert is_kept.wait(60)
        return "done"

    assert StoreAccess(writer, stopping, is_kept.set).run(work) == "done"


def test_what_went_wrong_otherwise_is_raised(access):
    with pytest.raises(OSError, match="full"):
        access.run(failing(OSError("The disk is full.")))


def test_the_lines_of_the_helper_thread_belong_to_the_job(access):
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    logs.configure("json", stream=stream, worker="w1")
    try:
        with logs.bound(job_id=7, attempt=2):
            access.run(failing(Unavailable("It is away.")))
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

    [line] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (line["event"], line["worker"], line["job_id"], line["attempt"]) == (
        "store_unavailable",
        "w1",
        7,
        2,
    )


@pytest.fixture
def hanging():
    """Work that does not end before the test does."""
    released = threading.Event()
    yield lambda: released.wait(60)
    released.set()


def test_a_job_that_is_to_stop_waits_for_a_store_that_hangs_no_longer_than_its_grace(
    access, stopping, hanging
):
    stopping.is_asked = True

    with pytest.raises(Unavailable, match="has not answered"):
        access.run(hanging)


def test_a_store_that_hangs_is_given_up_in_the_end(access, hanging, monkeypatch):
    monkeypatch.setattr(publishing, "LONGEST_CALL_S", 0.05)

    with pytest.raises(Unavailable, match="has not answered"):
        access.run(hanging)


def test_a_database_that_is_away_for_long_is_no_store_that_hangs(access, monkeypatch):
    monkeypatch.setattr(publishing, "LONGEST_CALL_S", 0.5)
    monkeypatch.setattr(publishing, "FIRST_PAUSE_S", 0.2)

    assert access.run(failing(*[DatabaseUnavailable("It is away.")] * 3)) == "done"


def test_a_job_that_is_to_stop_ends_the_pause_before_the_next_try(writer, stopping, monkeypatch):
    monkeypatch.setattr(publishing, "FIRST_PAUSE_S", 3600.0)
    tried = threading.Event()

    def work():
        tried.set()
        raise Unavailable("It is away.")

    def keep_up():
        stopping.is_asked = tried.is_set()

    with pytest.raises(Unavailable, match="It is away"):
        StoreAccess(writer, stopping, keep_up).run(work)
