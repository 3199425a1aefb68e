"""Whose turn it will be: the lanes merged into one line, in the order of the claims to come.

What a run will use counts for its owner as it begins in the line; what begins at once counts little
at first, as it does for the claim (`core.jobs.sharing.PLEDGE_S`). Nothing here asks the database.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from core.jobs.sharing import PLEDGE_S


class Waiting(Protocol):
    """A job that waits."""

    @property
    def place(self) -> int: ...  # less goes first
    @property
    def id(self) -> int: ...
    @property
    def lane_id(self) -> int: ...


Job = TypeVar("Job", bound=Waiting)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job waits."""

    queue: str
    owner: str
    devices: int


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is known of the owners, and of what is free, as the line begins to move."""

    ranks: Mapping[str, float]
    """By what the claim compares the owners now."""
    to_come: Mapping[str, float]
    """Device-seconds that what runs now will use yet."""
    free: int
    """Slots that are free now."""


def merged(
    jobs: Iterable[Job],
    place_of: Mapping[int, Place],
    prospects: Prospects,
    work_s: Callable[[Job], float],
) -> list[Job]:
    """Jobs in the order in which they will be claimed, about.

    Args:
        jobs: of each owner in their order: by priority, then by age.
        place_of: where they wait, by their lanes.
        prospects: of the owners.
        work_s: seconds that a job will take; infinite where there is nothing to go by.
    """
    waiting: defaultdict[str, deque[Job]] = defaultdict(deque)
    for job in jobs:
        waiting[place_of[job.lane_id].owner].append(job)
    ranks = defaultdict(float, prospects.ranks)
    later = defaultdict(float, prospects.to_come)
    line: list[Job] = []

    def key(owner: str) -> tuple[int, float, int, str]:
        first = waiting[owner][0]
        return first.place, ranks[owner], first.id, owner

    heap = [key(owner) for owner in waiting]
    heapq.heapify(heap)
    while heap:
        if len(line) == prospects.free:  # from here on each waits for the end of another
            for owner, use in later.items():
                ranks[owner] += use
            heap = [key(owner) for *_, owner in heap]
            heapq.heapify(heap)
        *_, owner = heapq.heappop(heap)
        job = waiting[owner].popleft()
        devices = place_of[job.lane_id].devices
        took_s = work_s(job)
        use = devices * (max(PLEDGE_S, took_s) if math.isfinite(took_s) else PLEDGE_S)
        if len(line) < prospects.free:
            ranks[owner] += devices * PLEDGE_S
            later[owner] += use - devices * PLEDGE_S
        else:
            ranks[owner] += use
        line.append(job)
        if waiting[owner]:
            heapq.heappush(heap, key(owner))
    return line


def passed(line: Iterable[Waiting], place_of: Mapping[int, Place]) -> Collection[int]:
    """The jobs before which a later one of the same queue and priority goes."""
    found: set[int] = set()
    newest: dict[tuple[str, int], int] = {}
    for job in line:
        among = place_of[job.lane_id].queue, job.place
        if newest.get(among, 0) > job.id:
            found.add(job.id)
        newest[among] = max(newest.get(among, 0), job.id)
    return found
