"""Lists of runs in the order of their names, and of when they ended

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

FILTERS = ("state", "dataset", "model", "preset", "owner")


def upgrade() -> None:
    add(
        "ix_jobs_by_finished_at",
        "finished_at",
        "id",
        *FILTERS,
        "folded_name",
        also="finished_at IS NOT NULL AND ",
    )
    add("ix_jobs_by_name", "folded_name", "id", *FILTERS)


def downgrade() -> None:
    for name in ("ix_jobs_by_finished_at", "ix_jobs_by_name"):
        op.drop_index(name, table_name="jobs")


def add(name: str, *columns: str, also: str = "") -> None:
    """An index of the runs that lists have."""
    where = sa.text(f"{also}deleted_at IS NULL")
    op.create_index(
        name,
        "jobs",
        [*columns, "deleted_at", "is_private"],
        sqlite_where=where,
        postgresql_where=where,
    )
