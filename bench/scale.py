"""What the queue and the lists cost among many runs: `make bench-scale`.

Makes as many queued runs as asked for, and as many that are over, on SQLite and on PostgreSQL, and
times each thing that a worker, a page or a running job asks of the database again and again. Rows
are copied by the database itself. With `--rows 100000 1000000` both sizes are compared: what it
costs should not grow.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select, text, update

from core import queries, workers
from core.database.clock import now
from core.database.engine import Database, upgrade
from core.database.models import Job, Lane
from core.jobs import claim, endings, eta, lifecycle, polling, status
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import Capacity
from core.jobs.claim import Claimant
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.protocol.reports import EpochEnd, Started, StepMetrics
from core.queries import Selection
from core.spec import presets
from core.workers import WorkerFacts
from tests.core.many import learn, multiply
from tests.services import Postgres, UnavailableHereError
from webui.api.shapes import list_of_jobs

TIMES = 60
LEARNING_RATE = "optimizer.learning_rate"
SLOTS = Capacity(2, 2)
OWN = ("default", "night")


@dataclass(frozen=True, slots=True)
class Case:
    """Something that is done again and again."""

    name: str
    do: Callable[[], object]
    limit_ms: float | None = None
    """What it is to cost at most, by issue 12."""
    prepare: Callable[[], object] = lambda: None
    """What is done before each time, and not timed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--owners", type=int, default=1, help="who wait, each in eight lanes")
    parser.add_argument("--on", choices=["sqlite", "postgresql"], nargs="+")
    options = parser.parse_args()
    kinds = options.on or ["sqlite", "postgresql"]
    measured: dict[str, dict[tuple[str, int], list[float]]] = {}
    try:
        for kind in kinds:
            for rows in options.rows:
                measure(kind, rows, options.owners, measured)
    finally:  # what was measured before somebody stopped it
        _print(measured)


def measure(
    kind: str, rows: int, owners: int, measured: dict[str, dict[tuple[str, int], list[float]]]
) -> None:
    """Time everything on a database of one kind and size."""
    with _database(kind) as database:
        if database is None:
            return
        fill(database, rows, owners)
        for case in cases(database):
            measured.setdefault(case.name, {})[kind, rows] = times_of(case)
            sys.stderr.write(".")
            sys.stderr.flush()
    sys.stderr.write("\n")


@contextmanager
def _database(kind: str) -> Iterator[Database | None]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield from _opened(f"sqlite:///{Path(folder) / 'scale.db'}")
        return
    try:
        server = Postgres()
    except UnavailableHereError as error:
        print(f"not on PostgreSQL: {error}")
        yield None
        return
    with server:
        yield from _opened(server.new_database())


def _opened(address: str) -> Iterator[Database]:
    upgrade(address)
    with Database(address) as database:
        yield database


def fill(database: Database, rows: int, owners: int) -> None:
    """Make so many queued runs of so many owners, and as many that are over."""
    worker = workers.register(database, _FACTS)
    claimant = Claimant(worker, OWN, SLOTS)
    for owner in range(owners):
        for number in range(20):
            _submit(database, number, owner=owner)
    multiply(database, rows // (20 * owners) - 1, "state = 'queued'")
    ended = [_submit(database, number, priority=100).id for number in range(20)]
    for number in range(20):
        _run(database, claimant, accuracy=number / 20)
    assert all(_state(database, job_id) == "succeeded" for job_id in ended)
    multiply(database, rows // 20 - 1, "state = 'succeeded'")
    scatter(database)
    learn(database)


_FACTS = WorkerFacts("bench", 1, "0", OWN, [{"kind": "cpu", "name": "CPU"}], 2)


def _submit(database: Database, number: int, priority: int | None = None, owner: int = 0) -> Any:
    dataset = ("mnist", "fashion_mnist", "cifar10", "digits")[number % 4]
    spec = presets.resolve("quick", {"dataset": dataset, "devices": 1 + number % 2})
    return lifecycle.submit(
        database,
        Actor("user", str(owner), f"person {owner}", "member") if owner else LOCAL_OWNER,
        name=f"run {number} of many",
        spec=spec,
        preset="quick",
        priority=number % 3 if priority is None else priority,
        queue=OWN[number // 10],
    )


def _run(database: Database, claimant: Claimant, accuracy: float) -> None:
    lease = claim.claim(database, claimant, 300, SLOTS)
    assert lease is not None
    recorder = Recorder(database, lease, 300)
    recorder.record(Started(device="CPU", threads=1, precision="fp32", epochs=1, batches=10))
    recorder.record(
        EpochEnd(
            epoch=1, step=10, batch=10, train_loss=1.0, learning_rate=0.1, images_per_s=1.0,
            eta_s=0.0, validation_loss=None, validation_accuracy=None, test_loss=1.0 - accuracy,
            test_accuracy=accuracy, gradient_norm=None, memory_bytes=0, seconds=1.0,
        )
    )  # fmt: skip
    recorder.flush()
    endings.succeed(database, lease, "0" * 64, [])


def _state(database: Database, job_id: int) -> str:
    with database.reading() as session:
        return queries.job(session, job_id)[0].state


def scatter(database: Database) -> None:
    """Let the measurements of ended runs differ, so that there is something to sort."""
    share = "(id * 7919 % 100003) / 100003.0"
    with database.writing() as session:
        session.execute(
            text(
                f"UPDATE jobs SET test_accuracy = {share}, test_loss = 1 - {share} "
                "WHERE state = 'succeeded'"
            )
        )
        for name, value in ((LEARNING_RATE, share), ("epochs", "id % 30")):
            is_mine = {"name": name}
            session.execute(text("DELETE FROM job_values WHERE name = :name"), is_mine)
            rows = f"SELECT id, :name, {value}, '' FROM jobs"
            columns = "job_id, name, number, text"
            session.execute(text(f"INSERT INTO job_values ({columns}) {rows}"), is_mine)
        for tag, which in (("tenth", "id % 10 = 0"), ("few", "id <= 20")):
            chosen = f"SELECT '{tag}', id FROM jobs WHERE {which}"
            session.execute(text(f"INSERT INTO job_tags (tag, job_id) {chosen}"))


def cases(database: Database) -> Iterator[Case]:
    """What is timed."""
    claimant = Claimant(1, OWN, SLOTS)
    yield Case("poll", lambda: polling.poll(database, claimant), 1)
    yield Case(
        "notify", lambda: notify(database, claimant), prepare=lambda: forget_notified(database)
    )
    leases: list[Lease | None] = []
    yield Case("claim", lambda: leases.append(claim.claim(database, claimant, 300, SLOTS)), 3)
    for taken in leases:  # a worker with two slots runs no more than two
        assert taken is not None
        endings.end(database, taken, "drained")
    yield Case("reap", lambda: endings.reap(database, 30))
    lease = claim.claim(database, claimant, 300, SLOTS)
    assert lease is not None
    recorder = Recorder(database, lease, 300)
    recorder.record(Started(device="CPU", threads=1, precision="fp32", epochs=9, batches=10))
    recorder.flush()
    steps = iter(range(1, 10_000))
    yield Case("flush of a step", lambda: flush(recorder, next(steps)))
    workers.heartbeat(database, claimant.worker_id)
    yield Case("forecast, one a second", lambda: forecast(database))
    eta.share(database)  # as the web process does
    for name, order, count in (("newest", "DESC", 50), ("next", "ASC", 50), ("newest", "DESC", 1)):
        jobs = queued(database, order, count)
        yield Case(f"explain the {name} {count}", partial(explain, database, jobs), 5)
    yield from lists(database)


def forget_notified(database: Database) -> None:
    """Let a time pass in which nobody is notified."""
    with database.writing() as session:
        session.execute(update(Lane).values(notified_at=now(-60)))


def notify(database: Database, claimant: Claimant) -> None:
    """Find out of what nobody was notified lately, and note that somebody is now."""
    polling.mark_notified(database, polling.poll(database, claimant).unnotified_lanes)


def flush(recorder: Recorder, step: int) -> None:
    """Write a metric sample, and renew the lease."""
    recorder.record(
        StepMetrics(
            step=step, epoch=1, batch=1, train_loss=1.0, learning_rate=0.1, images_per_s=1.0,
            eta_s=9.0,
        )
    )  # fmt: skip
    recorder.flush()


def forecast(database: Database) -> None:
    """Play the claim forward."""
    with database.reading() as session:
        eta.play(session)


def queued(database: Database, order: str, count: int) -> Sequence[Job]:
    """Some queued runs: a page has read their rows for its list, and explains them then."""
    with database.reading() as session:
        ids = session.scalars(
            text(f"SELECT id FROM jobs WHERE state = 'queued' ORDER BY id {order} LIMIT {count}")
        ).all()
        return session.scalars(select(Job).where(Job.id.in_(ids))).all()


def explain(database: Database, jobs: Sequence[Job]) -> None:
    """Explain queued runs."""
    with database.reading() as session:
        status.explain(session, jobs)


def lists(database: Database) -> Iterator[Case]:
    """The pages of the list."""

    def listed(name: str, limit_ms: float, **chosen: Any) -> Case:
        def read() -> None:
            with database.reading() as session:
                list_of_jobs(session, queries.jobs(session, Selection(**chosen)))

        return Case(f"list: {name}", read, limit_ms)

    yield listed("newest 50", 12)
    yield listed("queued", 12, states=["queued"])
    yield listed("running", 12, states=["running"])
    yield listed("running, failed", 12, states=["running", "failed"])
    yield listed("dataset", 30, dataset="digits")
    yield listed("a dataset of no run", 30, dataset="none")
    yield listed("dataset and state", 30, dataset="digits", states=["succeeded"])
    yield listed("two that exclude each other", 30, dataset="digits", model="none")
    yield listed("text of some", 30, text="RUN 7 of")
    yield listed("text of none", 30, text="nobody")
    yield listed("a tag of a tenth", 30, tag="tenth")
    yield listed("a tag of 20", 30, tag="few")
    for sort in ("-test_accuracy", "test_loss"):
        yield listed(f"by {sort}", 30, sort=sort)
    yield listed("by -test_accuracy, dataset", 30, sort="-test_accuracy", dataset="digits")
    yield listed("by -test_accuracy, text of none", 30, sort="-test_accuracy", text="nobody")
    yield listed("by -test_accuracy, a tag of 20", 30, sort="-test_accuracy", tag="few")
    yield listed("by -test_accuracy, tag of 1/10", 30, sort="-test_accuracy", tag="tenth")
    yield listed("oldest", 12, sort="created")
    yield listed("by learning rate", 100, sort=LEARNING_RATE)
    yield listed("by -epochs, which many share", 100, sort="-epochs")
    yield listed("by learning rate, dataset", 100, sort=LEARNING_RATE, dataset="digits")
    yield listed("by learning rate, text of none", 100, sort=LEARNING_RATE, text="nobody")
    yield listed("by learning rate, tag of 1/10", 100, sort=LEARNING_RATE, tag="tenth")
    for condition in (
        "test_accuracy > 99.9%",
        "test_accuracy > 50%",
        f"{LEARNING_RATE} = 0.1 and epochs > 1",
        f"{LEARNING_RATE} < 0",
        "optimizer.kind != sgd",
    ):
        yield listed(condition, 100, conditions=queries.read_conditions(condition))
    moment = datetime.now(UTC)
    yield listed("of today", 12, created_from=moment - timedelta(days=1), created_to=moment)


def times_of(case: Case) -> list[float]:
    """Milliseconds of each time, in order, after three that are not counted."""
    times = []
    for number in range(TIMES + 3):
        case.prepare()
        began = time.perf_counter()
        case.do()
        if number >= 3:
            times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def _print(measured: dict[str, dict[tuple[str, int], list[float]]]) -> None:
    columns = list(dict.fromkeys(column for row in measured.values() for column in row))
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {TIMES} times each, median / 95% in ms")
    print(f"{'':32}" + "".join(f"{kind} {rows:>9,}".rjust(24) for kind, rows in columns))
    for name, row in measured.items():
        cells = [f"{statistics.median(t):8.2f} /{t[int(len(t) * 0.95)]:8.2f}" for t in row.values()]
        print(f"{name:32}" + "".join(cell.rjust(24) for cell in cells))


if __name__ == "__main__":
    main()
