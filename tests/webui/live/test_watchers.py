"""Who watches a stream: woken by a change of their own job, and gone when they leave."""

from __future__ import annotations

import json

import pytest

from core.jobs import endings
from tests.services import wait_until
from tests.webui.live.conftest import STARTED, reading, steps_of, until, watching, write
from webui.context import current
from webui.live import stream as live
from webui.live.news import news


@pytest.fixture
def announce(app):
    """Announces changes to viewers whose subscription stands."""
    with app.app_context():
        context = current()
    with context.watchers.watching(0) as event:
        while not event.wait(0.05):  # until the subscription stands
            context.wakeups.announce("changed", 0)
        yield lambda job_id: context.wakeups.announce("changed", job_id)


def test_a_wake_up_brings_news_long_before_the_next_poll(
    announce, browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 300)
    write(recorder, STARTED)
    with watching(browser, recorder) as events:
        until(events, "job")
        write(recorder, reading(1))
        announce(recorder.lease.job_id)
        assert steps_of(until(events, "job")) == [1]
        endings.succeed(database, recorder.lease, "c" * 64, [])
        announce(recorder.lease.job_id)
        last = until(events, "end")

    assert json.loads(last[-2].data)["state"] == "succeeded"


def test_a_wake_up_of_another_job_brings_nothing(announce, browser, recorder, monkeypatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 300)
    looked = []
    monkeypatch.setattr(live, "news", lambda *arguments: looked.append(1) or news(*arguments))
    write(recorder, STARTED)
    with watching(browser, recorder) as events:
        until(events, "job")
        announce(recorder.lease.job_id + 1)
        write(recorder, reading(1))
        announce(recorder.lease.job_id)
        until(events, "job")

    assert len(looked) == 2


def test_a_viewer_who_has_left_is_noticed(app, browser, recorder, monkeypatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    with app.app_context():
        watchers = current().watchers
    with watching(browser, recorder) as events:
        until(events, "job")
        assert watchers._events

    wait_until(lambda: not watchers._events, "the stream of the lost viewer ends", 20)


def test_a_look_at_the_headers_alone_opens_no_stream(app, client, recorder):
    response = client.head(f"/api/v1/jobs/{recorder.lease.job_id}/events")

    assert (response.status_code, response.data) == (200, b"")
    response.close()
    with app.app_context():
        assert not current().watchers._events
