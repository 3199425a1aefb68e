"""The live stream: everything once, resumable anywhere, and over when the run is."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading

import httpx
import pytest
from httpx_sse import connect_sse

from core.errors import DatabaseUnavailable
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.recorder import Recorder
from core.protocol.reports import Line
from core.spec import presets
from tests.serving import serving_with
from tests.webui.live.conftest import (
    STARTED,
    Viewer,
    announcing,
    epoch_end,
    events_of,
    identified,
    reading,
    steps_of,
    until,
    watching,
    write,
)
from webui.live import hub as hub_module
from webui.live import topics
from webui.live.news import news


def test_the_stream_of_an_ended_run_sends_everything_and_ends(browser, database, recorder):
    write(recorder, STARTED, reading(1), epoch_end(1), Line(text="a\r\nb\u2028c"))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    address = f"/api/v1/jobs/{recorder.lease.job_id}/events"

    response = browser.get(address)

    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response)
    names = [name for name, _ in events]
    assert names == ["reset", "logs", "epochs", "points", "metrics", "history", "job", "end"]
    kinds = [each["kind"] for each in dict(events)["history"]]
    assert kinds == ["submitted", "claimed", "started", "finished"]
    assert dict(events)["logs"][0]["text"] == "a\r\nb\u2028c"
    assert dict(events)["job"]["state"] == "succeeded"
    last_id = [x for x in response.text.splitlines() if x.startswith("id: ")][-1]
    again = browser.get(address, headers={"Last-Event-ID": last_id.removeprefix("id: ")})
    assert again.status_code == 204


@pytest.mark.parametrize("redis", ["with wake-ups", "without Redis"])
def test_a_stream_brings_what_happens_while_it_is_open(
    settings, database, recorder, monkeypatch, redis
):
    is_there = redis == "with wake-ups"
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 30 if is_there else 0.05)
    url = settings.redis_url if is_there else "redis://127.0.0.1:1/0"
    write(recorder, STARTED)
    with (
        serving_with(settings.model_copy(update={"redis_url": url})) as (_, address),
        httpx.Client(base_url=address, timeout=20) as browser,
        watching(browser, recorder) as events,
        announcing(settings.redis_url, recorder.lease.job_id),
    ):
        until(events, "job")
        write(recorder, reading(1))
        endings.succeed(database, recorder.lease, "c" * 64, [])
        found = until(events, "end")

    assert "points" in [each.event for each in found]
    assert steps_of(found) == [1]


def test_open_streams_end_when_the_server_stops(served, browser, recorder):
    with watching(browser, recorder) as events:
        until(events, "job")
        served[0].stop()

        assert "end" not in [each.event for each in events]


def test_a_stream_can_be_cut_anywhere_and_nothing_is_doubled_or_missed(
    browser, database, recorder, claimant, monkeypatch
):
    monkeypatch.setattr("webui.live.news.ROWS_AT_ONCE", 2)
    write(recorder, STARTED, *[reading(step) for step in range(1, 6)], epoch_end(1))
    write(recorder, *[Line(text=f"first {number}") for number in range(5)])
    endings.end(database, recorder.lease, "drained")
    lease = claim.claim(database, claimant, 30)
    again = Recorder(database, lease, 30)
    write(again, STARTED, *[reading(step) for step in range(1, 8)], epoch_end(1), epoch_end(2))
    write(again, *[Line(text=f"second {number}") for number in range(3)])
    endings.succeed(database, lease, "c" * 64, [])
    address = f"/api/v1/jobs/{lease.job_id}/events"
    lines = [f"first {number}" for number in range(5)] + [f"second {n}" for n in range(3)]

    whole = identified(browser.get(address).text)
    assert len(whole) > 10
    for cut in range(1, len(whole)):
        viewer = Viewer(database, lease.job_id)
        last_id = whole[cut - 1][0]
        rest = browser.get(address, headers={"Last-Event-ID": last_id})
        for _, name, data in whole[:cut] + identified(rest.text):
            viewer.take(name, data)
        assert viewer.steps == list(range(1, 8)), cut
        assert viewer.epochs == [1, 2], cut
        assert viewer.lines == lines, cut
        assert viewer.names[-1] == "end" or rest.status_code == 204, cut


def test_a_stream_outlives_a_database_that_is_away_for_a_while(
    browser, database, recorder, monkeypatch
):
    write(recorder, STARTED, reading(1))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    faults = iter([DatabaseUnavailable("away")] * 4)

    def flaky(*arguments):
        for fault in faults:
            raise fault
        return news(*arguments)

    monkeypatch.setattr(topics, "news", flaky)
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.01)
    text = browser.get(f"/api/v1/jobs/{recorder.lease.job_id}/events").text

    assert 'event: heartbeat\ndata: {"database":"away"}' in text
    assert [name for _, name, _ in identified(text)][-1] == "end"


def test_a_viewer_who_comes_back_gets_what_is_new_and_nothing_twice(
    browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    write(recorder, STARTED, reading(1), reading(2), Line(text="one"))
    with watching(browser, recorder) as events:
        first = until(events, "job")
    write(recorder, reading(3), epoch_end(1), Line(text="two"))
    with watching(browser, recorder, first[-1].id) as events:
        second = until(events, "job")
        endings.succeed(database, recorder.lease, "c" * 64, [])
        second += until(events, "end")
        assert list(events) == []  # the server closes the stream
    gone = browser.get(
        f"/api/v1/jobs/{recorder.lease.job_id}/events", headers={"Last-Event-ID": second[-1].id}
    )

    assert (steps_of(first), steps_of(second)) == ([1, 2], [3])
    assert [each.event for each in second] == [
        "logs",
        "epochs",
        "points",
        "metrics",
        "job",
        "history",
        "job",
        "end",
    ]
    assert (gone.status_code, gone.content) == (204, b"")


def test_a_stream_continues_over_a_pause_and_after_it(
    browser, database, recorder, claimant, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    job_id = recorder.lease.job_id
    with watching(browser, recorder) as events:
        until(events, "job")
        lifecycle.pause(database, job_id, Actor("user", "u", "ada", "administrator"))
        assert until(events, "job")[-1].json()["desired"] == "pause"
        endings.end(database, recorder.lease, "paused")
        paused = until(events, "job")[-1].json()
        lifecycle.resume(database, job_id, LOCAL_OWNER)
        assert until(events, "job")[-1].json()["state"] == "queued"
        again = claim.claim(database, claimant, 30)
        assert until(events, "job")[-1].json()["attempt"] == 2
        endings.succeed(database, again, "c" * 64, [])
        until(events, "end")

    assert (paused["state"], paused["queue_status"]["reason"]) == ("paused", "paused by ada")


def test_a_job_whose_place_in_the_queue_changes_is_sent_again(
    browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    spec = presets.resolve("quick", {})
    ahead, waits = (
        lifecycle.submit(database, LOCAL_OWNER, name="waits", spec=spec) for _ in range(2)
    )
    recorder.lease = dataclasses.replace(recorder.lease, job_id=waits.id)
    with watching(browser, recorder) as events:
        first = until(events, "job")[-1]
        lifecycle.cancel(database, ahead.id, LOCAL_OWNER)
        [second] = until(events, "job")

    statuses = [each.json()["queue_status"] for each in (first, second)]
    assert [status["position"] for status in statuses] == [2, 1]
    assert first.id == second.id  # the row of the job itself did not change


def test_a_retried_run_can_be_followed_again(browser, database, recorder, monkeypatch):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    endings.end(database, recorder.lease, "failed")
    with watching(browser, recorder) as events:
        failed = until(events, "end")
    lifecycle.retry(database, recorder.lease.job_id, LOCAL_OWNER)
    with watching(browser, recorder, failed[-1].id) as events:
        retried, again = until(events, "job")

    assert [each["text"] for each in retried.json()] == ["Retried by owner"]
    assert again.json()["state"] == "queued"


def test_a_new_attempt_resets_an_open_stream(browser, database, recorder, claimant, monkeypatch):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    write(recorder, STARTED, reading(1), reading(2))
    with watching(browser, recorder) as events:
        until(events, "job")
        endings.end(database, recorder.lease, "drained")
        assert json.loads(until(events, "job")[-1].data)["state"] == "queued"
        again = Recorder(database, claim.claim(database, claimant, 30), 30)
        assert json.loads(until(events, "job")[-1].data)["attempt"] == 2
        write(again, STARTED, reading(1))
        sent = until(events, "job")

    assert [each.event for each in sent] == ["reset", "points", "metrics", "history", "job"]
    assert sent[0].json() == {"attempt": 2}
    assert steps_of(sent) == [1]


def test_viewers_who_drop_out_all_the_time_while_a_run_writes_get_each_row_once(
    browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("webui.live.news.ROWS_AT_ONCE", 3)
    write(recorder, STARTED)

    def run():
        for step in range(1, 41):
            write(recorder, reading(step), Line(text=str(step)))
        endings.succeed(database, recorder.lease, "c" * 64, [])

    writer = threading.Thread(target=run)
    writer.start()
    viewer, last_id, is_over = Viewer(database, recorder.lease.job_id), "", False
    while not is_over:  # not until nothing comes: whoever is far behind is sent away, to come back
        with watching(browser, recorder, last_id) as events:
            is_over = events is None
            for event in itertools.islice(events or (), 4):
                viewer.take(event.event, event.json())
                last_id = event.id
    writer.join(20)

    assert viewer.steps == list(range(1, 41))
    assert viewer.lines == [str(step) for step in range(1, 41)]


def test_a_silent_stream_sends_heartbeats(browser, recorder, monkeypatch):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(hub_module, "HEARTBEAT_S", 0.01)
    with browser.stream("GET", f"/api/v1/jobs/{recorder.lease.job_id}/events") as response:
        lines = itertools.dropwhile(lambda line: line != "event: heartbeat", response.iter_lines())
        assert list(itertools.islice(lines, 2))[1] == 'data: {"database":"ok"}'


def test_a_stream_tells_that_the_database_is_away_and_that_it_is_back(
    browser, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.01)
    real, is_away = hub_module.pulse, threading.Event()

    def flaky(*arguments):
        if is_away.is_set():
            raise DatabaseUnavailable("away")
        return real(*arguments)

    monkeypatch.setattr(hub_module, "pulse", flaky)
    with connect_sse(browser, "GET", f"/api/v1/jobs/{recorder.lease.job_id}/events") as source:
        heartbeats = (each.json() for each in source.iter_sse() if each.event == "heartbeat")
        is_away.set()
        assert next(heartbeats) == {"database": "away"}
        is_away.clear()
        assert {"database": "ok"} in heartbeats
