"""What changes while a run runs, in a narrow table

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
LEASED = (
    "(state = 'running') = (lease_token IS NOT NULL) "
    "AND (state = 'running') = (lease_expires_at IS NOT NULL)"
)
MOVED = (
    *("lease_token", "lease_expires_at", "last_heartbeat_at"),
    *("epoch", "batch", "images_per_s", "eta_s"),
)


def upgrade() -> None:
    op.create_table(
        "progress",
        sa.Column("job_id", KEY, nullable=False, autoincrement=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("lease_expires_at", TIME, nullable=True),
        sa.Column("last_heartbeat_at", TIME, nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("images_per_s", sa.Double(), nullable=True),
        sa.Column("eta_s", sa.Double(), nullable=True),
        sa.Column("train_loss", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "(lease_token IS NULL) = (lease_expires_at IS NULL)",
            name=op.f("ck_progress_a_lease_expires"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_progress_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_progress")),
        postgresql_with={"fillfactor": 50},
    )
    columns = ", ".join(("attempt", *MOVED, "train_loss"))
    op.execute(
        f"INSERT INTO progress (job_id, revision, {columns}) "  # noqa: S608
        f"SELECT id, 0, {columns} FROM jobs"
    )
    op.drop_index("ix_jobs_claim", "jobs")
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.drop_constraint(op.f("ck_jobs_only_a_running_job_is_leased"), type_="check")
        for name in MOVED:
            batch_op.drop_column(name)
    index_claim()


def downgrade() -> None:
    for name, kind in (
        ("lease_token", sa.String(length=32)),
        *((name, TIME) for name in ("lease_expires_at", "last_heartbeat_at")),
        *((name, sa.Integer()) for name in ("epoch", "batch")),
        *((name, sa.Double()) for name in ("images_per_s", "eta_s")),
    ):
        op.add_column("jobs", sa.Column(name, kind, nullable=True))
    names = ", ".join((*MOVED, "train_loss"))
    op.execute(
        f"UPDATE jobs SET ({names}) = "  # noqa: S608
        f"(SELECT {names} FROM progress WHERE job_id = jobs.id), "
        "revision = revision + (SELECT p.revision FROM progress p WHERE p.job_id = jobs.id)"
    )
    op.drop_index("ix_jobs_claim", "jobs")
    with op.batch_alter_table("jobs") as batch_op:
        for name in ("epoch", "batch"):
            batch_op.alter_column(name, existing_type=sa.Integer(), nullable=False)
        batch_op.create_check_constraint(op.f("ck_jobs_only_a_running_job_is_leased"), LEASED)
    index_claim()
    op.drop_table("progress")


def index_claim() -> None:
    """Make the index of the claim again: copying a table, SQLite forgets that a column descends."""
    where = sa.text("state = 'queued'")
    columns = [
        *("lane_id", sa.text("priority DESC"), "id"),
        *("available_at", "dataset", "epochs", "batches", "secured_step", "state"),
    ]
    op.create_index("ix_jobs_claim", "jobs", columns, sqlite_where=where, postgresql_where=where)
