"""A run of many days, written in bulk: what pages, streams and queries must bear."""

from __future__ import annotations

import math
import random
from array import array
from dataclasses import dataclass

from sqlalchemy import insert, update

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Epoch, Job, LogLine
from core.jobs import claim, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.lease import Lease
from core.metrics.samples import Samples
from core.metrics.writer import MetricWriter
from core.spec import presets
from core.workers import WorkerFacts, register

BATCHES = 50
AT_ONCE = 5000
SPIKE = 987.0
"""The training loss of one sample: nothing else is near it."""


@dataclass(frozen=True, slots=True)
class LongRun:
    """A run that still has its lease, and where its spike is."""

    lease: Lease
    spike_step: int


def write(
    database: Database, samples: int, epochs: int, lines: int, *, spike_at: float = 0.4321
) -> LongRun:
    """Write a run that has been training for days: a sample a step.

    Args:
        database: where.
        samples: metric samples, of `BATCHES` or more steps an epoch.
        epochs: whole epochs.
        lines: lines of the log.
        spike_at: the share of the samples after which one has a loss of `SPIKE`.
    """
    worker = register(database, WorkerFacts("long", 1, "0", ["long"], [], 1))
    spec = presets.resolve("quick", {})
    job = lifecycle.submit(database, LOCAL_OWNER, name="a long run", spec=spec, queue="long")
    lease = claim.claim(database, Claimant(worker, ["long"], name="long"), 86_400)
    assert lease is not None
    batches = max(1, samples // max(1, epochs))
    spike = int(samples * spike_at)
    _write_samples(database, lease, samples, batches, spike)
    _write_rows(database, lease, epochs, lines)
    with database.writing() as session:
        session.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(epoch=epochs, batches=batches, revision=Job.revision + 1, epochs=2 * epochs)
        )
    return LongRun(lease, spike + 1)


def _write_samples(database: Database, lease: Lease, count: int, batches: int, spike: int) -> None:
    noise = random.Random(1)
    writer = MetricWriter(lease.job_id, lease.attempt)
    for first in range(0, count, 200_000):
        steps = range(first, min(count, first + 200_000))
        losses = [2.3 * math.exp(-4 * step / count) + noise.random() / 20 for step in steps]
        if spike in steps:
            losses[spike - first] = SPIKE
        samples = Samples(
            [
                array("q", (step + 1 for step in steps)),
                array("q", (step // batches + 1 for step in steps)),
                array("q", (step % batches + 1 for step in steps)),
                array("d", losses),
                array("d", [0.1]) * len(steps),
                array("d", (1000 + noise.random() for _ in steps)),
            ]
        )
        with database.writing() as session:
            writer.write(session, samples)
        writer.settle()


def _write_rows(database: Database, lease: Lease, epochs: int, lines: int) -> None:
    key = {"job_id": lease.job_id, "attempt": lease.attempt}
    measured = [
        key
        | {
            "epoch": epoch,
            "train_loss": 2.3 * math.exp(-4 * epoch / epochs),
            "validation_loss": None,
            "validation_accuracy": None,
            "test_loss": 2.4 * math.exp(-3.5 * epoch / epochs) + 0.01 * (epoch % 7),
            "test_accuracy": 1 - 0.9 * math.exp(-4 * epoch / epochs),
            "learning_rate": 0.1,
            "gradient_norm": 0.75,
            "memory_bytes": 412_000_000,
            "seconds": 47.0,
            "images_per_s": 1000.0,
        }
        for epoch in range(1, epochs + 1)
    ]
    texts = [
        key | {"number": number, "level": "info", "text": f"epoch {number}, all is well here"}
        for number in range(1, lines + 1)
    ]
    with database.writing() as session:
        for first in range(0, len(measured), AT_ONCE):
            session.execute(insert(Epoch), measured[first : first + AT_ONCE])
        for first in range(0, len(texts), AT_ONCE):
            session.execute(insert(LogLine).values(time=now()), texts[first : first + AT_ONCE])
