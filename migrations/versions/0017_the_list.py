"""What lists are sorted by, and the filters that people save

Revision ID: 0017
Revises: 0016
"""

import json

import sqlalchemy as sa
from alembic import op

from core.jobs.values import rows_of_spec
from core.spec.migrate import migrate

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

AT_ONCE = 500
"""Jobs whose values are inserted by one statement."""


def upgrade() -> None:
    text = sa.String(120).with_variant(sa.String(120, collation="C"), "postgresql")
    values = op.create_table(
        "job_values",
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("number", sa.Double(), nullable=False),
        sa.Column("text", text, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], op.f("fk_job_values_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_job_values")),
    )
    fill(values)
    # an index is made faster when the rows are there
    op.create_index("ix_job_values_sorted", "job_values", ["name", "number", "text", "job_id"])
    op.create_table(
        "saved_filters",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("query", sa.String(2000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_filters")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_saved_filters_owner_name", "saved_filters", ["owner", "name"], unique=True)


def downgrade() -> None:
    op.drop_table("saved_filters")
    op.drop_table("job_values")


def fill(values: sa.Table) -> None:
    """Give the jobs that are there the values of their specs, and of their ends."""
    bind = op.get_bind()
    newest, is_more = 0, True
    while is_more:
        rows = bind.execute(JOBS, {"after": newest, "limit": AT_ONCE}).all()
        found = [value for row in rows for value in rows_of_job(row)]
        if found:
            bind.execute(sa.insert(values), found)
        is_more = len(rows) == AT_ONCE
        newest = rows[-1].id if rows else newest


JOBS = sa.text(
    "SELECT id, spec, started_at, finished_at, images_per_s FROM jobs JOIN progress "
    "ON progress.job_id = jobs.id WHERE id > :after ORDER BY id LIMIT :limit"
).columns(
    id=sa.BigInteger,
    spec=sa.Text,
    started_at=sa.DateTime(timezone=True),
    finished_at=sa.DateTime(timezone=True),
    images_per_s=sa.Float,
)


def rows_of_job(row: sa.Row) -> list[dict]:
    spec = json.loads(row.spec) if isinstance(row.spec, str) else row.spec
    rows = rows_of_spec(row.id, migrate(spec))
    if row.started_at and row.finished_at:
        seconds = (row.finished_at - row.started_at).total_seconds()
        numbers = {"duration": seconds, "images_per_s": row.images_per_s}
        rows += [
            {"job_id": row.id, "name": name, "number": number, "text": ""}
            for name, number in numbers.items()
            if number is not None
        ]
    return rows
