"""Metric samples in segments and buckets, instead of a row each

The bytes are written and read by `core.metrics`, whose format has a version: whatever a later
release writes, it reads what this one wrote.

Revision ID: 0007
Revises: 0005
"""

from array import array
from collections.abc import Iterator
from itertools import groupby, pairwise

import sqlalchemy as sa
from alembic import op

from core.metrics.buckets import ROW, SIZES, Buckets, groups
from core.metrics.samples import NAMES, TYPECODES, Samples

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEGMENT = 1024
AT_ONCE = SIZES[-1]  # so that what is read at once makes whole buckets of every size

METRICS = sa.table("metrics", *map(sa.column, ("job_id", "attempt", *NAMES)))
SEGMENTS = sa.table(
    "metric_segments",
    *map(sa.column, ("job_id", "first_step", "last_step", "attempt", "start", "count")),
    sa.column("data", sa.LargeBinary),
)
BUCKETS = sa.table(
    "metric_buckets",
    *map(sa.column, ("job_id", "size", "start")),
    sa.column("data", sa.LargeBinary),
)


def upgrade() -> None:
    lock("metrics")
    op.create_table(
        "metric_segments",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        of_a_job("metric_segments"),
        sa.PrimaryKeyConstraint("job_id", "first_step", name=op.f("pk_metric_segments")),
    )
    op.create_index(op.f("ix_metric_segments_job_id_start"), "metric_segments", ["job_id", "start"])
    op.create_table(
        "metric_buckets",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        of_a_job("metric_buckets"),
        sa.PrimaryKeyConstraint("job_id", "size", "start", name=op.f("pk_metric_buckets")),
    )
    for job_id in jobs_in("metrics"):
        sum_up(job_id)
    op.drop_table("metrics")


def downgrade() -> None:
    lock("metric_segments", "metric_buckets")
    op.create_table(
        "metrics",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("train_loss", sa.Double(), nullable=False),
        sa.Column("learning_rate", sa.Double(), nullable=False),
        sa.Column("images_per_s", sa.Double(), nullable=False),
        of_a_job("metrics"),
        sa.PrimaryKeyConstraint("job_id", "step", name=op.f("pk_metrics")),
    )
    for job_id in jobs_in("metric_segments"):
        for attempt, samples in segments(job_id):
            rows = samples.rows(attempt)
            columns = ("attempt", *NAMES)
            op.bulk_insert(
                METRICS,
                [
                    {"job_id": job_id} | {name: getattr(row, name) for name in columns}
                    for row in rows
                ],
            )
    op.drop_table("metric_buckets")
    op.drop_table("metric_segments")


def lock(*tables: str) -> None:
    """Wait for who reads and writes now. Workers are locked first, as the pages read them first."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL lock_timeout = '60s'")
        op.execute(f"LOCK TABLE workers, jobs, {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")


def of_a_job(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_job_id_jobs")
    return sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=name, ondelete="CASCADE")


def jobs_in(table: str) -> list[int]:
    has_some = f"EXISTS (SELECT 1 FROM {table} WHERE job_id = jobs.id)"  # noqa: S608
    query = sa.text(f"SELECT id FROM jobs WHERE {has_some} ORDER BY id")  # noqa: S608
    return list(op.get_bind().scalars(query))


def sum_up(job_id: int) -> None:
    """Write the segments and the buckets of a job; only some of its samples are held at once."""
    rows: dict[int, tuple[int, Buckets]] = dict.fromkeys(SIZES, (0, Buckets.none()))
    start = 0
    for attempts, samples in batches(job_id):
        write_segments(job_id, start, attempts, samples)
        buckets, size_before = Buckets.of(samples), 1
        for size in SIZES:
            factor = size // size_before
            whole = len(buckets) // factor * factor
            buckets = buckets[:whole].merged(groups(whole, factor))
            first, open_row = rows[size]
            rows[size] = write_full_rows(job_id, size, first, open_row + buckets)
            size_before = size
        start += len(samples)
    for size, (first, open_row) in rows.items():
        write_row(job_id, size, first, open_row)


def batches(job_id: int) -> Iterator[tuple[array, Samples]]:
    """The samples of a job with their attempts, `AT_ONCE` at once."""
    query = sa.select(*(METRICS.c[name] for name in ("attempt", *NAMES)))
    query = query.where(METRICS.c.job_id == job_id).order_by(METRICS.c.step).limit(AT_ONCE)
    last = 0
    while rows := op.get_bind().execute(query.where(METRICS.c.step > last)).all():
        attempt, *columns = zip(*rows, strict=True)
        samples = Samples([array(*each) for each in zip(TYPECODES, columns, strict=True)])
        yield array("q", attempt), samples
        last = samples.step[-1]


def write_segments(job_id: int, start: int, attempts: array, samples: Samples) -> None:
    edges = [0]
    for _, same in groupby(attempts):
        edges.append(edges[-1] + sum(1 for _ in same))
    rows = []
    for begin, end in pairwise(edges):
        for a, b in groups(end - begin, SEGMENT):
            part = samples[begin + a : begin + b]
            rows.append(
                {
                    "job_id": job_id,
                    "first_step": part.step[0],
                    "last_step": part.step[-1],
                    "attempt": attempts[begin],
                    "start": start + begin + a,
                    "count": len(part),
                    "data": part.pack(),
                }
            )
    op.bulk_insert(SEGMENTS, rows)


def write_full_rows(job_id: int, size: int, first: int, buckets: Buckets) -> tuple[int, Buckets]:
    """Write the rows that are full; what is left, with the number of its first sample."""
    while len(buckets) >= ROW:
        write_row(job_id, size, first, buckets[:ROW])
        first, buckets = first + size * ROW, buckets[ROW:]
    return first, buckets


def write_row(job_id: int, size: int, first: int, buckets: Buckets) -> None:
    if len(buckets):
        row = {"job_id": job_id, "size": size, "start": first, "data": buckets.pack()}
        op.bulk_insert(BUCKETS, [row])


def segments(job_id: int) -> Iterator[tuple[int, Samples]]:
    """The segments of a job with their attempts, one at a time."""
    query = sa.select(SEGMENTS.c.first_step, SEGMENTS.c.attempt, SEGMENTS.c.data)
    query = query.where(SEGMENTS.c.job_id == job_id).order_by(SEGMENTS.c.first_step).limit(1)
    last = -1
    while row := op.get_bind().execute(query.where(SEGMENTS.c.first_step > last)).one_or_none():
        last = row[0]
        yield row[1], Samples.unpack(row[2])
