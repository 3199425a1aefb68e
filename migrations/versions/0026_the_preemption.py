"""Preemption: whether it is allowed in a queue, and to which job a running one is to give way

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

CHECK = "ck_progress_only_a_leased_job_yields"


def upgrade() -> None:
    op.create_table(
        "queue_policies",
        sa.Column("queue", sa.String(length=60), nullable=False),
        sa.Column("preempts", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_by", sa.String(length=120), nullable=True),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_policies")),
    )
    with op.batch_alter_table("progress") as batch_op:
        batch_op.add_column(sa.Column("yields_to", sa.BigInteger(), nullable=True))
        batch_op.create_check_constraint(
            op.f(CHECK), "yields_to IS NULL OR lease_token IS NOT NULL"
        )


def downgrade() -> None:
    with op.batch_alter_table("progress") as batch_op:
        batch_op.drop_constraint(op.f(CHECK), type_="check")
        batch_op.drop_column("yields_to")
    op.drop_table("queue_policies")
