"""A channel: the latest changes of one topic, as bytes that all of its viewers are sent.

It is a short log that viewers read, each at its own place. A viewer who is further behind than the
log reaches, because it came back late or takes too slowly, looks at the database by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from webui.live.news import Event
from webui.live.topics import Look, Place, Topic

MOST_BYTES = 256 * 1024
MOST_ENTRIES = 128
WOKEN_AT_ONCE = 50


class Watcher(Protocol):
    """Whoever is to know that a channel has something new."""

    def wake(self) -> None:
        """Let it look at its channels."""

    def say(self, heartbeat: bytes) -> None:
        """Let it send a heartbeat."""


class Entry:
    """One change: its events, and the place that they lead to."""

    def __init__(self, events: Sequence[Event], place: Place) -> None:
        self.place = place
        self.is_end = bool(events) and events[-1].name == "end"
        self._texts = [event.encode() for event in events]
        self.size = sum(map(len, self._texts))
        self._bytes: dict[str, bytes] = {}

    def tagged(self, tag: str) -> bytes:
        """Its bytes with a tag before each id: made once for all who ask for the same."""
        made = self._bytes.get(tag)
        if made is None:
            made = self._bytes[tag] = encoded(self._texts, tag)
        return made


def encoded(texts: Sequence[str], tag: str = "") -> bytes:
    """Events as bytes; each id begins with a tag."""
    return "".join(f"id: {tag}{text}" for text in texts).encode()


def _wake_some(left: Iterator[Watcher]) -> None:
    watcher = None
    for watcher in islice(left, WOKEN_AT_ONCE):
        watcher.wake()
    if watcher is not None:
        asyncio.get_running_loop().call_soon(_wake_some, left)


class Channel:
    """The log of one topic, and who watches it. Used in the event loop alone."""

    def __init__(self, topic: Topic, place: Place, *, is_over: bool) -> None:
        self.topic = topic
        self.place = place
        """How far the log reaches."""
        self.is_over = is_over
        """Whether nothing more happens as it stands; a retry of a run changes that."""
        self.is_gone = False
        """Whether what it is of is no longer there, or could not be looked at."""
        self.watchers: set[Watcher] = set()
        self.waiting_key: str | None = None
        """Why a job waits, as its viewers were last sent it. None: nobody was sent anything; empty:
        what they were sent is not known."""
        self._entries: deque[Entry] = deque()
        self._first = 0
        self._base = place
        self._size = 0

    def publish(self, look: Look) -> None:
        """Add what a look found, and wake everybody."""
        entry = Entry(look.events, look.seen)
        self._entries.append(entry)
        self._size += entry.size
        self.place, self.is_over = look.seen, look.is_over
        while len(self._entries) > MOST_ENTRIES or (
            self._size > MOST_BYTES and len(self._entries) > 1
        ):
            self._drop()
        self.wake()

    def expect_line(self) -> None:
        """Have somebody who was sent a job earlier, and comes back, told why it waits now."""
        self.waiting_key = self.waiting_key or ""

    def close(self) -> None:
        """Let everybody know that it is gone."""
        self.is_gone = True
        self.wake()

    def wake(self) -> None:
        """Wake everybody, some at a time: what else the event loop has to do comes between."""
        _wake_some(iter(tuple(self.watchers)))

    def after(self, place: Place) -> int | None:
        """The number of the entry that follows a place; None where the log does not know it."""
        return self._following(lambda known: known == place)

    def after_mark(self, mark: int) -> int | None:
        """`after`, for one who has seen all there was at a mark."""
        return self._following(lambda known: self.topic.mark(known) == mark)

    def since(self, number: int) -> Sequence[Entry] | None:
        """The entries from a number on; None where the log has dropped some of them."""
        if number < self._first:
            return None
        skipped = number - self._first
        if skipped >= len(self._entries):
            return ()
        return [self._entries[index] for index in range(skipped, len(self._entries))]

    def _following(self, is_it: Callable[[Place], bool]) -> int | None:
        # the first of several at one place: what comes again there (a job that waits) may do so
        if is_it(self._base):
            return self._first
        for index, entry in enumerate(self._entries):
            if is_it(entry.place):
                return self._first + index + 1
        return None

    def _drop(self) -> None:
        entry = self._entries.popleft()
        self._size -= entry.size
        self._base = entry.place
        self._first += 1
