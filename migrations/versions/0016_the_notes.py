"""What people write about a run

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KINDS = (
    *("submitted", "claimed", "started", "snapshot", "crashed", "lost", "drained"),
    *("pause_requested", "pause_withdrawn", "paused", "resumed", "cancel_requested", "cancelled"),
    *("retried", "finished", "failed", "deleted", "restored", "cleaned"),
    *("worker_fault", "worker_resumed"),
)
NEWEST = "SELECT seq FROM sqlite_sequence WHERE name = 'job_events'"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("notes", sa.Text(), server_default="", nullable=False))
    allow_kinds((*KINDS, "edited"))


def downgrade() -> None:
    op.execute("DELETE FROM job_events WHERE kind = 'edited'")
    allow_kinds(KINDS)
    op.drop_column("jobs", "notes")


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
