"""The weights of another run, with which a run begins

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "initial_weights",
        sa.Column("job_id", KEY, autoincrement=False, nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name=op.f("fk_initial_weights_job_id_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_initial_weights")),
    )
    op.create_index(op.f("ix_initial_weights_sha256"), "initial_weights", ["sha256"])
    op.create_index(
        op.f("ix_initial_weights_source_id_job_id"), "initial_weights", ["source_id", "job_id"]
    )


def downgrade() -> None:
    op.drop_table("initial_weights")
