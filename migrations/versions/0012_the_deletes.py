"""Runs that are deleted, blobs that no run names, and numbers that are never given twice

On SQLite the tables whose numbers leave this installation (addresses, positions) are copied, so
that a row that is purged takes its number with it.

Revision ID: 0012
Revises: 0008
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
KINDS = (
    *("submitted", "claimed", "started", "snapshot", "crashed", "lost", "drained"),
    *("pause_requested", "pause_withdrawn", "paused", "resumed", "cancel_requested", "cancelled"),
    *("retried", "finished", "failed"),
)
NEW_KINDS = ("deleted", "restored", "cleaned")
AT_REST = (
    "(deleted_at IS NULL) = (purge_at IS NULL) "
    "AND (deleted_at IS NULL OR state NOT IN ('queued', 'running'))"
)
CLAIM = (
    *("lane_id", sa.text("priority DESC"), "id"),
    *("available_at", "dataset", "epochs", "batches", "secured_step", "state"),
)
LISTED = ("state", "dataset", "model", "preset", "owner", "folded_name")
SINGLE = ("dataset", "model", "preset", "owner")
MEASURED = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)
LISTS = ("ix_jobs_list", *(f"ix_jobs_{name}_id" for name in SINGLE))
BY_MEASURED = tuple(f"ix_jobs_by_{name}" for name in MEASURED)
OTHERS = {
    "ix_jobs_deleted": (("id",), "deleted_at IS NOT NULL"),
    "ix_jobs_purge": (("purge_at", "id"), "deleted_at IS NOT NULL"),
    "ix_jobs_worker_id": (("worker_id",), "worker_id IS NOT NULL"),
}


def upgrade() -> None:
    drop_indexes()
    with copied("jobs", counts_on=True) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", TIME, nullable=True))
        batch_op.add_column(sa.Column("purge_at", TIME, nullable=True))
        batch_op.create_check_constraint(op.f("ck_jobs_a_deleted_job_is_at_rest"), AT_REST)
    index("ix_jobs_claim", CLAIM, "state = 'queued'")
    index("ix_jobs_state_id", ("state", "id", "deleted_at"))
    index("ix_jobs_list", ("id", *LISTED, "deleted_at"), "deleted_at IS NULL")
    for name in SINGLE:
        index(f"ix_jobs_{name}_id", (name, "id"), "deleted_at IS NULL")
    for name in MEASURED:
        where = f"{name} IS NOT NULL AND deleted_at IS NULL"
        index(f"ix_jobs_by_{name}", (name, "id", *LISTED, "deleted_at"), where)
    for name, (columns, where) in OTHERS.items():
        index(name, columns, where)
    with copied("job_events", counts_on=True) as batch_op:
        allow_kinds(batch_op, (*KINDS, *NEW_KINDS))
    for table in ("artifacts", "workers"):
        with copied(table, counts_on=True):
            pass
    op.create_index(op.f("ix_artifacts_sha256"), "artifacts", ["sha256"])
    op.create_index(op.f("ix_snapshots_sha256"), "snapshots", ["sha256"])
    op.create_index(op.f("ix_attempts_worker_id"), "attempts", ["worker_id"])
    op.create_table(
        "unnamed_blobs",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_unnamed_blobs")),
    )
    op.create_index(op.f("ix_unnamed_blobs_due_at"), "unnamed_blobs", ["due_at"])
    op.create_table(
        "duties",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("position", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )


def downgrade() -> None:
    """What is deleted and not yet purged is listed again; the history forgets the delete."""
    op.drop_table("duties")
    op.drop_index(op.f("ix_unnamed_blobs_due_at"), "unnamed_blobs")
    op.drop_table("unnamed_blobs")
    op.drop_index(op.f("ix_attempts_worker_id"), "attempts")
    op.drop_index(op.f("ix_snapshots_sha256"), "snapshots")
    op.drop_index(op.f("ix_artifacts_sha256"), "artifacts")
    for table in ("workers", "artifacts"):
        with copied(table, counts_on=False):
            pass
    kinds = ", ".join(repr(kind) for kind in NEW_KINDS)
    op.execute(f"DELETE FROM job_events WHERE kind IN ({kinds})")  # noqa: S608
    with copied("job_events", counts_on=False) as batch_op:
        allow_kinds(batch_op, KINDS)
    for name in OTHERS:
        op.drop_index(name, "jobs")
    drop_indexes()
    with copied("jobs", counts_on=False) as batch_op:
        batch_op.drop_constraint(op.f("ck_jobs_a_deleted_job_is_at_rest"), type_="check")
        batch_op.drop_column("purge_at")
        batch_op.drop_column("deleted_at")
    index("ix_jobs_claim", CLAIM, "state = 'queued'")
    index("ix_jobs_state_id", ("state", "id"))
    index("ix_jobs_list", ("id", *LISTED))
    for name in SINGLE:
        index(f"ix_jobs_{name}_id", (name, "id"))
    for name in MEASURED:
        index(f"ix_jobs_by_{name}", (name, "id", *LISTED), f"{name} IS NOT NULL")


def copied(table: str, *, counts_on: bool) -> Any:
    """Change a table; SQLite copies it, into one that gives no number twice or one that may."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    return op.batch_alter_table(
        table,
        recreate="always" if is_sqlite else "never",
        table_kwargs={"sqlite_autoincrement": counts_on},
    )


def allow_kinds(batch_op: Any, kinds: tuple[str, ...]) -> None:
    name = op.f("ck_job_events_kind_is_known")
    batch_op.drop_constraint(name, type_="check")
    listed = ", ".join(repr(kind) for kind in kinds)
    batch_op.create_check_constraint(name, f"kind IN ({listed})")


def drop_indexes() -> None:
    """Those that are made again below; copying a table, SQLite forgets that a column descends."""
    for name in ("ix_jobs_claim", "ix_jobs_state_id", *LISTS, *BY_MEASURED):
        op.drop_index(name, "jobs")


def index(name: str, columns: tuple[Any, ...], only: str | None = None) -> None:
    """Make an index of the jobs, of those alone of which something is true."""
    where = sa.text(only) if only else None
    op.create_index(name, "jobs", list(columns), sqlite_where=where, postgresql_where=where)
