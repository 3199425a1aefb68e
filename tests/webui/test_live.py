"""The live stream: everything once, resumable anywhere, and over when the run is."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest

from core import presets, queue, workers
from core.journal import Journal
from core.queue import Claimant
from core.reports import EpochEnd, Line, Reading, Started
from core.wakeup import Wakeups
from core.workers import WorkerFacts
from webui import live
from webui.context import current
from webui.live import Position, Watchers, news

STARTED = Started(device="CPU", threads=2, epochs=3, batches=10)


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    return Claimant(workers.register(database, facts), ["default"], ["auto"])


@pytest.fixture
def journal(database, claimant):
    queue.submit(database, name="job", spec=presets.resolve("quick", {}))
    lease = queue.claim(database, claimant, 30)
    made = Journal(database, lease, 30)
    made.lease = lease
    return made


def write(journal, *reports):
    for report in reports:
        journal.record(report)
    journal.flush()


def reading(step):
    return Reading(
        step=step, epoch=1, batch=step, train_loss=1, learning_rate=0.1, images_per_s=1, eta_s=1
    )


def epoch_end(epoch):
    return EpochEnd(
        epoch=epoch,
        step=10 * epoch,
        batch=10,
        train_loss=1,
        test_loss=1,
        test_accuracy=1,
        learning_rate=0.1,
        seconds=1,
        images_per_s=1,
        eta_s=1,
    )


class Viewer:
    """Gathers what a page would show."""

    def __init__(self, database, job_id):
        self.database, self.job_id = database, job_id
        self.position = Position()
        self.steps, self.epochs, self.lines, self.names = [], [], [], []

    def look(self):
        for event in news(self.database, self.job_id, self.position):
            self.take(event.name, event.data)
            self.position = Position.parse(str(event.position))  # as a browser sends it back
        return self

    def take(self, name, data):
        self.names.append(name)
        if name == "reset":
            self.steps, self.epochs = [], []
        self.steps += [row["step"] for row in data] if name == "points" else []
        self.epochs += [row["epoch"] for row in data] if name == "epochs" else []
        self.lines += [row["text"] for row in data] if name == "logs" else []


def test_a_viewer_gets_everything_from_the_start_and_then_only_what_is_new(database, journal):
    viewer = Viewer(database, journal.lease.job_id)
    write(journal, STARTED, reading(1), Line(text="one"))
    viewer.look()
    write(journal, reading(2), epoch_end(1), Line(text="two"))
    viewer.look().look()

    assert (viewer.steps, viewer.epochs, viewer.lines) == ([1, 2], [1], ["one", "two"])


def test_nothing_new_is_nothing_said(database, journal):
    viewer = Viewer(database, journal.lease.job_id).look()
    viewer.names.clear()

    assert viewer.look().names == []


def test_more_rows_than_one_look_brings_all_come(database, journal, monkeypatch):
    monkeypatch.setattr(live, "ROWS_AT_ONCE", 3)
    viewer = Viewer(database, journal.lease.job_id)
    write(journal, STARTED, *[reading(step) for step in range(1, 11)])
    for _ in range(5):
        viewer.look()

    assert viewer.steps == list(range(1, 11))


def test_a_new_attempt_takes_back_what_it_begins_again(database, journal, claimant):
    viewer = Viewer(database, journal.lease.job_id)
    write(journal, STARTED, reading(1), epoch_end(1), Line(text="first"))
    viewer.look()
    queue.end(database, journal.lease, "drained")
    viewer.look()
    again = Journal(database, queue.claim(database, claimant, 30), 30)
    viewer.look()
    assert viewer.steps == [1]  # nothing is taken back before training begins again
    write(again, STARTED, reading(5), Line(text="second"))
    viewer.look()

    assert (viewer.steps, viewer.epochs, viewer.lines) == ([5], [], ["first", "second"])


@pytest.mark.parametrize("text", ["", "1", "1.2.3", "x.0.0.0.0.0.0", "-1.0.0.0.0.0.0", "1." * 7])
def test_a_made_up_position_is_refused(client, journal, text):
    headers = {"Last-Event-ID": text or "x"}

    response = client.get(f"/api/v1/jobs/{journal.lease.job_id}/events", headers=headers)

    assert response.status_code == 422


def events_of(response):
    """The (name, data) pairs of a whole stream."""
    found, name = [], ""
    for line in response.get_data(as_text=True).splitlines():
        kind, _, value = line.partition(": ")
        if kind == "event":
            name = value
        elif kind == "data":
            found.append((name, json.loads(value)))
    return found


def test_the_stream_of_an_ended_run_tells_it_all_and_ends(client, database, journal):
    write(journal, STARTED, reading(1), epoch_end(1), Line(text="a\r\nb\u2028c"))
    queue.succeed(database, journal.lease, "c" * 64, [])
    address = f"/api/v1/jobs/{journal.lease.job_id}/events"

    response = client.get(address)

    assert response.content_type.startswith("text/event-stream")
    events = events_of(response)
    names = [name for name, _ in events]
    assert names == ["reset", "logs", "epochs", "points", "job", "end"]
    assert dict(events)["logs"][0]["text"] == "a\r\nb\u2028c"
    assert dict(events)["job"]["state"] == "succeeded"
    last_id = [x for x in response.get_data(as_text=True).splitlines() if x.startswith("id: ")][-1]
    again = client.get(address, headers={"Last-Event-ID": last_id.removeprefix("id: ")})
    assert again.status_code == 204


@pytest.mark.parametrize("redis", ["with wake-ups", "without Redis"])
def test_a_stream_brings_what_happens_while_it_is_open(
    app, database, journal, monkeypatch, redis, settings
):
    url = settings.redis_url if redis == "with wake-ups" else "redis://127.0.0.1:1/0"
    monkeypatch.setattr(live, "LOOK_EVERY_S", 30 if redis == "with wake-ups" else 0.05)
    watchers = Watchers(Wakeups(url))
    job_id = journal.lease.job_id
    write(journal, STARTED)
    found, seen_first, done = [], threading.Event(), threading.Event()

    def watch():
        with contextlib.closing(live.stream(database, watchers, job_id, Position())) as stream:
            for text in stream:
                found.append(text)
                seen_first.set()
        done.set()

    thread = threading.Thread(target=watch)
    thread.start()
    assert seen_first.wait(10)
    write(journal, reading(1))
    queue.succeed(database, journal.lease, "c" * 64, [])
    while not done.wait(0.05):  # the listener may not have subscribed at the first wake-up
        Wakeups(url).announce("changed", job_id)
    thread.join(10)
    watchers.stop()

    text = "".join(found)
    assert "event: points" in text
    assert text.rstrip().endswith("event: end\ndata: {}")


def test_open_streams_end_when_the_server_stops(app, database, journal):
    with app.app_context():
        watchers = current().watchers
    stream = live.stream(database, watchers, journal.lease.job_id, Position())
    next(stream)
    threading.Timer(0.2, watchers.stop).start()

    assert "event: job" in "".join(stream)
