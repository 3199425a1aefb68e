"""What lists are sorted by, and the filters that people save

Revision ID: 0017
Revises: 0016
"""

import json
from collections.abc import Callable, Iterator

import sqlalchemy as sa
from alembic import op

from core.jobs.values import rows_of_spec
from core.spec.migrate import migrate

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

AT_ONCE = 2000
"""Jobs whose values are inserted by one statement."""

Value = tuple[int, str, float, str]


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table("job_values", *columns(), *([] if is_postgresql else constraints()))
    fill(copy if is_postgresql else insert)
    # tens of millions of rows are checked, and put into order, faster all at once than one by one
    if is_postgresql:
        op.create_primary_key(op.f("pk_job_values"), "job_values", ["job_id", "name"])
        op.create_foreign_key(
            op.f("fk_job_values_job_id_jobs"),
            "job_values",
            "jobs",
            ["job_id"],
            ["id"],
            ondelete="CASCADE",
        )
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


def columns() -> list[sa.Column]:
    text = sa.String(120).with_variant(sa.String(120, collation="C"), "postgresql")
    return [
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("number", sa.Double(), nullable=False),
        sa.Column("text", text, nullable=False),
    ]


def constraints() -> list[sa.Constraint]:
    """What SQLite has to be told when it makes the table."""
    return [
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], op.f("fk_job_values_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_job_values")),
    ]


def fill(write: Callable[[sa.Connection, list[Value]], None]) -> None:
    """Give the jobs that are there the values of their specs, and of their ends."""
    bind = op.get_bind()
    newest, is_more = 0, True
    while is_more:
        rows = bind.execute(JOBS, {"after": newest, "limit": AT_ONCE}).all()
        found = [value for row in rows for value in values_of_job(row)]
        if found:
            write(bind, found)
        is_more = len(rows) == AT_ONCE
        newest = rows[-1].id if rows else newest


def insert(bind: sa.Connection, values: list[Value]) -> None:
    row = "INSERT INTO job_values (job_id, name, number, text) VALUES (?, ?, ?, ?)"
    bind.exec_driver_sql(row, values)


def copy(bind: sa.Connection, values: list[Value]) -> None:
    connection = bind.connection.driver_connection
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY job_values (job_id, name, number, text) FROM STDIN") as copied,
    ):
        for value in values:
            copied.write_row(value)


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


def values_of_job(row: sa.Row) -> Iterator[Value]:
    spec = json.loads(row.spec) if isinstance(row.spec, str) else row.spec
    for each in rows_of_spec(row.id, migrate(spec)):
        yield each["job_id"], each["name"], each["number"], each["text"]
    if row.started_at and row.finished_at:
        yield row.id, "duration", (row.finished_at - row.started_at).total_seconds(), ""
        if row.images_per_s is not None:
            yield row.id, "images_per_s", row.images_per_s, ""
