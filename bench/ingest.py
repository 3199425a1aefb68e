"""How many metric samples a second are accepted: `python -m bench.ingest`, or `make bench-ingest`.

Several running jobs, a thread each as in a worker, take lines as their trainers send them, and
write them under the guard every 2,000 samples. Three ways on each database, in turn:

    a row each      as it was before segments: a report and a row a sample
    one by one      a report a sample, written in segments
    in batches      250 samples a report, written in segments

The lines are made before the clock starts. What is timed is reading them and writing them down.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, insert, text
from sqlalchemy.orm import Session

from core.database import engine
from core.database.engine import Database
from core.jobs import claim, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.metrics.samples import Samples
from core.metrics.writer import MetricWriter
from core.protocol import reports
from core.protocol.reports import Report, StepMetrics, StepMetricsBatch
from core.spec.presets import resolve
from core.workers import WorkerFacts, register
from tests.services import Postgres
from worker.cores import usable_cores

IN_A_FLUSH = 2000
IN_A_BATCH = 250
LEASE_S = 600.0
ASKED = {"SQLite": 10_000, "PostgreSQL": 20_000}

ROWS = Table(
    "metric_rows",
    MetaData(),
    Column("job_id", BigInteger, primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("batch", Integer, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("train_loss", "learning_rate")),
    Column("images_per_s", Double, nullable=False),
)
"""The table of a sample a row, as it was."""


class RowWriter(MetricWriter):
    """Writes a row a sample, as the recorder did before there were segments."""

    def __init__(self, lease: Lease, pending: Callable[[], Sequence[Report]]) -> None:
        super().__init__(lease.job_id, lease.attempt)
        self._key = {"job_id": lease.job_id, "attempt": lease.attempt}
        self._pending = pending

    def write(self, session: Session, _samples: Samples) -> None:
        columns = set(ROWS.columns.keys())
        found = (each for each in self._pending() if isinstance(each, StepMetrics))
        rows = [self._key | each.model_dump(include=columns) for each in found]
        session.execute(insert(ROWS), rows)


class RowRecorder(Recorder):
    """A recorder with such a writer."""

    def __init__(self, database: Database, lease: Lease, lease_seconds: float) -> None:
        super().__init__(database, lease, lease_seconds)
        self._metrics = RowWriter(lease, lambda: self._pending)


@dataclass(frozen=True, slots=True)
class Way:
    """How samples travel and are written."""

    name: str
    in_a_report: int
    by_rows: bool = False


WAYS = (
    Way("a row each", 1, by_rows=True),
    Way("one by one", 1),
    Way("in batches", IN_A_BATCH),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--samples", type=int, default=20_000, help="of each run, at most")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each way, at most")
    chosen = parser.parse_args()
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {chosen.runs} runs in one process, "
        f"a flush every {IN_A_FLUSH:,} samples"
    )
    print(f"{'':12}{'way':14}{'samples':>10}{'samples/s':>12}{'asked':>10}{'bytes each':>12}")
    for kind, tables in databases():
        for way in WAYS:
            before = size(tables)
            count, seconds = measure(tables, way, chosen.runs, chosen.samples, chosen.seconds)
            each = (size(tables) - before) / count
            asked = "" if way.by_rows else f"{ASKED[kind]:,}"
            print(
                f"{kind:12}{way.name:14}{count:10,}{count / seconds:12,.0f}{asked:>10}{each:12.1f}"
            )


def databases() -> Iterator[tuple[str, Database]]:
    """A database of each kind, with tables."""
    with tempfile.TemporaryDirectory() as folder:
        yield from prepared("SQLite", f"sqlite:///{Path(folder) / 'bench.db'}")
    with Postgres() as server:
        yield from prepared("PostgreSQL", server.new_database())


def prepared(kind: str, address: str) -> Iterator[tuple[str, Database]]:
    engine.upgrade(address)
    with Database(address) as tables:
        ROWS.create(tables.engine)
        yield kind, tables


def measure(
    tables: Database, way: Way, runs: int, samples: int, longest_s: float
) -> tuple[int, float]:
    """Samples that were accepted, and the seconds that it took."""
    lines = lines_of(samples, way.in_a_report)
    recorders = [recorder_of_a_run(tables, way) for _ in range(runs)]
    accepted = [0] * runs
    start = threading.Barrier(runs + 1)
    began = [0.0]

    def feed(number: int) -> None:
        start.wait()
        recorder = recorders[number]
        in_a_flush = IN_A_FLUSH // way.in_a_report
        for first in range(0, len(lines), in_a_flush):
            if time.monotonic() - began[0] > longest_s:
                return
            some = lines[first : first + in_a_flush]
            for line in some:
                recorder.record(reports.parse(line))
            recorder.flush()
            accepted[number] += len(some) * way.in_a_report

    threads = [threading.Thread(target=feed, args=(number,)) for number in range(runs)]
    for thread in threads:
        thread.start()
    began[0] = time.monotonic()
    start.wait()
    for thread in threads:
        thread.join()
    return sum(accepted), time.monotonic() - began[0]


def lines_of(samples: int, in_a_report: int) -> list[bytes]:
    """What a trainer sends of so many samples."""
    noise = random.Random(1)
    made = []
    for first in range(0, samples, in_a_report):
        steps = list(range(first + 1, first + in_a_report + 1))
        batch = StepMetricsBatch(
            step=steps,
            epoch=[step // 469 + 1 for step in steps],
            batch=[step % 469 + 1 for step in steps],
            train_loss=[2.3 / step + noise.random() for step in steps],
            learning_rate=[0.1 / (1 + step / samples) for step in steps],
            images_per_s=[640_000 + 1000 * noise.random() for _ in steps],
            eta_s=1.5,
        )
        made.append((batch if in_a_report > 1 else batch.last).model_dump_json().encode())
    return made


def recorder_of_a_run(tables: Database, way: Way) -> Recorder:
    """The recorder of a job that runs."""
    worker = register(tables, WorkerFacts("bench", 1, "0", ["default"], [], 1))
    lifecycle.submit(tables, LOCAL_OWNER, name="bench", spec=resolve("quick", {}))
    lease = claim.claim(tables, Claimant(worker, ["default"]), LEASE_S)
    assert lease is not None
    return (RowRecorder if way.by_rows else Recorder)(tables, lease, LEASE_S)


def size(tables: Database) -> int:
    """Bytes of the whole database."""
    with tables.reading() as session:
        if tables.engine.dialect.name == "postgresql":
            return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
        pages, bytes_each = (
            session.scalar(text(f"PRAGMA {name}")) or 0 for name in ("page_count", "page_size")
        )
        return int(pages) * int(bytes_each)


if __name__ == "__main__":
    main()
