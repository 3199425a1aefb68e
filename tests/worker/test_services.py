"""What serves a worker beside its jobs, and its last resort when it is to stop."""

from __future__ import annotations

import threading

import pytest

from worker import services


@pytest.fixture
def database_kind():
    """It ends in spite of any database."""
    return "sqlite"


def test_a_worker_that_is_to_stop_ends_at_last_whatever_it_waits_for(context, monkeypatch):
    monkeypatch.setattr(services, "LAST_RESORT_S", 0.01 - context.settings.grace_seconds)
    ended, statuses = threading.Event(), []

    def end(status):
        statuses.append(status)
        ended.set()

    timer = services.end_at_last(context, end)

    assert ended.wait(60)
    assert statuses == [1]
    assert timer.daemon


def test_the_last_resort_comes_after_the_runs_had_their_time(context):
    ended = []

    timer = services.end_at_last(context, ended.append)

    assert timer.interval > context.settings.grace_seconds + services.END_MARGIN_S
    timer.cancel()
    assert not ended
