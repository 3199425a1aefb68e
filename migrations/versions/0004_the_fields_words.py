"""The words of the field: snapshots, metrics, artifacts, heartbeats; specs by today's names

Revision ID: 0004
Revises: 0003
"""

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AGREES = (
    "(state <> 'queued' OR desired = 'run') AND (state <> 'paused' OR desired = 'pause') "
    "AND (state <> 'cancelled' OR desired = 'cancel')"
)
KINDS = (
    "CASE WHEN format IN ('pt', 'safetensors') THEN 'checkpoint' "
    "WHEN format LIKE 'card%' THEN 'card' ELSE 'export' END"
)
SPEC_FIELDS = (
    ("", "accumulation", "micro_batches"),
    ("optimizer", "smoothing", "alpha"),
    ("regularization", "mix_alpha", "mixup_alpha"),
)
AT_ONCE = 500


def upgrade() -> None:
    if is_postgresql():
        lock("resume_points", "points", "checkpoints")
        rename("resume_points", "snapshots", "discarded_at")
        rename("points", "metrics")
        rename("checkpoints", "artifacts", "job_id")
        op.add_column("artifacts", sa.Column("kind", sa.String(length=20), nullable=True))
        op.execute(f"UPDATE artifacts SET kind = {KINDS}")  # noqa: S608
        op.alter_column("artifacts", "kind", nullable=False)
    else:
        make_snapshots("snapshots")
        move("resume_points", "snapshots")
        make_metrics("metrics")
        move("points", "metrics")
        make_files("artifacts", sa.Column("kind", sa.String(length=20), nullable=False))
        move("checkpoints", "artifacts", kind=KINDS)

    op.drop_index(op.f("ix_workers_stopped_at_seen_at"), "workers")
    with op.batch_alter_table("workers") as batch_op:
        batch_op.alter_column("seen_at", new_column_name="last_heartbeat_at")
    op.create_index(
        op.f("ix_workers_stopped_at_last_heartbeat_at"),
        "workers",
        ["stopped_at", "last_heartbeat_at"],
    )
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.alter_column("rung_at", new_column_name="notified_at")
        batch_op.alter_column("heard_at", new_column_name="last_heartbeat_at")
        batch_op.drop_constraint(op.f("ck_jobs_a_state_agrees_with_the_wish"), type_="check")
        batch_op.create_check_constraint(op.f("ck_jobs_a_state_agrees_with_desired"), AGREES)
    rename_spec_fields(SPEC_FIELDS)


def downgrade() -> None:
    rename_spec_fields([(section, new, old) for section, old, new in SPEC_FIELDS])
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.drop_constraint(op.f("ck_jobs_a_state_agrees_with_desired"), type_="check")
        batch_op.create_check_constraint(op.f("ck_jobs_a_state_agrees_with_the_wish"), AGREES)
        batch_op.alter_column("last_heartbeat_at", new_column_name="heard_at")
        batch_op.alter_column("notified_at", new_column_name="rung_at")
    op.drop_index(op.f("ix_workers_stopped_at_last_heartbeat_at"), "workers")
    with op.batch_alter_table("workers") as batch_op:
        batch_op.alter_column("last_heartbeat_at", new_column_name="seen_at")
    op.create_index(op.f("ix_workers_stopped_at_seen_at"), "workers", ["stopped_at", "seen_at"])

    if is_postgresql():
        op.drop_column("artifacts", "kind")
        rename("artifacts", "checkpoints", "job_id")
        rename("metrics", "points")
        rename("snapshots", "resume_points", "discarded_at")
    else:
        make_files("checkpoints")
        move("artifacts", "checkpoints")
        make_metrics("points")
        move("metrics", "points")
        make_snapshots("resume_points")
        move("snapshots", "resume_points")


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def lock(*tables: str) -> None:
    """Wait for who reads and writes now, before anything is changed: the rest takes milliseconds.

    Workers are locked first, as the pages read them first.
    """
    op.execute("SET LOCAL lock_timeout = '60s'")
    op.execute(f"LOCK TABLE workers, jobs, {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")


def rename(old: str, new: str, indexed: str = "") -> None:
    """Rename a table with what is named after it: no row is copied, however many there are."""
    op.rename_table(old, new)
    op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
    op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT fk_{old}_job_id_jobs TO fk_{new}_job_id_jobs")
    if indexed:
        op.execute(f"ALTER INDEX ix_{old}_{indexed} RENAME TO ix_{new}_{indexed}")
    op.execute(f"ALTER SEQUENCE IF EXISTS {old}_id_seq RENAME TO {new}_id_seq")


def make_snapshots(name: str) -> None:
    op.create_table(
        name,
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        of_a_job(name),
        sa.PrimaryKeyConstraint("job_id", "attempt", "step", name=op.f(f"pk_{name}")),
    )
    op.create_index(op.f(f"ix_{name}_discarded_at"), name, ["discarded_at"])


def make_metrics(name: str) -> None:
    op.create_table(
        name,
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("train_loss", sa.Double(), nullable=False),
        sa.Column("learning_rate", sa.Double(), nullable=False),
        sa.Column("images_per_s", sa.Double(), nullable=False),
        of_a_job(name),
        sa.PrimaryKeyConstraint("job_id", "step", name=op.f(f"pk_{name}")),
    )


def make_files(name: str, *further: sa.Column) -> None:
    op.create_table(
        name,
        sa.Column("id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        *further,
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("filename", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        of_a_job(name),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )
    op.create_index(op.f(f"ix_{name}_job_id"), name, ["job_id"])


def of_a_job(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_job_id_jobs")
    return sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=name, ondelete="CASCADE")


def move(old: str, new: str, **computed: str) -> None:
    """Copy each row and drop the old table: SQLite renames no constraint."""
    have = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(old)}
    want = [column["name"] for column in sa.inspect(op.get_bind()).get_columns(new)]
    values = [computed.get(name, name) for name in want if name in have or name in computed]
    columns = ", ".join(name for name in want if name in have or name in computed)
    op.execute(f"INSERT INTO {new} ({columns}) SELECT {', '.join(values)} FROM {old}")  # noqa: S608
    op.drop_table(old)


def rename_spec_fields(
    names: list[tuple[str, str, str]] | tuple[tuple[str, str, str], ...],
) -> None:
    jobs = sa.table("jobs", sa.column("id", sa.BigInteger), sa.column("spec", sa.JSON))
    for rows in batches(jobs):
        for job_id, spec in rows:
            before = json.dumps(spec)
            for section, old, new in names:
                part = spec.get(section) if section else spec
                if isinstance(part, dict) and old in part and new not in part:
                    part[new] = part.pop(old)
            if json.dumps(spec) != before:
                op.execute(jobs.update().where(jobs.c.id == job_id).values(spec=spec))


def batches(jobs: sa.TableClause) -> Iterator[list[tuple[int, dict]]]:
    """All jobs, some at a time: there may be a hundred thousand."""
    last = 0
    while rows := (
        op.get_bind()
        .execute(
            sa.select(jobs.c.id, jobs.c.spec)
            .where(jobs.c.id > last)
            .order_by(jobs.c.id)
            .limit(AT_ONCE)
        )
        .all()
    ):
        last = rows[-1][0]
        yield [(row[0], row[1]) for row in rows]
