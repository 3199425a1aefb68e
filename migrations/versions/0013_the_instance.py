"""A name of the database, and a token of each submit

Revision ID: 0013
Revises: 0008
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

HAS_TOKEN = sa.text("submission_token IS NOT NULL")


def upgrade() -> None:
    lock()
    instances = op.create_table(
        "instances",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_instances_there_is_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
    )
    op.bulk_insert(instances, [{"id": 1, "name": secrets.token_hex(8)}])
    # (a nullable column: neither database copies the table for it)
    op.add_column("jobs", sa.Column("submission_token", sa.String(length=64), nullable=True))
    op.create_index(
        "uq_jobs_submission_token",
        "jobs",
        ["submission_token"],
        unique=True,
        sqlite_where=HAS_TOKEN,
        postgresql_where=HAS_TOKEN,
    )


def downgrade() -> None:
    lock()
    op.drop_index("uq_jobs_submission_token", "jobs")
    op.drop_column("jobs", "submission_token")
    op.drop_table("instances")


def lock() -> None:
    """Wait for who reads and writes now."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL lock_timeout = '60s'")
        op.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
