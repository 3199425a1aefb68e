"""The history of the jobs, and what a run is pinned to from its first snapshot on

Revision ID: 0005
Revises: 0004
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = (
    "kind IN ('submitted', 'claimed', 'started', 'snapshot', 'crashed', 'lost', 'drained', "
    "'pause_requested', 'pause_withdrawn', 'paused', 'resumed', 'cancel_requested', 'cancelled', "
    "'retried', 'finished', 'failed')"
)


def upgrade() -> None:
    op.create_table(
        "job_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_job_events_kind_is_known")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_events")),
    )
    op.create_index(op.f("ix_job_events_job_id_id"), "job_events", ["job_id", "id"])
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.add_column(sa.Column("pinned_precision", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("pinned_threads", sa.Integer(), nullable=True))
    with op.batch_alter_table("workers") as batch_op:
        batch_op.add_column(sa.Column("threads", sa.Integer(), nullable=True))
    pin_interrupted_runs()


def downgrade() -> None:
    unpin()
    with op.batch_alter_table("workers") as batch_op:
        batch_op.drop_column("threads")
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.drop_column("pinned_threads")
        batch_op.drop_column("pinned_precision")
    op.drop_index(op.f("ix_job_events_job_id_id"), "job_events")
    op.drop_table("job_events")


def is_open(spec: object) -> bool:
    """Whether a spec leaves the precision to the device."""
    found = json.loads(spec) if isinstance(spec, str) else spec
    return found.get("compute", {}).get("precision", "auto") == "auto"


def unpin() -> None:
    """Give every run the device that its spec names."""
    rows = op.get_bind().execute(
        sa.text("SELECT id, spec FROM jobs WHERE pinned_precision IS NOT NULL OR device <> 'auto'")
    )
    for job_id, spec in rows.all():
        found = json.loads(spec) if isinstance(spec, str) else spec
        op.execute(
            sa.text("UPDATE jobs SET device = :device WHERE id = :id").bindparams(
                device=found.get("device", "auto"), id=job_id
            )
        )


def pin_interrupted_runs() -> None:
    """Bind runs that have a snapshot to what its attempt computed with, as their rows tell it.

    A GPU's name is not that of a CPU, which begins with `CPU`.
    """
    rows = op.get_bind().execute(
        sa.text(
            "SELECT j.id, j.spec, a.device, a.precision, a.threads FROM jobs j JOIN attempts a "
            "ON a.job_id = j.id WHERE a.precision IS NOT NULL AND j.state IN "
            "('queued', 'running', 'paused', 'failed') AND a.number = (SELECT max(s.attempt) "
            "FROM snapshots s WHERE s.job_id = j.id AND s.discarded_at IS NULL)"
        )
    )
    for job_id, spec, device, precision, threads in rows.all():
        on_cpu = (device or "").startswith("CPU")
        op.execute(
            sa.text(
                "UPDATE jobs SET device = :device, pinned_precision = :precision, "
                "pinned_threads = :threads WHERE id = :id"
            ).bindparams(
                device="cpu" if on_cpu else "cuda",
                precision=precision if is_open(spec) else None,
                threads=threads if on_cpu else None,
                id=job_id,
            )
        )
