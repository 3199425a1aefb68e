"""A viewer: one connection that is sent the streams of some topics, each from its own place."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from core.errors import DatabaseUnavailable, NotFound
from webui.api.shapes import Reason
from webui.live import hub as live
from webui.live.channel import Channel, Entry, encoded
from webui.live.hub import Hub
from webui.live.news import Event
from webui.live.subscription import Subscription
from webui.live.topics import HistoryTopic, JobTopic, Look, Place, Topic, may_see, waiting_key

RECONNECT_AFTER_MS = 1500
RETRY = f"retry: {RECONNECT_AFTER_MS}\n\n".encode()

MOST_AT_ONCE = 1 << 18
"""Bytes that are waited for and kept before they are sent."""

HISTORY_TAG = "events@"

Write = Callable[[bytes], Awaitable[None]]


class Viewer:
    """Sends what a subscription asks for until all of it is over, or somebody leaves."""

    def __init__(self, hub: Hub, subscription: Subscription, write: Write) -> None:
        self.silent_since = time.monotonic()
        self.proof = subscription.proof
        self.seen_by = subscription.seen_by
        self.job_ids = frozenset(each.job_id for each in subscription.jobs)
        self._hub = hub
        self._write = write
        self._news = asyncio.Event()
        self._heartbeat = b""
        self._has_left = False
        self._lines = [
            Line(hub, self, topic, place, tag if subscription.is_multiplexed else "")
            for topic, place, tag in _topics(hub, subscription)
        ]

    async def run(self) -> None:
        """Send everything beyond the places of the subscription, then what happens."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._hub.connected(self))
            for line in self._lines:
                stack.push_async_callback(line.close)
            await self._send(RETRY)
            while self._lines and not self._is_over:
                self._news.clear()
                text = await self._next()
                self._lines = [line for line in self._lines if not line.is_over]
                if text and not self._has_left:
                    await self._send(text)
                elif self._lines and not self._is_over:
                    await self._news.wait()

    def wake(self) -> None:
        """Let it look at its channels."""
        self._news.set()

    def say(self, heartbeat: bytes) -> None:
        """Let it send a heartbeat."""
        self._heartbeat = heartbeat
        self.wake()

    def leave(self) -> None:
        """End it: nobody reads any more."""
        self._has_left = True
        self.wake()

    @property
    def _is_over(self) -> bool:
        return self._has_left or self._hub.stopping

    async def _next(self) -> bytes:
        """What is to be sent now: not much more than `MOST_AT_ONCE`, however much waits."""
        parts: list[bytes] = []
        for line in self._lines:
            parts.append(await line.next())
            if sum(map(len, parts)) >= MOST_AT_ONCE:
                break
        self._lines = self._lines[len(parts) :] + self._lines[: len(parts)]  # others are next
        heartbeat, self._heartbeat = self._heartbeat, b""
        return b"".join([*parts, heartbeat])

    async def _send(self, text: bytes) -> None:
        await self._write(text)
        self.silent_since = time.monotonic()


class Line:
    """One topic of a viewer, and how far its viewer has come in it."""

    def __init__(self, hub: Hub, viewer: Viewer, topic: Topic, place: Place, tag: str) -> None:
        self.is_over = False
        self._hub = hub
        self._viewer = viewer
        self._topic = topic
        self._place = place
        self._tag = tag
        self._stack = contextlib.AsyncExitStack()
        self._channel: Channel | None = None
        self._number: int | None = None
        """Of the channel's entry that it is sent next; None while it catches up."""
        self._is_whole = False
        """Whether it was sent all there was when it last looked by itself."""
        self._next_try = 0.0

    async def close(self) -> None:
        """Watch no more."""
        await self._stack.aclose()

    async def next(self) -> bytes:
        """What is to be sent now; nothing where there is nothing new.

        It is over with an end, and where there is nothing to watch any more.
        """
        try:
            if time.monotonic() < self._next_try:
                return b""
            channel = self._channel or await self._join()
            if channel.is_gone:
                self._viewer.leave()  # whoever comes back is told why
                return b""
            entries = None if self._number is None else channel.since(self._number)
            self._number = None if entries is None else self._number
            return await self._catch_up(channel) if entries is None else self._taken(entries)
        except DatabaseUnavailable:
            self._viewer.say(live.AWAY)
            self._next_try = time.monotonic() + live.LOOK_EVERY_S
            asyncio.get_running_loop().call_later(live.LOOK_EVERY_S, self._viewer.wake)
            return b""
        except NotFound as error:
            self.is_over = True
            return self._missing(error)

    async def _join(self) -> Channel:
        channel = self._channel = await self._stack.enter_async_context(
            self._hub.watching(self._topic, self._viewer)
        )
        if not channel.is_over:  # else there is an end to be sent
            self._number = channel.after(self._place)
        if self._number is not None:
            channel.expect_line()
        return channel

    def _taken(self, entries: Sequence[Entry]) -> bytes:
        if not entries:
            return b""
        assert self._number is not None
        self._number += len(entries)
        self._place = entries[-1].place
        self.is_over = entries[-1].is_end
        return b"".join(each.tagged(self._tag) for each in entries)

    async def _catch_up(self, channel: Channel) -> bytes:
        """Look alone until the channel's log continues from here."""
        mark = channel.topic.mark
        if self._is_whole:
            self._number = channel.after_mark(mark(self._place))
            if self._number is None and mark(self._place) > mark(channel.place):
                self._hub.look(channel)  # which comes here, and wakes this viewer
                return b""
        self._viewer.wake()  # there may be more
        if self._number is not None:
            return b""
        look = await self._hub.catch_up(self._topic, self._place)
        jobs = [event.data for event in look.events if event.name == "job"]
        if not all(may_see(self._viewer.seen_by, job) for job in jobs):
            self._viewer.leave()  # it has become private: whoever comes back finds none
            return b""
        self._place, self._is_whole, self.is_over = look.seen, look.is_whole, look.is_over
        _note_line(channel, look)
        return self._encoded(look.events)

    def _missing(self, error: NotFound) -> bytes:
        if not self._tag:
            return b""  # a stream of one run alone just ends
        return self._encoded([Event("missing", Reason.of(error.reason).as_json(), self._place)])

    def _encoded(self, events: Sequence[Event]) -> bytes:
        return encoded([event.encode() for event in events], self._tag)


def _note_line(channel: Channel, look: Look) -> None:
    """A job that waits is sent again where it waits for another reason than it was first sent."""
    jobs = [event.data for event in look.events if event.name == "job"]
    if jobs and not channel.waiting_key:
        channel.waiting_key = waiting_key(jobs[-1])


def _topics(hub: Hub, asked: Subscription) -> list[tuple[Topic, Place, str]]:
    topics: list[tuple[Topic, Place, str]] = [
        (JobTopic(hub.database, each.job_id), each.position, f"{each.label}@")
        for each in asked.jobs
    ]
    if asked.after is not None:
        topics.append((HistoryTopic(hub.database, asked.seen_by), asked.after, HISTORY_TAG))
    return topics
