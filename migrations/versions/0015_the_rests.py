"""What a worker rests from; a lane has one dataset, so that such a worker passes its runs by

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LANE = ("queue", "device", "devices", "pinned_precision", "pinned_threads")
OUTCOMES = ("succeeded", "failed", "cancelled", "crashed", "lost", "drained", "paused")
KINDS = (
    *("submitted", "claimed", "started", "snapshot", "crashed", "lost", "drained"),
    *("pause_requested", "pause_withdrawn", "paused", "resumed", "cancel_requested", "cancelled"),
    *("retried", "finished", "failed", "deleted", "restored", "cleaned"),
)
NEW_KINDS = ("worker_fault", "worker_resumed")
NEWEST = "SELECT seq FROM sqlite_sequence WHERE name = 'job_events'"


def upgrade() -> None:
    allow(f"outcome IS NULL OR {one_of('outcome', (*OUTCOMES, 'worker_fault'))}")
    allow_kinds((*KINDS, *NEW_KINDS))
    op.add_column("workers", sa.Column("rests", sa.JSON(), server_default="[]", nullable=False))
    op.add_column(
        "lanes", sa.Column("dataset", sa.String(length=60), server_default="", nullable=False)
    )
    with op.batch_alter_table("lanes") as batch_op:
        batch_op.alter_column(
            "dataset", existing_type=sa.String(length=60), server_default=None, nullable=False
        )
        batch_op.drop_constraint(op.f(f"uq_lanes_{'_'.join(LANE)}"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_lanes_needs"), [*LANE, "dataset"])
    move_jobs((*LANE, "dataset"), "jobs.dataset")
    op.execute("DELETE FROM lanes WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE lane_id = lanes.id)")


def downgrade() -> None:
    move_jobs((*LANE, "dataset"), "''")
    op.execute("DELETE FROM lanes WHERE dataset <> ''")
    with op.batch_alter_table("lanes") as batch_op:
        batch_op.drop_constraint(op.f("uq_lanes_needs"), type_="unique")
        batch_op.create_unique_constraint(op.f(f"uq_lanes_{'_'.join(LANE)}"), list(LANE))
        batch_op.drop_column("dataset")
    op.drop_column("workers", "rests")  # as it is: a copy would give numbers twice
    op.execute("DELETE FROM job_events WHERE kind = 'worker_resumed'")
    # as a crash, which also is followed by another try or by the end
    op.execute("UPDATE job_events SET kind = 'crashed' WHERE kind = 'worker_fault'")
    op.execute("UPDATE attempts SET outcome = 'crashed' WHERE outcome = 'worker_fault'")
    allow_kinds(KINDS)
    allow(f"outcome IS NULL OR {one_of('outcome', OUTCOMES)}")


def move_jobs(columns: tuple[str, ...], dataset: str) -> None:
    """Give each job the lane of the same needs that is of a dataset, and make those that lack."""
    same = [f"o.{name}" for name in LANE]
    op.execute(
        f"INSERT INTO lanes ({', '.join(columns)}, notified_at) "  # noqa: S608
        f"SELECT {', '.join(same)}, {dataset}, max(o.notified_at) "
        "FROM jobs JOIN lanes o ON o.id = jobs.lane_id WHERE NOT EXISTS "
        f"(SELECT 1 FROM lanes n WHERE (n.{', n.'.join(LANE)}) = ({', '.join(same)}) "
        f"AND n.dataset = {dataset}) GROUP BY {', '.join(same)}"
        + (f", {dataset}" if dataset.startswith("jobs.") else "")
    )
    op.execute(
        "UPDATE jobs SET lane_id = (SELECT n.id FROM lanes n JOIN lanes o "  # noqa: S608
        f"ON (n.{', n.'.join(LANE)}) = ({', '.join(same)}) "
        f"WHERE o.id = jobs.lane_id AND n.dataset = {dataset})"
    )


def allow(outcomes: str) -> None:
    """Let attempts end in some ways, and in no others."""
    with op.batch_alter_table("attempts") as batch_op:
        batch_op.drop_constraint(op.f("ck_attempts_outcome_known"), type_="check")
        batch_op.create_check_constraint(op.f("ck_attempts_outcome_known"), outcomes)


def allow_kinds(kinds: tuple[str, ...]) -> None:
    """Let the history have events of some kinds, and of no others; it gives no number twice.

    SQLite copies the table, and the copy knows the numbers of those rows alone that are there.
    """
    bind = op.get_bind()
    is_sqlite = bind.dialect.name == "sqlite"
    newest = bind.scalar(sa.text(NEWEST)) if is_sqlite else None
    with op.batch_alter_table(
        "job_events", table_kwargs={"sqlite_autoincrement": True}
    ) as batch_op:
        batch_op.drop_constraint(op.f("ck_job_events_kind_is_known"), type_="check")
        batch_op.create_check_constraint(op.f("ck_job_events_kind_is_known"), one_of("kind", kinds))
    if newest is not None:
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'job_events'")
        op.execute(f"INSERT INTO sqlite_sequence VALUES ('job_events', {newest})")  # noqa: S608


def one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
