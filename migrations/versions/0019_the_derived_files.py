"""Files that a worker computes because a page asks for them

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEXED = ("asked_at", "job_id", "sha256")


def upgrade() -> None:
    op.create_table(
        "derived_files",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("job_id", KEY, nullable=True),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("taken_at", TIME, nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name=op.f("fk_derived_files_job_id_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_derived_files")),
    )
    for column in INDEXED:
        op.create_index(op.f(f"ix_derived_files_{column}"), "derived_files", [column])


def downgrade() -> None:
    for column in INDEXED:
        op.drop_index(op.f(f"ix_derived_files_{column}"), "derived_files")
    op.drop_table("derived_files")
