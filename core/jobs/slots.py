"""The slots of workers as the claim is played forward: when each is free, and for what."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable

from core.database.models import Worker
from core.jobs.capacity import Capacity, Requirements


class Slots:
    """Slots of workers that may run the same jobs."""

    def __init__(self, queues: frozenset[str]) -> None:
        self.queues = queues
        self.free_in_s: list[tuple[float, int]] = []
        """A heap: in how many seconds each slot is free, and the id of its worker."""
        self._capacities: dict[int, Capacity] = {}
        self._known_givers: dict[Requirements, set[int]] = {}

    def add(self, worker: Worker, capacity: Capacity, free_in_s: Iterable[float]) -> None:
        """Add the slots of a worker, each with when it is free."""
        self._capacities[worker.id] = capacity
        for time in free_in_s:
            heapq.heappush(self.free_in_s, (time, worker.id))

    def fit(self, queue: str, wanted: Requirements) -> bool:
        """Whether such a job could run here."""
        return queue in self.queues and bool(self._givers(wanted))

    def room(self, queue: str, wanted: Requirements) -> int:
        """How many such jobs could run here at the same time, were nothing else running."""
        if queue not in self.queues:
            return 0
        slots = Counter(worker_id for _, worker_id in self.free_in_s)
        return sum(slots[each] // wanted.devices for each in self._givers(wanted))

    def start_of(self, wanted: Requirements) -> tuple[float, int]:
        """In how many seconds a worker has that many slots free at once, and which worker."""
        if wanted.devices == 1 and wanted.precision is None and wanted.threads is None:
            return self.free_in_s[0]
        times: defaultdict[int, list[float]] = defaultdict(list)
        for time, worker_id in sorted(self.free_in_s):
            times[worker_id].append(time)
        return min((times[each][wanted.devices - 1], each) for each in self._givers(wanted))

    def take(self, worker_id: int, devices: int, until_s: float) -> None:
        """Let a job hold the slots of a worker that are free first."""
        if devices == 1 and self.free_in_s[0][1] == worker_id:
            heapq.heapreplace(self.free_in_s, (until_s, worker_id))
            return
        own = sorted(time for time, owner in self.free_in_s if owner == worker_id)
        others = [each for each in self.free_in_s if each[1] != worker_id]
        times = [until_s] * devices + own[devices:]
        self.free_in_s = others + [(time, worker_id) for time in times]
        heapq.heapify(self.free_in_s)

    def keep(self, kept_id: int, until_s: float) -> None:
        """Let a worker start nothing else before a large job."""
        self.free_in_s = [
            (max(time, until_s) if owner == kept_id else time, owner)
            for time, owner in self.free_in_s
        ]
        heapq.heapify(self.free_in_s)

    def _givers(self, wanted: Requirements) -> set[int]:
        if wanted not in self._known_givers:
            self._known_givers[wanted] = {
                worker_id for worker_id, has in self._capacities.items() if has.fits(wanted)
            }
        return self._known_givers[wanted]
