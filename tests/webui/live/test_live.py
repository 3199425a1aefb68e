"""The live stream: everything once, resumable anywhere, and over when the run is."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import threading

import httpx
import pytest
from httpx_sse import connect_sse
from werkzeug.serving import WSGIRequestHandler, make_server

from core import workers
from core.errors import DatabaseUnavailable
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.claim import Claimant
from core.jobs.recorder import Recorder
from core.messaging.pubsub import Wakeups
from core.protocol.reports import Line, StepMetrics
from core.spec import presets
from core.workers import WorkerFacts
from tests import reported
from tests.services import wait_until
from webui.context import current
from webui.live import stream as live
from webui.live.news import news
from webui.live.position import LARGEST_PART, Position
from webui.live.watchers import Watchers

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


def test_a_viewer_gets_everything_from_the_start_and_then_only_what_is_new(database, recorder):
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, reading(1), Line(text="one"))
    viewer.look()
    write(recorder, reading(2), epoch_end(1), Line(text="two"))
    viewer.look().look()

    assert (viewer.steps, viewer.epochs, viewer.lines) == ([1, 2], [1], ["one", "two"])


def test_nothing_new_is_nothing_said(database, recorder):
    viewer = Viewer(database, recorder.lease.job_id).look()
    viewer.names.clear()

    assert viewer.look().names == []


def last_job(database, job_id, position=Position()):  # noqa: B008  (it never changes)
    return next(each.data for each in news(database, job_id, position) if each.name == "job")


def test_a_job_that_waits_is_sent_with_the_reason(database, recorder):
    first = lifecycle.submit(database, LOCAL_OWNER, name="waits", spec=presets.resolve("quick", {}))
    told = last_job(database, first.id)
    assert told["queue_status"]["reason"] == "next in line on 1 CPU slot"
    assert told["queue_status"]["position"] == 1
    lifecycle.pause(database, first.id, Actor("user", "u", "ada"))

    told = last_job(database, first.id)

    assert (told["state"], told["queue_status"]["reason"]) == ("paused", "paused by ada")


def test_a_job_that_runs_is_sent_with_the_moment_when_it_was_last_heard_of(database, recorder):
    before = last_job(database, recorder.lease.job_id)["last_heartbeat_at"]
    write(recorder, STARTED)

    assert last_job(database, recorder.lease.job_id)["last_heartbeat_at"] > before


def test_more_rows_than_one_look_brings_all_come(database, recorder, monkeypatch):
    monkeypatch.setattr("webui.live.news.ROWS_AT_ONCE", 3)
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, *[reading(step) for step in range(1, 11)])
    for _ in range(5):
        viewer.look()

    assert viewer.steps == list(range(1, 11))


def test_a_new_attempt_takes_back_what_it_begins_again(database, recorder, claimant):
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, reading(1), epoch_end(1), Line(text="first"))
    viewer.look()
    endings.end(database, recorder.lease, "drained")
    viewer.look()
    again = Recorder(database, claim.claim(database, claimant, 30), 30)
    viewer.look()
    assert viewer.steps == [1]  # nothing is taken back before training begins again
    write(again, STARTED, reading(5), Line(text="second"))
    viewer.look()

    assert (viewer.steps, viewer.epochs, viewer.lines) == ([5], [], ["first", "second"])


def test_the_stream_tells_once_that_there_is_an_evaluation(database, recorder, claimant):
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, epoch_end(1))
    viewer.look()
    assert "evaluation" not in viewer.names
    write(recorder, reported.evaluated())
    viewer.look()
    write(recorder, Line(text="later"))
    viewer.look()
    assert viewer.names.count("evaluation") == 1
    assert viewer.names.index("evaluation") < len(viewer.names) - 1  # the job comes after it

    endings.end(database, recorder.lease, "drained")
    again = Recorder(database, claim.claim(database, claimant, 30), 30)
    write(again, STARTED, reported.evaluated())
    viewer.look()
    assert viewer.names.count("evaluation") == 2


def test_a_position_of_an_earlier_version_is_understood():
    assert Position.parse("15.1.0.12.1.5.3") == Position(15, 1, 0, 12, 1, 5, 3)


def test_a_made_up_position_is_refused(client, recorder):
    for text in (
        *("x", "1", "1.2.3", "x.0.0.0.0.0.0", "-1.0.0.0.0.0.0", "1." * 7, "1.0.0.0.0.0"),
        *(f"1.0.0.0.0.0.{LARGEST_PART + 1}", f"1.0.{'9' * 5000}.0.0.0.0", "inf.0.0.0.0.0.0"),
        "1.0.0.0.0.0.0.0.0.0",
    ):
        address = f"/api/v1/jobs/{recorder.lease.job_id}/events"
        assert client.get(address, headers={"Last-Event-ID": text}).status_code == 422, text
        assert client.get(f"{address}?after={text}").status_code == 422, text


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


def test_the_stream_of_an_ended_run_tells_it_all_and_ends(client, database, recorder):
    write(recorder, STARTED, reading(1), epoch_end(1), Line(text="a\r\nb\u2028c"))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    address = f"/api/v1/jobs/{recorder.lease.job_id}/events"

    response = client.get(address)

    assert response.content_type.startswith("text/event-stream")
    events = events_of(response)
    names = [name for name, _ in events]
    assert names == ["reset", "logs", "epochs", "points", "metrics", "history", "job", "end"]
    kinds = [each["kind"] for each in dict(events)["history"]]
    assert kinds == ["submitted", "claimed", "started", "finished"]
    assert dict(events)["logs"][0]["text"] == "a\r\nb\u2028c"
    assert dict(events)["job"]["state"] == "succeeded"
    last_id = [x for x in response.get_data(as_text=True).splitlines() if x.startswith("id: ")][-1]
    again = client.get(address, headers={"Last-Event-ID": last_id.removeprefix("id: ")})
    assert again.status_code == 204


@pytest.mark.parametrize("redis", ["with wake-ups", "without Redis"])
def test_a_stream_brings_what_happens_while_it_is_open(
    app, database, recorder, monkeypatch, redis, settings
):
    url = settings.redis_url if redis == "with wake-ups" else "redis://127.0.0.1:1/0"
    monkeypatch.setattr(live, "LOOK_EVERY_S", 30 if redis == "with wake-ups" else 0.05)
    watchers = Watchers(Wakeups(url))
    job_id = recorder.lease.job_id
    write(recorder, STARTED)
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
    write(recorder, reading(1))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    while not done.wait(0.05):  # the listener may not have subscribed at the first wake-up
        Wakeups(url).announce("changed", job_id)
    thread.join(10)
    watchers.stop()

    text = "".join(found)
    assert "event: points" in text
    assert text.rstrip().endswith("event: end\ndata: {}")


def test_open_streams_end_when_the_server_stops(app, database, recorder):
    with app.app_context():
        watchers = current().watchers
    stream = live.stream(database, watchers, recorder.lease.job_id, Position())
    next(stream)
    threading.Timer(0.2, watchers.stop).start()

    assert "event: job" in "".join(stream)


def test_the_largest_position_is_answered_like_any_other(client, database, recorder):
    write(recorder, STARTED, reading(1), Line(text="one"))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    beyond = ".".join(["1", "1", *[str(LARGEST_PART)] * 7])

    response = client.get(f"/api/v1/jobs/{recorder.lease.job_id}/events?after={beyond}")

    assert [name for name, _ in events_of(response)] == ["job", "end"]


def test_a_stream_can_be_cut_anywhere_and_nothing_is_doubled_or_missed(
    client, database, recorder, claimant, monkeypatch
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

    whole = identified(client.get(address).text)
    assert len(whole) > 10
    for cut in range(1, len(whole)):
        viewer = Viewer(database, lease.job_id)
        last_id = whole[cut - 1][0]
        rest = client.get(address, headers={"Last-Event-ID": last_id})
        for _, name, data in whole[:cut] + identified(rest.text):
            viewer.take(name, data)
        assert viewer.steps == list(range(1, 8)), cut
        assert viewer.epochs == [1, 2], cut
        assert viewer.lines == lines, cut
        assert viewer.names[-1] == "end" or rest.status_code == 204, cut


def identified(text):
    """The (id, name, data) of each event of a stream."""
    found = []
    for block in text.split("\n\n"):
        parts = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if "event" in parts:
            found.append((parts["id"], parts["event"], json.loads(parts["data"])))
    return found


def test_a_stream_outlives_a_database_that_is_away_for_a_while(
    app, database, recorder, monkeypatch
):
    write(recorder, STARTED, reading(1))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    faults = iter([DatabaseUnavailable("away"), DatabaseUnavailable("away")])

    def flaky(*arguments):
        for fault in faults:
            raise fault
        return news(*arguments)

    monkeypatch.setattr(live, "news", flaky)
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.01)
    with app.app_context():
        watchers = current().watchers
    text = "".join(live.stream(database, watchers, recorder.lease.job_id, Position()))

    assert text.count(": the database is away") == 2
    assert [name for _, name, _ in identified(text)][-1] == "end"


class Quiet(WSGIRequestHandler):
    """A handler that does not write each request to the terminal."""

    def log(self, *_arguments):
        pass


@contextlib.contextmanager
def serving(app):
    """The address of a real server of an application, on a free port."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    server.daemon_threads = False  # so that the close waits for every request
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        with app.app_context():
            current().watchers.stop()  # open streams end, and their threads with them
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def browser(app):
    with serving(app) as address, httpx.Client(base_url=address, timeout=20) as made:
        yield made


@contextlib.contextmanager
def watching(browser, recorder, last_id=""):
    """The events of a job over a real connection, one after the other."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    address = f"/api/v1/jobs/{recorder.lease.job_id}/events"
    with connect_sse(browser, "GET", address, headers=headers) as source:
        over = source.response.status_code == 204
        # the reader makes an event of the line "retry", a browser does not
        yield iter(()) if over else (event for event in source.iter_sse() if event.data)


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


@pytest.fixture
def heard(app):
    """Announces changes to viewers who certainly hear them."""
    with app.app_context():
        context = current()
    with context.watchers.watching(0) as event:
        while not event.wait(0.05):  # until the subscription stands
            context.wakeups.announce("changed", 0)
        yield lambda job_id: context.wakeups.announce("changed", job_id)


def test_a_wake_up_brings_news_long_before_the_next_look(
    heard, browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 300)
    write(recorder, STARTED)
    with watching(browser, recorder) as events:
        until(events, "job")
        write(recorder, reading(1))
        heard(recorder.lease.job_id)
        assert steps_of(until(events, "job")) == [1]
        endings.succeed(database, recorder.lease, "c" * 64, [])
        heard(recorder.lease.job_id)
        last = until(events, "end")

    assert json.loads(last[-2].data)["state"] == "succeeded"


def test_a_wake_up_of_another_job_brings_nothing(heard, browser, recorder, monkeypatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 300)
    looked = []
    monkeypatch.setattr(live, "news", lambda *arguments: looked.append(1) or news(*arguments))
    write(recorder, STARTED)
    with watching(browser, recorder) as events:
        until(events, "job")
        heard(recorder.lease.job_id + 1)
        write(recorder, reading(1))
        heard(recorder.lease.job_id)
        until(events, "job")

    assert len(looked) == 2


def test_a_viewer_who_comes_back_gets_what_is_new_and_nothing_twice(
    browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.02)
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


def test_a_stream_goes_on_over_a_pause_and_after_it(
    browser, database, recorder, claimant, monkeypatch
):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.02)
    job_id = recorder.lease.job_id
    with watching(browser, recorder) as events:
        until(events, "job")
        lifecycle.pause(database, job_id, Actor("user", "u", "ada"))
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


def test_a_job_that_others_move_on_in_the_line_is_sent_again(
    browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.02)
    spec = presets.resolve("quick", {})
    ahead, waits = (
        lifecycle.submit(database, LOCAL_OWNER, name="waits", spec=spec) for _ in range(2)
    )
    recorder.lease = dataclasses.replace(recorder.lease, job_id=waits.id)
    with watching(browser, recorder) as events:
        first = until(events, "job")[-1]
        lifecycle.cancel(database, ahead.id, LOCAL_OWNER)
        [second] = until(events, "job")

    told = [each.json()["queue_status"] for each in (first, second)]
    assert [status["position"] for status in told] == [2, 1]
    assert first.id == second.id  # the row of the job itself did not change


def test_a_run_that_is_tried_again_can_be_followed_again(browser, database, recorder, monkeypatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.02)
    endings.end(database, recorder.lease, "failed")
    with watching(browser, recorder) as events:
        failed = until(events, "end")
    lifecycle.retry(database, recorder.lease.job_id, LOCAL_OWNER)
    with watching(browser, recorder, failed[-1].id) as events:
        retried, again = until(events, "job")

    assert [each["text"] for each in retried.json()] == ["Retried by owner"]
    assert again.json()["state"] == "queued"


def test_a_new_attempt_resets_an_open_stream(browser, database, recorder, claimant, monkeypatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.02)
    write(recorder, STARTED, reading(1), reading(2))
    with watching(browser, recorder) as events:
        until(events, "job")
        endings.end(database, recorder.lease, "drained")
        assert json.loads(until(events, "job")[-1].data)["state"] == "queued"
        again = Recorder(database, claim.claim(database, claimant, 30), 30)
        assert json.loads(until(events, "job")[-1].data)["attempt"] == 2
        write(again, STARTED, reading(1))
        told = until(events, "job")

    assert [each.event for each in told] == ["reset", "points", "metrics", "history", "job"]
    assert told[0].json() == {"attempt": 2}
    assert steps_of(told) == [1]


def test_viewers_who_drop_out_all_the_time_while_a_run_writes_get_each_row_once(
    browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("webui.live.news.ROWS_AT_ONCE", 3)
    write(recorder, STARTED)

    def run():
        for step in range(1, 41):
            write(recorder, reading(step), Line(text=str(step)))
        endings.succeed(database, recorder.lease, "c" * 64, [])

    writer = threading.Thread(target=run)
    writer.start()
    viewer, last_id, told = Viewer(database, recorder.lease.job_id), "", True
    while told:  # until there is an answer without events: the run is over
        with watching(browser, recorder, last_id) as events:
            told = list(itertools.islice(events, 4))
        for event in told:
            viewer.take(event.event, event.json())
            last_id = event.id
    writer.join(20)

    assert viewer.steps == list(range(1, 41))
    assert viewer.lines == [str(step) for step in range(1, 41)]


def test_a_viewer_who_has_left_is_noticed(app, browser, recorder, monkeypatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    with app.app_context():
        watchers = current().watchers
    with watching(browser, recorder) as events:
        until(events, "job")
        assert watchers._events

    wait_until(lambda: not watchers._events, "the stream of the lost viewer ends", 20)


def test_a_silent_stream_says_that_it_is_still_there(app, database, recorder, monkeypatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    with app.app_context():
        watchers = current().watchers
    with contextlib.closing(
        live.stream(database, watchers, recorder.lease.job_id, Position())
    ) as stream:
        assert any(text == ": still here\n\n" for text in stream)


def test_a_look_at_the_headers_alone_opens_no_stream(app, client, recorder):
    response = client.head(f"/api/v1/jobs/{recorder.lease.job_id}/events")

    assert (response.status_code, response.data) == (200, b"")
    response.close()
    with app.app_context():
        assert not current().watchers._events


def test_the_history_of_a_run_is_listed_and_goes_page_by_page(client, database, recorder):
    job_id = recorder.lease.job_id
    lifecycle.pause(database, job_id, LOCAL_OWNER)
    address = f"/api/v1/jobs/{job_id}/events/history"

    first = client.get(f"{address}?limit=1").json
    rest = client.get(f"{address}?cursor={first['next']}").json["items"]

    assert first["items"][0]["kind"] == "submitted"
    assert rest[-1]["kind"] == "pause_requested"
    assert rest[-1]["actor"] == LOCAL_OWNER.as_json()


def test_the_stream_of_all_runs_goes_on_after_an_event(browser, database, recorder):
    with connect_sse(browser, "GET", "/api/v1/events?after=0") as source:
        submitted = next(each for each in source.iter_sse() if each.data)
    lifecycle.pause(database, recorder.lease.job_id, LOCAL_OWNER)
    with connect_sse(browser, "GET", f"/api/v1/events?after={submitted.id}") as source:
        following = next(each for each in source.iter_sse() if each.data)

    assert submitted.json()["kind"] == "submitted"
    assert int(following.id) > int(submitted.id)


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19])
def test_what_is_no_event_is_refused(client, after):
    assert client.get(f"/api/v1/events?after={after}").status_code == 422
