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
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from core import formats, workers
from core.database import engine
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Worker
from core.jobs import claim as claiming
from core.jobs import endings, lifecycle, policies, preemption
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import Capacity
from core.jobs.claim import Claimant
from core.jobs.lease import Lease
from core.workers import WorkerFacts
from tests.services import Postgres
from tests.simulation import trainer
from tests.simulation.clock import BEGINNING, SimulatedClock

BEAT_EVERY_S = 5.0
"""The workers' heartbeats, with which they look for what is urgent."""
SAVE_S = LOAD_S = 5.0
"""What it takes to write a snapshot, and to load it."""
URGENT = 10
"""The priority of what cannot wait."""
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


@dataclass(slots=True)
class Ended:
    """What became of a run."""

    arrival: Arrival
    started_s: float = float("inf")
    """When it first began."""
    done_s: float = float("inf")
    pauses: int = 0
    """How often it gave way to another."""

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


@dataclass(slots=True)
class _Running:
    """A run on a worker."""

    lease: Lease
    number: int
    """Of the worker."""
    ends_s: float
    left_s: float = 0.0
    """What it still has to do once it has given way to another; 0: it has not been asked to."""


class Fleet:
    """Workers that take what is next, one after the other."""

    def __init__(
        self,
        database: Database,
        clock: SimulatedClock,
        slots: Sequence[int],
        *,
        preempts: bool = False,
    ) -> None:
        self._database, self._clock, self._preempts = database, clock, preempts
        self._claimants = [self._worker(number, each) for number, each in enumerate(slots)]
        self._free = list(slots)
        self._ends: list[tuple[float, int]] = []
        self._running: dict[int, _Running] = {}
        self._of_job: dict[int, Ended] = {}
        self._urgent: set[int] = set()
        """Those of a priority that wait."""
        self._left_s: dict[int, float] = {}
        """Of those that have given way."""

    def _worker(self, number: int, slots: int) -> Claimant:
        facts = WorkerFacts(f"w{number}", 1, "0", ["default"], CPU, slots, 1)
        worker_id = workers.register(self._database, facts)
        return Claimant(worker_id, ["default"], Capacity.of(CPU, slots, 1), f"w{number}")

    @property
    def _now_s(self) -> float:
        return (self._clock.moment - BEGINNING).total_seconds()

    def run(self, coming: Iterable[Arrival]) -> list[Ended]:
        """Do everything that is submitted, to the last: in the order of their starts."""
        waiting = sorted(coming, reverse=True)
        while waiting or self._running:
            at_s = self._next_s()
            if waiting and waiting[-1].at_s <= at_s:
                self._pass_until(waiting[-1].at_s)
                self._submit(waiting.pop())
                if waiting and waiting[-1].at_s == self._now_s:
                    continue  # a burst is submitted at once
            else:
                self._pass_until(at_s)
                self._end_due()
            self._fill()
            self._make_room()
        return sorted(self._of_job.values(), key=lambda each: each.started_s)

    def _next_s(self) -> float:
        """When something happens by itself: a run ends, or the workers look at what is urgent."""
        end_s = self._ends[0][0] if self._ends else float("inf")
        looks = self._preempts and self._urgent
        return min(end_s, self._now_s + BEAT_EVERY_S) if looks else end_s

    def _pass_until(self, at_s: float) -> None:
        self._clock.set(max(self._clock.moment, BEGINNING + timedelta(seconds=round(at_s, 3))))

    def _submit(self, arrival: Arrival) -> None:
        actor = Actor("user", arrival.person, arrival.person, "member")
        spec = trainer.spec(1, 1, "cpu", arrival.devices, "digits")
        job = lifecycle.submit(
            self._database, actor, name="run", spec=spec, priority=arrival.priority
        )
        self._of_job[job.id] = Ended(arrival)
        if arrival.priority:
            self._urgent.add(job.id)

    def _end_due(self) -> None:
        while self._ends and self._ends[0][0] <= self._now_s:
            at_s, job_id = heapq.heappop(self._ends)
            run = self._running.get(job_id)
            if run is not None and run.ends_s == at_s:  # else it has given way meanwhile
                self._end(job_id, run)

    def _end(self, job_id: int, run: _Running) -> None:
        self._free[run.number] += run.lease.needs.devices
        del self._running[job_id]
        if run.left_s:
            endings.end(self._database, run.lease, "paused")
            self._left_s[job_id] = run.left_s + LOAD_S
            self._of_job[job_id].pauses += 1
        else:
            endings.succeed(self._database, run.lease, "0" * 64, [])
            self._of_job[job_id].done_s = self._now_s

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
        known = self._of_job[lease.job_id]
        known.started_s = min(known.started_s, self._now_s)
        self._urgent.discard(lease.job_id)
        self._free[number] -= lease.needs.devices
        left_s = self._left_s.pop(lease.job_id, known.arrival.takes_s)
        self._plan(lease.job_id, _Running(lease, number, self._end_s(left_s)))

    def _make_room(self) -> None:
        """Have runs give way to what is urgent: each saves a snapshot, and is gone then."""
        if not (self._preempts and self._urgent):
            return
        for job_id in preemption.preempt(self._database):
            run = self._running[job_id]
            gone_s = self._end_s(SAVE_S)
            if run.ends_s > gone_s:
                left_s = run.ends_s - self._now_s
                self._plan(job_id, _Running(run.lease, run.number, gone_s, left_s))

    def _plan(self, job_id: int, run: _Running) -> None:
        self._running[job_id] = run
        heapq.heappush(self._ends, (run.ends_s, job_id))

    def _end_s(self, after_s: float) -> float:
        """A moment, to what the clock can be set to."""
        return round(self._now_s + after_s, 3)

    def _beat(self) -> None:
        with self._database.writing() as session:
            session.execute(update(Worker).values(last_heartbeat_at=now()))


def urgent(seed: int, coming: Sequence[Arrival]) -> list[Arrival]:
    """The same runs, of which some short ones of two busy people have a priority."""
    chance = random.Random(seed)
    busy = [name for name, _ in Counter(each.person for each in coming).most_common(10)]
    chosen = chance.sample(busy, min(2, len(busy)))
    return [
        replace(each, priority=URGENT)
        if each.person in chosen and each.takes_s < 900 and chance.random() < 0.5
        else each
        for each in coming
    ]


def play(
    database: Database,
    coming: Iterable[Arrival],
    slots: Sequence[int],
    *,
    preempts: bool = False,
) -> list[Ended]:
    """What became of some runs, on workers with so many slots."""
    with database.writing() as session:
        policies.put(session, LOCAL_OWNER, "default", preempts=preempts)
    with SimulatedClock(database) as clock:
        clock.set(BEGINNING)
        return Fleet(database, clock, slots, preempts=preempts).run(coming)


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


def report_of_urgent(ended: Sequence[Ended]) -> Iterator[str]:
    """How what is urgent fared, and what it cost the others."""
    for title, own in (
        ("urgent", [each for each in ended if each.arrival.priority]),
        ("others", [each for each in ended if not each.arrival.priority]),
    ):
        waits = sorted(each.wait_s for each in own)
        took = statistics.mean(each.done_s - each.arrival.at_s for each in own)
        yield (
            f"{title}: {len(own)} runs; waited {formats.duration(statistics.median(waits))} in "
            f"the median, {formats.duration(waits[int(0.95 * (len(waits) - 1))])} (95%), "
            f"{formats.duration(waits[-1])} at most; done {formats.duration(took)} after the "
            f"submit in the mean; paused {sum(each.pauses for each in own)} times, one run "
            f"{max(each.pauses for each in own)} times"
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


def compare(kind: str, coming: Sequence[Arrival], slots: Sequence[int]) -> None:
    """Play without preemption, and with it."""
    for preempts in (False, True):
        with opened(kind) as database:
            ended = play(database, coming, slots, preempts=preempts)
        print("With preemption" if preempts else "Without preemption")
        print("\n".join(report_of_urgent(ended)))


def main() -> None:
    """Play what is asked for, and print what everybody waited."""
    parser = argparse.ArgumentParser(description="What everybody waits, in simulated time.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument(
        "--urgent",
        action="store_true",
        help="Give some short runs a priority, and play twice: without preemption, and with it.",
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    chosen = parser.parse_args()
    began = time.monotonic()
    # every fifth worker has two slots: the others can run nothing that needs two
    slots = [2 if number % 5 == 0 else 1 for number in range(chosen.workers)]
    coming = arrivals(chosen.seed, chosen.people, chosen.runs, sum(slots))
    if chosen.urgent:
        compare(chosen.database, urgent(chosen.seed, coming), slots)
        return
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
