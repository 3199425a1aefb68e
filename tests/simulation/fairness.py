"""How fairly the devices are shared: many people, the real queue, simulated time.

`python -m tests.simulation.fairness`, or `make fairness`: what each person waited is printed. Fifty
people submit runs in bursts, some far more than others; twenty workers claim them by the real code
from a real database, whose clock the simulation sets. The same seed does the same again.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from core import formats, workers
from core.database import engine
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Worker
from core.jobs import claim as claiming
from core.jobs import endings, lifecycle
from core.jobs.actors import Actor
from core.jobs.capacity import Capacity
from core.jobs.claim import Claimant
from core.jobs.lease import Lease
from core.workers import WorkerFacts
from tests.services import Postgres
from tests.simulation import trainer
from tests.simulation.clock import BEGINNING, SimulatedClock

LEASE_S = 1e7
"""Nobody renews, and nobody reaps."""
MEMORY = Path("/dev/shm")
CPU = [{"kind": "cpu"}]


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A run that a person submits."""

    at_s: float
    person: str
    takes_s: float
    devices: int = 1
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a run."""

    arrival: Arrival
    started_s: float

    @property
    def wait_s(self) -> float:
        """How long it waited."""
        return self.started_s - self.arrival.at_s


def arrivals(seed: int, people: int, runs: int, slots: int) -> list[Arrival]:
    """Runs of many people, who submit in bursts: a few submit most of it.

    There is somewhat more to do than the slots can, until the last has been submitted.
    """
    chance = random.Random(seed)
    weights = [1.0 / (number + 1) for number in range(people)]
    left = runs
    found: list[Arrival] = []
    work_s = 0.0
    while left:
        [number] = chance.choices(range(people), weights)
        burst = min(left, chance.choice((1, 1, 2, 5, 20, 100)))
        mean_s = chance.choice((60.0, 300.0, 900.0, 3600.0))
        devices = 2 if chance.random() < 0.05 else 1
        at_s = work_s / (1.1 * slots)
        for _ in range(burst):
            takes_s = max(5.0, chance.expovariate(1 / mean_s))
            found.append(Arrival(round(at_s, 3), f"person {number + 1:02}", takes_s, devices))
            work_s += takes_s * devices
        left -= burst
    return sorted(found)


class Fleet:
    """Workers that take what is next, one after the other."""

    def __init__(self, database: Database, clock: SimulatedClock, slots: Sequence[int]) -> None:
        self._database, self._clock = database, clock
        self._claimants = [self._worker(number, each) for number, each in enumerate(slots)]
        self._free = list(slots)
        self._ends: list[tuple[float, int, Lease, int]] = []
        self._of_job: dict[int, Arrival] = {}
        self.ended: list[Ended] = []

    def _worker(self, number: int, slots: int) -> Claimant:
        facts = WorkerFacts(f"w{number}", 1, "0", ["default"], CPU, slots, 1)
        worker_id = workers.register(self._database, facts)
        return Claimant(worker_id, ["default"], Capacity.of(CPU, slots, 1), f"w{number}")

    @property
    def _now_s(self) -> float:
        return (self._clock.moment - BEGINNING).total_seconds()

    def run(self, coming: Iterable[Arrival]) -> list[Ended]:
        """Do everything that is submitted, to the last."""
        waiting = sorted(coming, reverse=True)
        while waiting or self._ends:
            next_end = self._ends[0][0] if self._ends else float("inf")
            if waiting and waiting[-1].at_s <= next_end:
                self._pass_until(waiting[-1].at_s)
                self._submit(waiting.pop())
                if waiting and waiting[-1].at_s == self._now_s:
                    continue  # a burst is submitted at once
            else:
                self._pass_until(next_end)
                self._end_next()
            self._fill()
        return self.ended

    def _pass_until(self, at_s: float) -> None:
        self._clock.set(max(self._clock.moment, BEGINNING + timedelta(seconds=round(at_s, 3))))

    def _submit(self, arrival: Arrival) -> None:
        actor = Actor("user", arrival.person, arrival.person, "member")
        spec = trainer.spec(1, 1, "cpu", arrival.devices, "digits")
        job = lifecycle.submit(
            self._database, actor, name="run", spec=spec, priority=arrival.priority
        )
        self._of_job[job.id] = arrival

    def _end_next(self) -> None:
        _, _, lease, number = heapq.heappop(self._ends)
        self._free[number] += lease.needs.devices
        endings.succeed(self._database, lease, "0" * 64, [])

    def _fill(self) -> None:
        """Let workers with free slots claim, until none finds anything."""
        self._beat()
        idle = [number for number, free in enumerate(self._free) if free]
        while idle:
            number = idle.pop()
            claimant, free = self._claimants[number], self._free[number]
            held = Capacity.of(CPU, free, 1)
            lease = claiming.claim(self._database, claimant, LEASE_S, held)
            if lease is not None:
                self._begin(number, lease)
                if self._free[number]:
                    idle.append(number)

    def _begin(self, number: int, lease: Lease) -> None:
        arrival = self._of_job[lease.job_id]
        self._free[number] -= lease.needs.devices
        self.ended.append(Ended(arrival, self._now_s))
        ends_s = self._now_s + arrival.takes_s
        heapq.heappush(self._ends, (ends_s, lease.job_id, lease, number))

    def _beat(self) -> None:
        with self._database.writing() as session:
            session.execute(update(Worker).values(last_heartbeat_at=now()))


def play(database: Database, coming: Iterable[Arrival], slots: Sequence[int]) -> list[Ended]:
    """What became of some runs, on workers with so many slots."""
    with SimulatedClock(database) as clock:
        clock.set(BEGINNING)
        return Fleet(database, clock, slots).run(coming)


def report(ended: Sequence[Ended]) -> Iterator[str]:
    """What each person used and waited, who used most first."""
    of: defaultdict[str, list[Ended]] = defaultdict(list)
    for each in ended:
        of[each.arrival.person].append(each)
    titles = ("runs", "device-h", "median wait", "95%", "longest")
    yield "{:12} {:>6} {:>9} {:>12} {:>10} {:>10}".format("person", *titles)
    for person, own in sorted(of.items(), key=lambda item: -used_s(item[1])):
        waits = sorted(each.wait_s for each in own)
        yield (
            f"{person:12} {len(own):6} {used_s(own) / 3600:9.1f} "
            f"{formats.duration(statistics.median(waits)):>12} "
            f"{formats.duration(waits[int(0.95 * (len(waits) - 1))]):>10} "
            f"{formats.duration(waits[-1]):>10}"
        )


def used_s(ended: Iterable[Ended]) -> float:
    """Device-seconds of some runs."""
    return sum(each.arrival.takes_s * each.arrival.devices for each in ended)


@contextmanager
def opened(kind: str) -> Iterator[Database]:
    """An empty database of a kind."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="trainyard-fairness-", dir=place) as folder:
        if kind == "sqlite":
            address = f"sqlite:///{folder}/fairness.db"
            engine.upgrade(address)
            with Database(address) as database:
                yield database
            return
        with Postgres() as server:
            address = server.new_database()
            engine.upgrade(address)
            with Database(address) as database:
                yield database


def main() -> None:
    """Play what is asked for, and print what everybody waited."""
    parser = argparse.ArgumentParser(description="What everybody waits, in simulated time.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    chosen = parser.parse_args()
    began = time.monotonic()
    # every fifth worker has two slots: the others can run nothing that needs two
    slots = [2 if number % 5 == 0 else 1 for number in range(chosen.workers)]
    coming = arrivals(chosen.seed, chosen.people, chosen.runs, sum(slots))
    with opened(chosen.database) as database:
        ended = play(database, coming, slots)
    print("\n".join(report(ended)))
    longest = max(each.wait_s for each in ended)
    print(
        f"{len(ended)} of {len(coming)} runs were done; the longest wait was "
        f"{formats.duration(longest)}; simulated in {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
