"""What a storm has left: what is lost, doubled or wrong, and what ended badly without a cause."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import psutil
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.models import Attempt, Job
from core.jobs import endings
from core.states import FINAL
from tests.faults import checker
from tests.faults.conftest import FAULTS_OF_OUR_OWN
from tests.faults.reference import References
from tests.faults.storm.faults import FAULTS_OF_WORKERS
from tests.faults.storm.stack import Stack
from tests.faults.storm.storm import Storm
from worker.cores import usable_cores

LOSING = (
    "kill a worker",
    "drain a worker",  # killed, where its time to drain is over
    "stop a worker for longer than its lease",
    "cut a worker off for longer than its lease",
    "stall a worker for longer than its lease",
    "cut a worker off from everything for longer than its lease",
    "start a worker without its data",
)

CRASHING = ("kill a trainer", "hang a trainer")
"""A trainer that stands still for long is found to hang; or it ends itself, its time being over."""

FENCING = (
    "stop a worker for longer than its lease",
    "cut a worker off for longer than its lease",
    "stall a worker for longer than its lease",
    "cut a worker off from everything for longer than its lease",
)
"""A worker that cannot renew ends its trainer before another may take the run over."""
FENCING_ALL = "take the database away"
"""No worker knows whether it alone is cut off."""

CUT_OFF = "drained, since it was cut off"


class Report:
    """What is found after a storm, when its workers have ended."""

    def __init__(self, storm: Storm, stack: Stack) -> None:
        self._storm = storm
        self._stack = stack
        self._references = References(stack.settings.data_folder, threads=1)
        self._jobs = stack.jobs()
        with stack.tables.reading() as session:
            self._attempts = session.scalars(select(Attempt)).all()
            self._blamed = self._blamed_without_a_cause(session)
        self._outcomes = Counter(map(_outcome, self._attempts))
        self._succeeded = [job for job in self._jobs if job.state == "succeeded"]

    def write(self, head: str) -> bool:
        """Print what was done and what is wrong.

        Args:
            head: of which storm.

        Returns:
            Whether all is well.
        """
        print(f"\n{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {head}")
        self._write_what_was_done()
        return self._write_what_is_wrong()

    def _write_what_was_done(self) -> None:
        done = self._storm.done
        print(f"\n{done.total()} faults")
        for name, count in sorted(done.items()):
            print(f"  {count:3}  {name}")
        print(f"\n{len(self._jobs)} jobs, {self._outcomes.total()} attempts")
        for outcome, count in sorted(self._outcomes.items(), key=str):
            print(f"  {count:3}  {outcome}")
        print(f"  retried by hand after their budget was spent: {len(self._storm.retried)}")
        unfit = Counter(each.then for each in self._storm.faults.unfit)
        print(f"  workers that were unfit: {dict(unfit)}")

    def _write_what_is_wrong(self) -> bool:
        lost = [job.id for job in self._jobs if job.state not in FINAL]
        doubled, wrong, equal = self._doubled(), self._in_a_wrong_state(), self._equal()
        left = [process for process in psutil.process_iter() if self._stack.is_ours(process)]
        problems = self._problems()
        print(f"\nlost {len(lost)}, doubled {doubled}, in a wrong state {len(wrong)}")
        print(f"weights equal to an undisturbed run's: {equal} of {len(self._succeeded)}")
        print(f"processes left over: {len(left)}")
        print(f"found by the checker: {len(problems)}")
        for problem in problems:
            print(f"  {problem}")
        bad = lost or wrong or doubled or problems or left
        return not bad and equal == len(self._succeeded)

    def _doubled(self) -> int:
        """How many runs have succeeded more than once."""
        times = Counter(each.job_id for each in self._attempts if each.outcome == "succeeded")
        return sum(count > 1 for count in times.values())

    def _in_a_wrong_state(self) -> list[int]:
        return [
            job.id for job in self._jobs if job.state in FINAL and job.state not in self._right(job)
        ]

    def _right(self, job: Job) -> set[str]:
        is_cancelled = job.id in self._storm.faults.cancelled
        return {"succeeded", "cancelled"} if is_cancelled else {"succeeded"}

    def _equal(self) -> int:
        """How many runs have the weights of an undisturbed one."""
        return sum(
            self._references(job.spec).weights_sha256 == job.weights_sha256
            for job in self._succeeded
        )

    def _problems(self) -> list[str]:
        stack = self._stack
        found = checker.problems(stack.tables, stack.storage, self._references)
        found += checker.left_behind(stack.tables, stack.storage)
        return [*found, *self._faults_of_our_own(), *self._ends_without_a_cause(), *self._blamed]

    def _ends_without_a_cause(self) -> list[str]:
        """Attempts that ended badly though nothing was done to them: each fault can cost one."""
        unfit, workers = len(self._storm.faults.unfit), len(self._stack.workers)
        costs = {
            "crashed": self._times(*CRASHING),
            "lost": self._times(*LOSING) + unfit,
            "drained": self._times("drain a worker") + unfit,
            CUT_OFF: self._times(*FENCING) + workers * self._times(FENCING_ALL),
        }
        found = []
        for outcome, causes in costs.items():
            if self._outcomes[outcome] > causes:
                found.append(f"{self._outcomes[outcome]} attempts {outcome}, with {causes} causes")
        retried = sorted(self._storm.retried)
        if retried and self._times(*CRASHING) < endings.CRASH_BUDGET:
            found.append(f"jobs {retried} spent a budget that nobody spent for them")
        return found

    def _blamed_without_a_cause(self, session: Session) -> list[str]:
        """Faults of workers that were fit from the beginning of the attempt to its end."""
        return [
            f"job {attempt.job_id}: {name} was not unfit at its attempt {attempt.number}"
            for attempt, name in session.execute(FAULTS_OF_WORKERS)
            if not any(each.explains(attempt, name) for each in self._storm.faults.unfit)
        ]

    def _times(self, *faults: str) -> int:
        return sum(self._storm.done[fault] for fault in faults)

    def _faults_of_our_own(self) -> list[str]:
        return [
            f"{worker.name} said: {words}"
            for worker in self._stack.workers
            for words in FAULTS_OF_OUR_OWN
            if words in (self._stack.folder / f"{worker.name}.log").read_text()
        ]


def _outcome(attempt: Attempt) -> str | None:
    """How an attempt ended; a run that was handed back is told from one that was fenced."""
    is_cut_off = attempt.reason is not None and attempt.reason.code == "worker.cut_off"
    return CUT_OFF if is_cut_off else attempt.outcome
