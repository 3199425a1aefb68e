"""The hub: looks at the database for everybody who watches, once a change.

It lives in the event loop; what it asks the database is asked in threads of its own. A channel that
somebody watches is looked at after each wake-up, and one look every few seconds asks for all of
them together whether a wake-up was lost. What nobody watches costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

from core.database.engine import Database
from core.errors import DatabaseUnavailable, NotFound
from core.logs import get_logger
from core.messaging.pubsub import Wakeups
from webui.live.channel import Channel, Watcher
from webui.live.news import Event
from webui.live.position import Position
from webui.live.subscription import Proof
from webui.live.topics import (
    HistoryTopic,
    JobTopic,
    Look,
    Place,
    Topic,
    may_see,
    owners_of_private,
    pulse,
    waiting_key,
)

LOOK_EVERY_S = 2.0
LOOK_AT_MOST_EVERY_S = 0.1
HEARTBEAT_S = 10.0
AWAY = b'event: heartbeat\ndata: {"database":"away"}\n\n'
STILL_HERE = b'event: heartbeat\ndata: {"database":"ok"}\n\n'
"""Events without an id: nobody has come further. A viewer notices by them that the server is there,
and the server by a write that a viewer is not."""

MOST_LOOKS = 5
"""Looks that are published as one change."""
LOOK_THREADS = 2
CATCH_UP_THREADS = 4

Result = TypeVar("Result")

log = get_logger(__name__)


class Connection(Watcher, Protocol):
    """A watcher that has a line to keep alive."""

    silent_since: float
    proof: Proof | None
    seen_by: str | None
    job_ids: frozenset[int]

    def leave(self) -> None:
        """End it."""


class Hub:
    """The channels of one process, and who watches them."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        still_valid: Callable[[AbstractSet[Proof]], AbstractSet[Proof]] = lambda proofs: proofs,
        note_connections: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.database = database
        self._still_valid = still_valid
        self._note_connections = note_connections
        self.stopping = False
        self._wakeups = wakeups
        self._stop_listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looks = ThreadPoolExecutor(LOOK_THREADS, "look")
        self._catch_ups = ThreadPoolExecutor(CATCH_UP_THREADS, "catch-up")
        self._connections: set[Connection] = set()
        self._channels: dict[Topic, Channel] = {}
        self._stale: set[Channel] = set()
        self._readers: dict[Channel, asyncio.Task[None]] = {}
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}
        self._pulse: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many viewers there are."""
        return len(self._connections)

    @property
    def channels(self) -> int:
        """How many topics are watched."""
        return len(self._channels)

    @contextlib.contextmanager
    def connected(self, connection: Connection) -> Iterator[None]:
        """Keep a connection alive, and tell it of a stop."""
        self._begin()
        self._connections.add(connection)
        self._note_connections(self.connections)
        try:
            yield
        finally:
            self._connections.discard(connection)
            self._note_connections(self.connections)

    @contextlib.asynccontextmanager
    async def watching(self, topic: Topic, watcher: Watcher) -> AsyncIterator[Channel]:
        """A topic's channel; its watcher is woken whenever it has something new.

        Raises:
            NotFound: there is no such thing to watch.
            DatabaseUnavailable: its present cannot be looked at.
        """
        channel = self._channels.get(topic)
        if channel is None:
            place, is_over = await self._once(("present", topic), topic.present)
            # from here on without a pause: whoever was quicker has opened it
            channel = self._channels.get(topic) or self._open(topic, place, is_over=is_over)
        channel.watchers.add(watcher)
        try:
            yield channel
        finally:
            channel.watchers.discard(watcher)
            self._close_unwatched(channel)

    async def catch_up(self, topic: Topic, place: Place) -> Look:
        """A look for those who are behind; one for all who are at the same place.

        Raises:
            NotFound: what is watched is no longer there.
            DatabaseUnavailable: it cannot be looked at.
        """
        return await self._once((topic, place), partial(topic.look, place))

    def look(self, channel: Channel) -> None:
        """Look at a channel soon."""
        self._stale.add(channel)
        if channel not in self._readers and not self.stopping:
            task = asyncio.create_task(self._read(channel))
            self._readers[channel] = task
            task.add_done_callback(lambda _: self._readers.pop(channel))

    def stop(self) -> None:
        """End every stream now. May be called from any thread, and by a signal."""
        self._stop_listening.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stop)

    def close(self) -> None:
        """Let go of the threads, after a stop; a look that is under way comes to its end."""
        for pool in (self._looks, self._catch_ups):
            pool.shutdown(cancel_futures=True)

    def _stop(self) -> None:
        self.stopping = True
        if self._pulse is not None:
            self._pulse.cancel()
        for connection in self._connections:
            connection.wake()

    def _begin(self) -> None:
        """Start what every viewer needs; nothing of it runs before there is one."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._listen, name="wakeups", daemon=True).start()
        if self._pulse is None and not self.stopping:
            self._pulse = asyncio.create_task(self._beat())

    def _listen(self) -> None:
        self._wakeups.listen("changed", self._hear, self._stop_listening)

    def _hear(self, job_id: int) -> None:
        assert self._loop is not None
        if self._channels:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._changed, job_id)

    def _changed(self, job_id: int) -> None:
        channel = self._channels.get(JobTopic(self.database, job_id))
        for each in (*self._histories(), *([channel] if channel else ())):
            self.look(each)

    def _histories(self) -> list[Channel]:
        """The channels of the history: one for each who sees other runs than everybody does."""
        return [
            channel for topic, channel in self._channels.items() if isinstance(topic, HistoryTopic)
        ]

    def _open(self, topic: Topic, place: Place, *, is_over: bool) -> Channel:
        channel = self._channels[topic] = Channel(topic, place, is_over=is_over)
        # what happened since was announced while nobody was there to hear it
        self.look(channel)
        return channel

    async def _once(self, key: Hashable, ask: Callable[[], Result]) -> Result:
        """The answer to a question, asked once for all who ask it at the same time."""
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._run(self._catch_ups, ask))
            task.add_done_callback(lambda _: self._asked.pop(key))
        found: Result = await asyncio.shield(task)  # who leaves takes nothing from the others
        return found

    def _close_unwatched(self, channel: Channel) -> None:
        if not channel.watchers and self._channels.get(channel.topic) is channel:
            del self._channels[channel.topic]

    async def _read(self, channel: Channel) -> None:
        """Look at a channel until nothing new was announced meanwhile."""
        while channel in self._stale and not self.stopping:
            self._stale.discard(channel)
            if self._channels.get(channel.topic) is not channel:
                return
            with self._faults_of(channel):
                await self._advance(channel)
            await asyncio.sleep(LOOK_AT_MOST_EVERY_S)  # many changes make one look

    async def _advance(self, channel: Channel) -> None:
        """Publish what is new, as one change that leads from everything seen to everything seen.

        Where that is very much, as after a reset of a long run, the channel is given up: whoever
        comes back looks by itself, a page after the other, and nobody keeps it all.
        """
        events: list[Event] = []
        look = Look((), channel.place, is_whole=False)
        looks = 0
        while not look.is_whole:
            looks += 1
            if looks > MOST_LOOKS:
                self._lose(channel)
                return
            look = await self._run(self._looks, partial(channel.topic.look, look.seen))
            events += look.events
        jobs = [event.data for event in events if event.name == "job"]
        if jobs:
            channel.waiting_key = waiting_key(jobs[-1])
            self._end_for_whom_it_is_private(jobs[-1])
        if look.seen != channel.place or look.is_over != channel.is_over:
            channel.publish(Look(events, look.seen, is_whole=True, is_over=look.is_over))

    def _end_for_whom_it_is_private(self, job: Mapping[str, Any]) -> None:
        """End the streams of those who may see a run no more, before they are sent what it is."""
        for each in list(self._connections):
            if job["id"] in each.job_ids and not may_see(each.seen_by, job):
                each.leave()

    @contextlib.contextmanager
    def _faults_of(self, channel: Channel) -> Iterator[None]:
        try:
            yield
        except DatabaseUnavailable:
            for watcher in channel.watchers:
                watcher.say(AWAY)
        except NotFound:
            self._lose(channel)
        except Exception as error:
            log.error("look_failed", topic=str(channel.topic), exc_info=error)
            self._lose(channel)  # its viewers come back

    def _lose(self, channel: Channel) -> None:
        if self._channels.get(channel.topic) is channel:
            del self._channels[channel.topic]
        channel.close()

    async def _beat(self) -> None:
        """As long as somebody is there: find what no wake-up announced, keep lines alive."""
        was_away = False
        while self._connections:
            await asyncio.sleep(LOOK_EVERY_S)
            is_away = False
            try:
                await self._find_changes()
            except DatabaseUnavailable:
                is_away = True
            except Exception as error:
                log.error("look_failed", exc_info=error)
            self._say(AWAY if is_away else STILL_HERE, to_all=is_away or was_away)
            was_away = is_away
        self._pulse = None

    def _say(self, heartbeat: bytes, *, to_all: bool) -> None:
        silent = time.monotonic() + LOOK_EVERY_S - HEARTBEAT_S  # before the next look
        for connection in self._connections:
            if to_all or connection.silent_since < silent:
                connection.say(heartbeat)

    async def _end_unproved(self) -> None:
        """End the streams of logins and tokens that have ended."""
        proofs = {each.proof for each in self._connections if each.proof is not None}
        if not proofs:
            return
        valid = await self._run(self._looks, partial(self._still_valid, proofs))
        for connection in list(self._connections):
            if connection.proof is not None and connection.proof in proofs - valid:
                connection.leave()

    async def _end_unseen(self) -> None:
        """End the streams of runs that have become private; whoever comes back finds none."""
        limited = [each for each in self._connections if each.seen_by is not None and each.job_ids]
        if not limited:
            return
        job_ids = {job_id for each in limited for job_id in each.job_ids}
        owners = await self._run(self._looks, partial(owners_of_private, self.database, job_ids))
        for connection in limited:
            of_others = [
                owner for owner in map(owners.get, connection.job_ids) if owner is not None
            ]
            if any(owner != connection.seen_by for owner in of_others):
                connection.leave()

    async def _find_changes(self) -> None:
        await self._end_unproved()
        await self._end_unseen()
        jobs = {
            topic.job_id: channel
            for topic, channel in self._channels.items()
            if isinstance(topic, JobTopic)
        }
        found = await self._run(self._looks, partial(pulse, self.database, list(jobs)))
        for job_id, channel in jobs.items():
            now = found.revisions.get(job_id)
            if now is None or now[0] != channel.topic.mark(channel.place):
                self.look(channel)
            else:
                await self._tell_of_the_line(channel, found.waiting_keys.get(job_id))
        for history in self._histories():
            if history.place != found.newest_event:
                self.look(history)

    async def _tell_of_the_line(self, channel: Channel, key: str | None) -> None:
        """Send a job that waits again, where it waits for another reason by now."""
        known = channel.waiting_key
        if key is None or known is None or key == known or channel in self._readers:
            return
        topic, place = channel.topic, channel.place
        assert isinstance(topic, JobTopic)
        assert isinstance(place, Position)
        with self._faults_of(channel):
            look = await self._run(self._looks, partial(topic.job, place))
            if channel.place == place:
                channel.waiting_key = waiting_key(look.events[-1].data)
                channel.publish(look)

    async def _run(self, pool: ThreadPoolExecutor, ask: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, ask)
