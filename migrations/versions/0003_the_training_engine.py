"""Validation, gradient norm, memory, evaluations, previews, and runs on several devices

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "evaluations",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_evaluations_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "previews",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("image", sa.LargeBinary(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_previews")),
    )
    op.create_index(op.f("ix_previews_asked_at"), "previews", ["asked_at"])

    with op.batch_alter_table("jobs") as batch_op:
        batch_op.add_column(sa.Column("devices", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("validation_loss", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("validation_accuracy", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("stop_reason", sa.Text(), nullable=True))
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.alter_column("devices", server_default=None)
    with op.batch_alter_table("attempts") as batch_op:
        batch_op.add_column(sa.Column("precision", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("micro_batch", sa.Integer(), nullable=True))
    with op.batch_alter_table("epochs") as batch_op:
        batch_op.add_column(sa.Column("validation_loss", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("validation_accuracy", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("gradient_norm", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("memory_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("epochs") as batch_op:
        for name in ("memory_bytes", "gradient_norm", "validation_accuracy", "validation_loss"):
            batch_op.drop_column(name)
    with op.batch_alter_table("attempts") as batch_op:
        batch_op.drop_column("micro_batch")
        batch_op.drop_column("precision")
    with op.batch_alter_table("jobs") as batch_op:
        for name in ("stop_reason", "validation_accuracy", "validation_loss", "devices"):
            batch_op.drop_column(name)
    op.drop_index(op.f("ix_previews_asked_at"), "previews")
    op.drop_table("previews")
    op.drop_table("evaluations")
