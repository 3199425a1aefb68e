"""What must hold of the rows after every step, whatever was done and whatever failed.

`tests/faults/checker.py` looks at the end of a run and at all of it; this looks often, so it reads
little: the rows of the queue, and of the history what is new.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import text

from core.database.engine import Database
from core.database.models import Base
from core.jobs.capacity import Capacity, Precision, Requirements
from core.jobs.endings import CRASH_BUDGET, LOSS_BUDGET
from core.jobs.sharing import Use
from core.jobs.snapshots import KEPT
from core.states import FINAL, Desired, EventKind, State, state_after
from core.workers import SILENT_AFTER_S


class Broken(Exception):
    """Something that must hold does not."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job with its progress and its lane."""

    id: int
    name: str
    state: State
    desired: Desired
    attempt: int
    priority: int
    queue: str
    available_at: datetime
    needs: Requirements
    crashes: int
    losses: int
    secured_step: int
    error_kind: str | None
    revision: int
    progress_attempt: int
    is_leased: bool
    lease_expires_at: datetime | None
    lane_id: int
    lane_queue: str
    lane_needs: Requirements
    notified_at: datetime
    purge_at: datetime | None
    """None: it is not deleted."""
    owner: str
    lane_owner: str


_JOBS = """
SELECT j.id, j.name, j.state, j.desired, j.attempt, j.priority, j.queue, j.available_at,
    j.device, j.devices, j.pinned_precision, j.pinned_threads,
    j.crashes, j.losses, j.secured_step, j.error_kind, j.revision + p.revision,
    p.attempt, p.lease_token, p.lease_expires_at,
    l.id, l.queue, l.device, l.devices, l.pinned_precision, l.pinned_threads, l.notified_at,
    j.deleted_at, j.purge_at, j.dataset, l.dataset, j.owner, l.owner
FROM jobs j JOIN progress p ON p.job_id = j.id JOIN lanes l ON l.id = j.lane_id ORDER BY j.id
"""
_USES = "SELECT owner, device_seconds, devices, runs, as_of, days FROM usage"
_KEPT = """
SELECT j.id, w.id, w.last_heartbeat_at
FROM lanes l JOIN workers w ON w.id = l.kept_worker_id
    JOIN jobs j ON j.id = l.kept_job_id AND j.lane_id = l.id
WHERE w.stopped_at IS NULL AND w.lost_at IS NULL AND w.desired <> 'drain'
"""
_ATTEMPTS = "SELECT job_id, number, outcome, secured_step FROM attempts ORDER BY job_id, number"
_SNAPSHOTS = "SELECT job_id, step, sha256, discarded_at FROM snapshots"
_EVENTS = "SELECT id, job_id, kind, attempt, payload FROM job_events WHERE id > {} ORDER BY id"


def empty(database: Database) -> None:
    """Delete every row but what a migration wrote; numbers begin at 1 again."""
    tables = [table.name for table in reversed(Base.metadata.sorted_tables)]
    tables.remove("instances")
    with database.writing() as session:
        if database.engine.dialect.name == "postgresql":
            session.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY"))
            return
        for table in (*tables, "sqlite_sequence"):
            session.execute(text(f"DELETE FROM {table}"))


class Reader:
    """Reads rows past SQLAlchemy: no fault of the simulation meets it."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine

    def rows(self, *queries: str) -> list[Sequence[Any]]:
        """The rows of some queries, each as a list."""
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            return [cursor.execute(query).fetchall() for query in queries]
        finally:
            connection.close()

    def jobs(self) -> list[JobRow]:
        """Every job."""
        return [_job(row) for row in self.rows(_JOBS)[0]]

    def uses(self) -> dict[str, Use]:
        """What each owner has used and uses, by its name."""
        return {
            row[0]: Use(
                *row[1:4],
                _moment(row[4]),
                json.loads(row[5]) if isinstance(row[5], str) else row[5],
            )
            for row in self.rows(_USES)[0]
        }

    def kept(self, moment: datetime) -> dict[int, int]:
        """The live workers that take nothing else before a large job, by those."""
        live_since = moment - timedelta(seconds=SILENT_AFTER_S)
        return {row[0]: row[1] for row in self.rows(_KEPT)[0] if _moment(row[2]) >= live_since}

    def rests(self, worker_id: int) -> dict[str, datetime]:
        """What a worker could not do, and when it may try each again."""
        [[rests]] = self.rows(f"SELECT rests FROM workers WHERE id = {worker_id:d}")[0]
        found = json.loads(rests) if isinstance(rests, str) else rests
        until = {rest["work"]: datetime.fromisoformat(rest["until"]) for rest in found}
        if len(until) < len(found):
            raise Broken(f"worker {worker_id} rests twice from one kind of work: {found}")
        return until


def _job(row: Sequence[Any]) -> JobRow:
    return JobRow(
        *row[:7],
        _moment(row[7]),
        _needs(row[8:12], row[29]),
        *row[12:18],
        row[18] is not None,
        row[19] and _moment(row[19]),
        *row[20:22],
        _needs(row[22:26], row[30]),
        _moment(row[26]),
        row[27] and _moment(row[28]),
        *row[31:33],
    )


def _needs(row: Sequence[Any], dataset: str) -> Requirements:
    device, devices, precision, threads = row
    return Requirements(
        device, devices, cast("Precision | None", precision or None), threads or None, dataset
    )


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return cast("datetime", value.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue as one worker must see it, worked out from all rows."""

    jobs: Sequence[JobRow]
    moment: datetime
    uses: Mapping[str, Use]
    most_running: Mapping[str, int] = field(default_factory=dict)

    def waiting(self, queues: Collection[str], capacity: Capacity) -> list[JobRow]:
        """The queued jobs that a worker may run, due or not."""
        return [
            job
            for job in self.jobs
            if job.state == "queued" and job.queue in queues and capacity.fits(job.needs)
            if self._may_begin(job.owner)
        ]

    def _may_begin(self, owner: str) -> bool:
        running = sum(job.state == "running" and job.owner == owner for job in self.jobs)
        return owner not in self.most_running or running < self.most_running[owner]

    def _place(self, job: JobRow) -> tuple[int, float, int]:
        use = self.uses.get(job.owner, Use())
        return -job.priority, use.rank(self.moment), job.id

    def best(
        self,
        queues: Collection[str],
        capacity: Capacity,
        held: Capacity,
        is_kept_elsewhere: Callable[[int], bool],
    ) -> JobRow | None:
        """The job that is next: of the highest priority, by the use of owners, then by age.

        One that needs more than is held is passed where another worker is kept for it.
        """
        due = [job for job in self.waiting(queues, capacity) if job.available_at <= self.moment]
        lanes_seen: set[int] = set()
        for job in sorted(due, key=self._place):
            is_head = job.lane_id not in lanes_seen
            lanes_seen.add(job.lane_id)
            if is_head and (held.fits(job.needs) or not is_kept_elsewhere(job.id)):
                return job
        return None

    def due_in_s(self, queues: Collection[str], capacity: Capacity) -> float | None:
        """Seconds until a job is due; None where none waits."""
        due_at = [job.available_at for job in self.waiting(queues, capacity)]
        return (min(due_at) - self.moment).total_seconds() if due_at else None

    def are_leases_over(self) -> bool:
        """Whether a job runs without a lease."""
        return any(
            job.lease_expires_at is not None and job.lease_expires_at < self.moment
            for job in self.jobs
            if job.state == "running"
        )

    def unnotified(self, queues: Collection[str], capacity: Capacity, after_s: float) -> set[int]:
        """The lanes with due work of which nobody was notified for so long."""
        lately = self.moment - timedelta(seconds=after_s)
        return {
            job.lane_id
            for job in self.waiting(queues, capacity)
            if job.available_at <= self.moment and job.notified_at < lately
        }


@dataclass(slots=True)
class Invariants:
    """Looks at the rows after each step, and remembers what it saw of the history."""

    reader: Reader
    blobs: Collection[str] | None = None
    """What is in the blob store; None: nobody stores any."""
    last_event: int = 0
    states: dict[int, State] = field(default_factory=dict)
    claims: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    before: dict[int, JobRow] = field(default_factory=dict)
    once: set[tuple[int, str, int, int]] = field(default_factory=set)
    """The beginnings and snapshots in the history: job, kind, attempt, step."""
    purged: set[int] = field(default_factory=set)
    """Jobs that were deleted, and then removed when they could be restored no longer."""

    def check(self, moment: datetime) -> list[JobRow]:
        """Look once.

        Args:
            moment: by the database's clock.

        Returns:
            The jobs.

        Raises:
            Broken: with all that is wrong.
        """
        rows, attempts, snapshots, events = self.reader.rows(
            _JOBS, _ATTEMPTS, _SNAPSHOTS, _EVENTS.format(self.last_event)
        )
        jobs = [_job(row) for row in rows]
        found = [
            *self._replay(events),
            *self._of_purged(jobs, moment),
            *_of_uses(jobs, self.reader.uses()),
        ]
        by_job: dict[int, list[Sequence[Any]]] = defaultdict(list)
        for row in attempts:
            by_job[row[0]].append(row)
        for job in jobs:
            of_job = (
                *self._of_job(job),
                *_of_attempts(job, by_job[job.id]),
                *self._of_change(self.before.get(job.id), job),
            )
            found += [f"job {job.id}: {problem}" for problem in of_job]
        found += self._of_snapshots({job.id: job for job in jobs}, snapshots)
        self.before = {job.id: job for job in jobs}
        if found:
            raise Broken("; ".join(found))
        return jobs

    def _replay(self, events: Sequence[Sequence[Any]]) -> Iterator[str]:
        """Whether what is new in the history can follow what was."""
        for number, job_id, kind, attempt, payload in events:
            self.last_event = number
            content = json.loads(payload) if isinstance(payload, str) else payload
            named = content.get("state")
            try:
                state = state_after(self.states.get(job_id), cast("EventKind", kind), named)
            except ValueError as error:
                yield f"event {number} of job {job_id}: {error}"
                continue
            self.states[job_id] = state
            if kind in ("started", "snapshot"):
                place = (job_id, kind, attempt, content["step"])
                if place in self.once:
                    yield f"event {number} of job {job_id}: {kind} is in the history twice"
                self.once.add(place)
            self.claims[job_id] += kind == "claimed"
            if attempt != self.claims[job_id]:
                yield f"event {number} of job {job_id}: {kind} of attempt {attempt}"

    def _of_purged(self, jobs: Sequence[JobRow], moment: datetime) -> Iterator[str]:
        for job_id in self.before.keys() - {job.id for job in jobs}:
            self.purged.add(job_id)
            purge_at = self.before[job_id].purge_at
            if purge_at is None or purge_at > moment:
                yield f"job {job_id} is gone, and could be restored until {purge_at}"
        for job in jobs:
            if job.id in self.purged:
                yield f"job {job.id} is back"

    def _of_job(self, job: JobRow) -> Iterator[str]:
        if self.states.get(job.id) != job.state:
            yield f"{job.state}, with a history that leads to {self.states.get(job.id)}"
        if job.is_leased != (job.state == "running"):
            yield f"{job.state}, and its lease says otherwise"
        if job.purge_at is not None and job.state in ("queued", "running"):
            yield f"{job.state}, and deleted"
        if job.progress_attempt != job.attempt:
            yield f"attempt {job.attempt}, and progress of attempt {job.progress_attempt}"
        if job.state == "queued" and (job.lane_queue, job.lane_needs) != (job.queue, job.needs):
            yield f"needs {job.needs}, and waits where {job.lane_needs} is"
        if job.lane_owner != job.owner:
            yield f"is of {job.owner}, and waits where those of {job.lane_owner} do"
        if job.state != "failed" and (job.crashes >= CRASH_BUDGET or job.losses >= LOSS_BUDGET):
            yield f"{job.state} beyond its budget"
        if (job.state == "failed") != (job.error_kind is not None):
            yield f"{job.state} with the error {job.error_kind}"

    def _of_change(self, before: JobRow | None, job: JobRow) -> Iterator[str]:
        if before is None or replace(before, notified_at=job.notified_at) == job:
            return
        if job.revision <= before.revision:
            yield f"changed without a new revision: {before} to {job}"
        if job.attempt < before.attempt:
            yield f"its attempts went back from {before.attempt} to {job.attempt}"
        if before.state in FINAL - {"failed"} and before.state != job.state:
            yield f"{before.state}, then {job.state}"
        if before.purge_at is not None and job.purge_at is not None and before.state != job.state:
            yield f"deleted, and moved from {before.state} to {job.state}"
        if before.desired == "cancel" != job.desired and before.state != "failed":
            yield f"the cancel of a {before.state} job was forgotten"

    def _of_snapshots(
        self, jobs: dict[int, JobRow], snapshots: Sequence[Sequence[Any]]
    ) -> Iterator[str]:
        kept: Counter[int] = Counter()
        for job_id, step, sha256, discarded_at in snapshots:
            if discarded_at is None:
                kept[job_id] += 1
                if self.blobs is not None and sha256 not in self.blobs:
                    yield f"job {job_id}: its snapshot after step {step} has no blob"
        for job_id, number in kept.items():
            if number > KEPT or jobs[job_id].state in ("succeeded", "cancelled"):
                yield f"job {job_id}: {jobs[job_id].state}, keeps {number} snapshots"


def _of_uses(jobs: Sequence[JobRow], uses: Mapping[str, Use]) -> Iterator[str]:
    """Whether of each owner as much is counted as in use as runs."""
    running = [job for job in jobs if job.state == "running"]
    for owner in uses.keys() | {job.owner for job in running}:
        own = [job.needs.devices for job in running if job.owner == owner]
        use = uses.get(owner, Use())
        if (use.runs, use.devices) != (len(own), sum(own)) or use.device_seconds < 0:
            yield f"{owner} runs {own}, and counts as {use}"


def _of_attempts(job: JobRow, attempts: Sequence[Sequence[Any]]) -> Iterator[str]:
    numbers = [number for _, number, *_ in attempts]
    if numbers != list(range(1, job.attempt + 1)):
        yield f"its attempts are {numbers}, its row says {job.attempt}"
    open_ones = [number for _, number, outcome, _ in attempts if outcome is None]
    if open_ones != ([job.attempt] if job.state == "running" else []):
        yield f"{job.state}, with open attempts {open_ones}"
    successes = sum(outcome == "succeeded" for _, _, outcome, _ in attempts)
    if successes != (job.state == "succeeded"):
        yield f"{job.state}, with {successes} successes"
