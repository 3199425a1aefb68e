"""The hub: one look a change for all who watch, and nothing for those who do not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from httpx_sse import connect_sse

from core.jobs import endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messaging.pubsub import Wakeups
from core.protocol.reports import Line
from core.spec import presets
from tests.services import wait_until
from tests.webui.live.conftest import (
    STARTED,
    Viewer,
    epoch_end,
    identified,
    reading,
    steps_of,
    until,
    watching,
    write,
)
from webui.live import channel, topics
from webui.live import hub as hub_module
from webui.live.hub import Hub
from webui.live.news import news, present
from webui.live.position import Position
from webui.live.subscription import Subscription, Watched
from webui.live.viewer import Viewer as Sender


@pytest.fixture
def announce(settings):
    """Announces changes once a server listens for them."""
    wakeups = Wakeups(settings.redis_url)

    def listened():
        with redis.Redis.from_url(settings.redis_url) as server:
            return dict(server.pubsub_numsub("trainyard:0:changed"))[b"trainyard:0:changed"]

    def send(job_id):
        wait_until(listened, "the hub listens")
        wakeups.announce("changed", job_id)

    return send


@pytest.fixture
def looks(monkeypatch):
    """What each look at a run brought."""
    found = []

    def look(*arguments):
        events = news(*arguments)
        found.append([event.name for event in events])
        return events

    monkeypatch.setattr(topics, "news", look)
    return found


def test_a_wake_up_brings_news_long_before_the_next_poll(
    announce, browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 300)
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


def test_a_wake_up_of_another_job_brings_nothing(announce, browser, recorder, monkeypatch, looks):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 300)
    write(recorder, STARTED)
    with watching(browser, recorder) as events:
        until(events, "job")
        announce(recorder.lease.job_id + 1)
        write(recorder, reading(1))
        announce(recorder.lease.job_id)
        until(events, "job")

    assert len([each for each in looks if each]) == 2


def test_a_viewer_who_has_left_costs_nothing(hub, browser, recorder):
    with watching(browser, recorder) as events:
        until(events, "job")
        assert (hub.connections, hub.channels) == (1, 1)

    wait_until(lambda: (hub.connections, hub.channels) == (0, 0), "the hub forgets it", 20)


def test_a_look_at_the_headers_alone_opens_no_stream(browser, hub, recorder):
    response = browser.head(f"/api/v1/jobs/{recorder.lease.job_id}/events")

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert hub.connections == 0


def test_two_hundred_viewers_are_sent_each_change_once_for_one_look(
    database, recorder, settings, looks, monkeypatch
):
    write(recorder, STARTED, reading(1))
    crowd = 200

    async def scene(hub, senders):
        job_id = recorder.lease.job_id
        at, _ = present(database, job_id)
        texts = [[] for _ in range(crowd)]
        tasks = [senders(Subscription([Watched(job_id, at)]), found.append) for found in texts]
        await settled(lambda: hub.connections == crowd and all(texts))
        for step in range(2, 7):
            write(recorder, reading(step))
            hub._changed(job_id)
            await settled(lambda step=step: all(f'"step":{step},' in text_of(x) for x in texts))
        endings.succeed(database, recorder.lease, "c" * 64, [])
        await asyncio.gather(*tasks)
        return texts

    texts = watched_by(database, settings, scene)

    for text in map(text_of, texts):
        rows = [
            row["step"] for _, name, data in identified(text) if name == "metrics" for row in data
        ]
        assert rows == [2, 3, 4, 5, 6]
        assert identified(text)[-1][1] == "end"
    assert len({text_of(text) for text in texts}) == 1
    assert len([each for each in looks if each]) == 6


def text_of(parts):
    return b"".join(parts).decode()


async def settled(condition):
    """Let others run until a condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def watched_by(database, settings, scene):
    """Run a scene with a hub, and a function that opens streams: what is sent is handed over."""

    async def play():
        hub = Hub(database, Wakeups(settings.redis_url))

        def open_stream(subscription, take):
            async def write_to(text):
                kept = take(text)
                if kept is not None:
                    await kept

            return asyncio.create_task(Sender(hub, subscription, write_to).run())

        try:
            return await scene(hub, open_stream)
        finally:
            hub.stop()
            await asyncio.sleep(0)
            hub.close()

    # in a thread of its own: the browser tests may have left a loop running in this one
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, play()).result()


def test_a_viewer_that_takes_too_slowly_gets_everything_once_and_holds_up_nobody(
    database, recorder, settings, monkeypatch
):
    monkeypatch.setattr(channel, "MOST_ENTRIES", 2)
    write(recorder, STARTED)
    job_id = recorder.lease.job_id

    async def scene(hub, senders):
        at, _ = present(database, job_id)
        fast, slow, may_take = [], [], asyncio.Event()

        async def taken_slowly(text):
            slow.append(text)
            if b"event: metrics" in text:
                await may_take.wait()

        tasks = [
            senders(Subscription([Watched(job_id, at)]), fast.append),
            senders(Subscription([Watched(job_id, at)]), taken_slowly),
        ]
        await settled(lambda: fast and slow)
        for step in range(1, 9):
            write(recorder, reading(step), Line(text=f"line {step}"))
            hub._changed(job_id)
            await settled(lambda step=step: f'"step":{step},' in text_of(fast))
        may_take.set()
        endings.succeed(database, recorder.lease, "c" * 64, [])
        hub._changed(job_id)
        await asyncio.gather(*tasks)
        return fast, slow

    for parts in watched_by(database, settings, scene):
        viewer = Viewer(database, job_id)
        for _, name, data in identified(text_of(parts)):
            viewer.take(name, data)
        assert viewer.steps == list(range(1, 9))
        assert viewer.lines == [f"line {step}" for step in range(1, 9)]
        assert viewer.names[-1] == "end"


def test_viewers_at_every_place_meet_in_one_channel_and_get_each_row_once(
    database, recorder, settings, looks
):
    write(recorder, STARTED)
    places = [Position()]
    for step in range(1, 6):
        write(recorder, reading(step), Line(text=str(step)), epoch_end(step))
        places.append(present(database, recorder.lease.job_id)[0])
    strange = Position(revision=places[2].revision, step=3)

    async def scene(hub, senders):
        job_id = recorder.lease.job_id
        texts = [[] for _ in range(len(places) + 1)]
        tasks = [
            senders(Subscription([Watched(job_id, place)]), found.append)
            for place, found in zip([*places, strange], texts, strict=True)
        ]
        await settled(lambda: all(texts) and not hub._asked)
        write(recorder, reading(6))
        hub._changed(job_id)
        await settled(lambda: all('"step":6,' in text_of(found) for found in texts))
        endings.succeed(database, recorder.lease, "c" * 64, [])
        hub._changed(job_id)
        await asyncio.gather(*tasks)
        return texts

    texts = [text_of(found) for found in watched_by(database, settings, scene)]
    for seen, text in enumerate(texts[:-1]):
        viewer = Viewer(database, recorder.lease.job_id)
        for _, name, data in identified(text):
            viewer.take(name, data)
        assert viewer.steps == list(range(seen + 1, 7)), seen
        assert viewer.epochs == list(range(seen + 1, 6)), seen
        assert viewer.lines == [str(step) for step in range(seen + 1, 6)], seen
    assert len({text.rpartition("event: job")[2] for text in texts}) == 1


def test_several_streams_share_a_connection_and_each_id_says_whose_it_is(
    browser, database, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    spec = presets.resolve("quick", {})
    other = lifecycle.submit(database, LOCAL_OWNER, name="other", spec=spec).id
    write(recorder, STARTED, reading(1))
    job_id = recorder.lease.job_id
    at, _ = present(database, job_id)
    address = f"/api/v1/streams?job={job_id}@{at}&job={job_id}.1&job={other}&job=99&events=0"
    found = {}
    with connect_sse(browser, "GET", address) as source:
        events = (event for event in source.iter_sse() if event.data)
        write(recorder, reading(2))
        endings.succeed(database, recorder.lease, "c" * 64, [])
        lifecycle.cancel(database, other, LOCAL_OWNER)
        for event in events:
            label, _, position = event.id.partition("@")
            found.setdefault(label, []).append((event.event, event.json(), position))
            ends = [label for label, sent in found.items() if sent[-1][0] in ("end", "missing")]
            happened = [sent[1]["kind"] for sent in found.get("events", [])]
            if len(ends) == 4 and {"finished", "cancelled"} <= set(happened):
                break

    assert set(found) == {str(job_id), f"{job_id}.1", str(other), "99", "events"}
    assert [name for name, _, _ in found["99"]] == ["missing"]
    assert found["99"][0][1]["code"] == "run.unknown_newest"
    steps = {
        label: [row["step"] for name, data, _ in found[label] if name == "metrics" for row in data]
        for label in (str(job_id), f"{job_id}.1")
    }
    assert steps == {str(job_id): [2], f"{job_id}.1": [1, 2]}
    assert [int(position) for *_, position in found["events"]] == sorted(
        int(position) for *_, position in found["events"]
    )


def test_shared_streams_end_when_all_of_them_have(browser, database, recorder):
    endings.succeed(database, recorder.lease, "c" * 64, [])
    at, _ = present(database, recorder.lease.job_id)

    text = browser.get(f"/api/v1/streams?job={recorder.lease.job_id}@{at}&job=99").text

    assert [name for _, name, _ in identified(text)] == ["end", "missing"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "job=",
        "job=x",
        "job=1@x",
        "job=1@1.2",
        "job=1.@0.0.0.0.0.0.0",
        "job=1.x",
        "job=-1",
        "job=1&job=1",
        "job=" + "9" * 19,
        "events=x",
        "events=-1",
        "&".join(f"job={number}" for number in range(1, 102)),
    ],
)
def test_what_names_no_stream_is_refused(client, query):
    assert client.get(f"/api/v1/streams?{query}").status_code == 422


def test_a_fault_in_a_look_ends_the_stream_and_others_can_be_opened(
    browser, hub, database, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    write(recorder, STARTED)

    def fails(*_arguments):
        raise KeyError("x")

    with watching(browser, recorder) as events:
        until(events, "job")
        with monkeypatch.context() as patch:
            patch.setattr(topics, "news", fails)
            write(recorder, reading(1))
            with contextlib.suppress(StopIteration):
                next(events)
            wait_until(lambda: hub.connections == 0, "the stream ends")
    with watching(browser, recorder) as events:
        assert steps_of(until(events, "job")) == [1]


def test_a_change_that_is_too_large_is_looked_at_by_each_viewer_page_by_page(
    browser, hub, database, recorder, monkeypatch
):
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("webui.live.news.ROWS_AT_ONCE", 2)
    write(recorder, STARTED)
    with watching(browser, recorder) as events:
        until(events, "job")
        write(recorder, *(reading(step) for step in range(1, 30)))
        with contextlib.suppress(StopIteration):
            next(events)
        wait_until(lambda: hub.connections == 0, "the stream ends")

    with watching(browser, recorder) as events:
        seen = []
        while len(seen) < 29:
            seen += steps_of([next(events)])

    assert seen == list(range(1, 30))


def test_much_that_waits_is_sent_in_turn(browser, database, recorder, monkeypatch):
    monkeypatch.setattr("webui.live.viewer.MOST_AT_ONCE", 1)
    write(recorder, STARTED, *(reading(step) for step in range(1, 5)))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    job_id = recorder.lease.job_id

    text = browser.get(f"/api/v1/streams?job={job_id}&job={job_id}.1&job=99").text

    names = [name for _, name, _ in identified(text)]
    assert names.count("end") == 2
    assert names.count("missing") == 1
    assert names.count("metrics") == 2


def test_a_hub_that_nobody_uses_starts_nothing(database, settings):
    before = threading.active_count()

    Hub(database, Wakeups(settings.redis_url)).stop()

    assert threading.active_count() == before
