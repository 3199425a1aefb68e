"""Whatever three actions do at once on PostgreSQL, none waits for ever, and the rows agree."""

from __future__ import annotations

import os
import random

import pytest

from core import workers
from core.database.engine import Database
from core.jobs import claim as claiming
from core.jobs import deletion, endings, lifecycle, polling, rests, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import Capacity, of_dataset
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.jobs.rests import Fault
from core.jobs.snapshots import SnapshotRef
from core.messages import message
from core.workers import WorkerFacts
from tests.services import empty_tables
from tests.simulation.clock import SimulatedClock
from tests.simulation.interleaving import interleave
from tests.simulation.rows import Invariants, Reader, empty
from tests.simulation.store import SimulatedStore
from tests.simulation.trainer import SimulatedTrainer, spec

LEASE_S = 15.0
SEEDS = int(os.environ.get("INTERLEAVINGS", "15"))
"""More of them find more: `INTERLEAVINGS=2000`."""


NO_DATA = message("data.damaged", dataset="", folder="", name="", detail="")

_ASKS = (lifecycle.cancel, lifecycle.pause, lifecycle.resume, lifecycle.retry)


class Scene:
    """Two workers; a run that trains, one whose lease is over, and some that wait or are over."""

    def __init__(self, database: Database, clock: SimulatedClock) -> None:
        self.database = database
        self.store = SimulatedStore()
        self.workers = [self._register(f"w{number}") for number in range(3)]
        for worker in (self.workers[0], self.workers[2]):
            self._rest(worker.worker_id)
        self.failed, self.expired, self.running = (self._run() for _ in range(3))
        reason = Failure("failed", message("worker.supervisor_failed"))
        endings.end(database, self.failed[0], "failed", reason)
        clock.advance(LEASE_S + 1)
        self.running[1].flush()
        self.paused = self._submit()
        lifecycle.pause(database, self.paused, LOCAL_OWNER)
        self.queued = [
            self._submit(priority=number, dataset=dataset)
            for number, dataset in ((0, "digits"), (1, "mnist"), (1, "mnist"))
        ]
        self.deleted, self.purged = self._submit(), self._submit()
        deletion.delete(database, self.deleted, LOCAL_OWNER, 60)
        deletion.delete(database, self.purged, LOCAL_OWNER, 0)
        self.invariants = Invariants(Reader(database), self.store.blobs)
        self.invariants.check(clock.moment)

    def _register(self, name: str) -> Claimant:
        facts = WorkerFacts(name, 1, "0", ["default"], [{"kind": "cpu"}], 2, 2)
        worker_id = workers.register(self.database, facts)
        return Claimant(worker_id, ["default"], Capacity(2, 2, threads=2), name)

    def _rest(self, worker_id: int) -> None:
        """A worker rests from what it may try again at once."""
        fault = Fault(of_dataset("mnist"), "data_unavailable", NO_DATA, job_id=1)
        with self.database.writing() as session:
            rests.begin(session, worker_id, fault, is_tried_at_once=True)

    def _submit(self, priority: int = 0, devices: int = 1, dataset: str = "digits") -> int:
        chosen = spec(2, 3, devices=devices, dataset=dataset)
        job = lifecycle.submit(
            self.database, LOCAL_OWNER, name="job", spec=chosen, priority=priority
        )
        return job.id

    def _run(self) -> tuple[Lease, Recorder]:
        self._submit()
        lease = claiming.claim(self.database, self.workers[0], LEASE_S)
        assert lease is not None
        recorder = Recorder(self.database, lease, LEASE_S)
        recorder.record(SimulatedTrainer(2, 3).start(0, "cpu", 2, None))
        self._report(lease, recorder, 1)
        recorder.flush()
        return lease, recorder

    def _report(self, lease: Lease, recorder: Recorder, step: int) -> None:
        for report in SimulatedTrainer(2, 3, step - 1).train(1):
            recorder.record(report)
        blob = self.store.keep(f"{lease.job_id} {step}".encode())
        recorder.secure(SnapshotRef(0, step, blob))

    def _take_back(self, worker_id: int) -> list[int]:
        with self.database.writing() as session:
            workers.mark_lost(session, worker_id)
            return endings.take_back(session, worker_id)

    def actions(self):
        """All that can be done here, by name."""
        database, owner = self.database, LOCAL_OWNER
        lost = Failure("crashed", message("worker.supervisor_failed"))
        unfit = Failure("data_unavailable", NO_DATA, work=of_dataset("digits"))
        numbers = {
            "running": self.running[0].job_id,
            "expired": self.expired[0].job_id,
            "failed": self.failed[0].job_id,
            "paused": self.paused,
            "queued": self.queued[1],
            "deleted": self.deleted,
            "purged": self.purged,
        }
        found = {
            "claim": lambda: claiming.claim(database, self.workers[0], LEASE_S),
            "claim elsewhere": lambda: claiming.claim(database, self.workers[1], LEASE_S),
            "claim two": lambda: claiming.claim(
                database, self.workers[1], LEASE_S, Capacity(2, 2, threads=2)
            ),
            "claim to try": lambda: claiming.claim(database, self.workers[2], LEASE_S),
            "claim to try as well": lambda: claiming.claim(database, self.workers[2], LEASE_S),
            "resume a worker": lambda: rests.resume(database, self.workers[0].worker_id, owner),
            "resume who tries": lambda: rests.resume(database, self.workers[2].worker_id, owner),
            "reap": lambda: endings.reap(database, LEASE_S),
            "reap elsewhere": lambda: endings.reap(database, LEASE_S),
            "take back": lambda: self._take_back(self.workers[0].worker_id),
            "take back elsewhere": lambda: self._take_back(self.workers[0].worker_id),
            "beat": lambda: workers.heartbeat(database, self.workers[0].worker_id),
            "purge": lambda: deletion.purge(database),
            "purge elsewhere": lambda: deletion.purge(database),
            "poll": lambda: polling.poll(database, self.workers[1]),
            "sweep": lambda: snapshots.sweep(database, self.store),
            "submit": lambda: self._submit(devices=2),
            "submit another": lambda: self._submit(devices=2),
        }
        for name, (lease, recorder) in (("running", self.running), ("expired", self.expired)):
            self._report(lease, recorder, 2)
            found |= {
                f"flush {name}": recorder.flush,
                f"drain {name}": lambda lease=lease: endings.end(database, lease, "drained"),
                f"crash {name}": lambda lease=lease: endings.end(database, lease, "crashed", lost),
                f"rest after {name}": lambda lease=lease: endings.end(
                    database, lease, "worker_fault", unfit
                ),
                f"succeed {name}": lambda lease=lease: endings.succeed(database, lease, "0", []),
            }
        for name, number in numbers.items():
            found[f"delete {name}"] = lambda number=number: deletion.delete(
                database, number, owner, 60
            )
            for ask in (*_ASKS, deletion.restore):
                found[f"{ask.__name__} {name}"] = lambda ask=ask, number=number: ask(
                    database, number, owner
                )
        return found


@pytest.fixture(scope="module")
def on_postgresql(postgres_with_tables):
    empty_tables(postgres_with_tables)
    with Database(postgres_with_tables) as database, SimulatedClock(database) as clock:
        yield database, clock


def test_actions_at_once_end_and_leave_rows_that_agree(on_postgresql):
    database, clock = on_postgresql
    for seed in range(SEEDS):
        chance = random.Random(seed)
        empty(database)
        scene = Scene(database, clock)
        actions = scene.actions()
        chosen = {name: actions[name] for name in chance.sample(sorted(actions), 3)}

        outcomes = interleave(database, chosen, chance)

        scene.invariants.check(clock.moment)
        claimed = [each.job_id for each in outcomes.values() if isinstance(each, Lease)]
        assert len(claimed) == len(set(claimed)), f"seed {seed}: {list(outcomes)}"
