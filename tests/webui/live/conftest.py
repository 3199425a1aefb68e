"""A run that writes, and viewers who watch it."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest
from httpx_sse import connect_sse

from core import workers
from core.jobs import claim, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.recorder import Recorder
from core.messaging.pubsub import Wakeups
from core.protocol.reports import StepMetrics
from core.spec import presets
from core.workers import WorkerFacts
from tests import reported
from webui.live.news import news
from webui.live.position import Position

STARTED = reported.started(epochs=3)


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    return Claimant(workers.register(database, facts), ["default"])


@pytest.fixture
def recorder(database, claimant):
    lifecycle.submit(database, LOCAL_OWNER, name="job", spec=presets.resolve("quick", {}))
    lease = claim.claim(database, claimant, 30)
    made = Recorder(database, lease, 30)
    made.lease = lease
    return made


def write(recorder, *reports):
    for report in reports:
        recorder.record(report)
    recorder.flush()


def reading(step):
    return StepMetrics(
        step=step, epoch=1, batch=step, train_loss=1, learning_rate=0.1, images_per_s=1, eta_s=1
    )


def epoch_end(epoch):
    return reported.epoch_end(epoch=epoch, step=10 * epoch)


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
        self.steps += [row["step"] for row in data] if name == "metrics" else []
        self.epochs += [row["epoch"] for row in data] if name == "epochs" else []
        self.lines += [row["text"] for row in data] if name == "logs" else []


def events_of(response):
    """The (name, data) pairs of a whole stream."""
    found, name = [], ""
    for line in response.text.splitlines():
        kind, _, value = line.partition(": ")
        if kind == "event":
            name = value
        elif kind == "data":
            found.append((name, json.loads(value)))
    return found


def identified(text):
    """The (id, name, data) of each event of a stream."""
    found = []
    for block in text.split("\n\n"):
        parts = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if "id" in parts:  # not a heartbeat
            found.append((parts["id"], parts["event"], json.loads(parts["data"])))
    return found


@contextlib.contextmanager
def watching(browser, recorder, last_id=""):
    """The events of a job over a real connection, one after the other; None after its end."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    address = f"/api/v1/jobs/{recorder.lease.job_id}/events"
    with connect_sse(browser, "GET", address, headers=headers) as source:
        over = source.response.status_code == 204
        # the reader makes an event of the line "retry", a browser does not
        news = (each for each in source.iter_sse() if each.data and each.event != "heartbeat")
        yield None if over else news


@contextlib.contextmanager
def announcing(redis_url, job_id):
    """Wake-ups of a job, again and again: a subscription may not stand yet."""
    wakeups, over = Wakeups(redis_url), threading.Event()

    def announce():
        while not over.wait(0.05):
            wakeups.announce("changed", job_id)

    thread = threading.Thread(target=announce)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def until(events, name):
    """Read events up to one of this name."""
    read = []
    for event in events:
        read.append(event)
        if event.event == name:
            return read
    raise AssertionError(f"the stream ended without {name}: {[each.event for each in read]}")


def steps_of(events):
    return [row["step"] for each in events if each.event == "metrics" for row in each.json()]
