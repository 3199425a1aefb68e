"""Pause and retry, resume points, and when a run was last heard of

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = sa.text("finished_at IS NULL")
WISHES = (
    "(state <> 'queued' OR desired = 'run') AND (state <> 'paused' OR desired = 'pause') "
    "AND (state <> 'cancelled' OR desired = 'cancel')"
)


def upgrade() -> None:
    op.create_table(
        "resume_points",
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_resume_points_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "attempt", "step", name=op.f("pk_resume_points")),
    )
    op.create_index(op.f("ix_resume_points_discarded_at"), "resume_points", ["discarded_at"])

    with op.batch_alter_table("attempts") as batch_op:
        batch_op.add_column(sa.Column("first_step", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("secured_step", sa.BigInteger(), nullable=True))
        batch_op.drop_constraint(op.f("ck_attempts_outcome_known"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_attempts_outcome_known"),
            "outcome IS NULL OR outcome IN ('succeeded', 'failed', 'cancelled', 'crashed', 'lost', 'drained', 'paused')",
        )
    op.create_index(
        "uq_attempts_one_open_a_job",
        "attempts",
        ["job_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )

    with op.batch_alter_table("jobs") as batch_op:
        batch_op.alter_column("cancel_requested_at", new_column_name="desired_at")
        batch_op.add_column(sa.Column("desired_by", sa.String(length=120), nullable=True))
        batch_op.add_column(sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column("secured_step", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.drop_constraint(op.f("ck_jobs_state_is_known"), type_="check")
        batch_op.drop_constraint(op.f("ck_jobs_desired_is_known"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_jobs_state_is_known"),
            "state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')",
        )
        batch_op.create_check_constraint(
            op.f("ck_jobs_desired_is_known"), "desired IN ('run', 'pause', 'cancel')"
        )
        batch_op.create_check_constraint(
            op.f("ck_jobs_a_running_job_has_a_worker"),
            "state <> 'running' OR (worker_id IS NOT NULL AND attempt > 0)",
        )
        batch_op.create_check_constraint(op.f("ck_jobs_a_state_agrees_with_the_wish"), WISHES)
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.alter_column("secured_step", server_default=None)


def downgrade() -> None:
    # what the older tables cannot say
    op.execute(
        "UPDATE jobs SET state = 'queued', desired = 'run' WHERE state = 'paused' OR desired = 'pause' AND state = 'queued'"
    )
    op.execute("UPDATE jobs SET desired = 'run' WHERE desired = 'pause'")
    op.execute("UPDATE attempts SET outcome = 'drained' WHERE outcome = 'paused'")
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.drop_constraint(op.f("ck_jobs_a_state_agrees_with_the_wish"), type_="check")
        batch_op.drop_constraint(op.f("ck_jobs_a_running_job_has_a_worker"), type_="check")
        batch_op.drop_constraint(op.f("ck_jobs_desired_is_known"), type_="check")
        batch_op.drop_constraint(op.f("ck_jobs_state_is_known"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_jobs_state_is_known"),
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
        )
        batch_op.create_check_constraint(
            op.f("ck_jobs_desired_is_known"), "desired IN ('run', 'cancel')"
        )
        batch_op.drop_column("secured_step")
        batch_op.drop_column("heard_at")
        batch_op.drop_column("desired_by")
        batch_op.alter_column("desired_at", new_column_name="cancel_requested_at")

    op.drop_index("uq_attempts_one_open_a_job", "attempts")
    with op.batch_alter_table("attempts") as batch_op:
        batch_op.drop_constraint(op.f("ck_attempts_outcome_known"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_attempts_outcome_known"),
            "outcome IS NULL OR outcome IN ('succeeded', 'failed', 'cancelled', 'crashed', 'lost', 'drained')",
        )
        batch_op.drop_column("secured_step")
        batch_op.drop_column("first_step")
    op.drop_table("resume_points")
