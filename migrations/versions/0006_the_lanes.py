"""The lanes of the queues; what lists filter and sort by: columns, tags, indexes

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LANE = ("queue", "device", "devices", "pinned_precision", "pinned_threads")
OF_A_JOB = (
    "jobs.queue, jobs.device, jobs.devices, "
    "coalesce(jobs.pinned_precision, ''), coalesce(jobs.pinned_threads, 0)"
)

CLAIM = (
    *("lane_id", sa.text("priority DESC"), "id"),
    *("available_at", "dataset", "epochs", "batches", "secured_step", "state"),
)
LISTED = ("state", "dataset", "model", "preset", "owner", "folded_name")
MEASURED = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)
LISTS = {
    **{f"ix_jobs_{name}_id": (name, "id") for name in ("dataset", "model", "preset", "owner")},
    "ix_jobs_list": ("id", *LISTED),
}


def upgrade() -> None:
    op.create_table(
        "lanes",
        sa.Column("id", KEY, nullable=False),
        sa.Column("queue", sa.String(length=60), nullable=False),
        sa.Column("device", sa.String(length=10), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("pinned_precision", sa.String(length=10), nullable=False),
        sa.Column("pinned_threads", sa.Integer(), nullable=False),
        sa.Column("notified_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lanes")),
        sa.UniqueConstraint(*LANE, name=op.f(f"uq_lanes_{'_'.join(LANE)}")),
    )
    op.create_table(
        "job_tags",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("tag", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_tags_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tag", "job_id", name=op.f("pk_job_tags")),
    )
    op.create_index(op.f("ix_job_tags_job_id"), "job_tags", ["job_id"])
    for column in (
        sa.Column("lane_id", KEY, nullable=True),
        sa.Column("dataset", sa.String(length=60), nullable=True),
        sa.Column("model", sa.String(length=60), nullable=True),
        sa.Column("owner", sa.String(length=120), nullable=True),
        sa.Column("folded_name", sa.String(length=360), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=True),
    ):
        op.add_column("jobs", column)
    fill()
    fold_names()
    op.drop_index(op.f("ix_jobs_state_queue_priority_id"), "jobs")
    op.drop_index(op.f("ix_jobs_lease_expires_at"), "jobs")
    with op.batch_alter_table("jobs") as batch_op:
        for name, kind in (
            ("lane_id", KEY),
            ("dataset", sa.String(length=60)),
            ("model", sa.String(length=60)),
            ("owner", sa.String(length=120)),
            ("folded_name", sa.String(length=360)),
            ("tags", sa.JSON()),
        ):
            batch_op.alter_column(name, existing_type=kind, nullable=False)
        batch_op.create_foreign_key(op.f("fk_jobs_lane_id_lanes"), "lanes", ["lane_id"], ["id"])
        batch_op.drop_column("notified_at")
    index_state("queued", "ix_jobs_claim", *CLAIM)
    index_state("queued", "ix_jobs_due", "lane_id", "available_at")
    for name, columns in LISTS.items():
        op.create_index(name, "jobs", list(columns))
    for name in MEASURED:
        where = sa.text(f"{name} IS NOT NULL")
        columns = [name, "id", *LISTED]
        op.create_index(
            f"ix_jobs_by_{name}", "jobs", columns, sqlite_where=where, postgresql_where=where
        )


def downgrade() -> None:
    op.add_column("jobs", sa.Column("notified_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE jobs SET notified_at = available_at")
    for name in ("ix_jobs_due", "ix_jobs_claim", *LISTS):
        op.drop_index(name, "jobs")
    for name in MEASURED:
        op.drop_index(f"ix_jobs_by_{name}", "jobs")
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.alter_column(
            "notified_at", existing_type=sa.DateTime(timezone=True), nullable=False
        )
        batch_op.drop_constraint(op.f("fk_jobs_lane_id_lanes"), type_="foreignkey")
        for name in ("tags", "folded_name", "owner", "model", "dataset", "lane_id"):
            batch_op.drop_column(name)
    op.create_index(op.f("ix_jobs_lease_expires_at"), "jobs", ["lease_expires_at"])
    op.create_index(
        op.f("ix_jobs_state_queue_priority_id"), "jobs", ["state", "queue", "priority", "id"]
    )
    op.drop_index(op.f("ix_job_tags_job_id"), "job_tags")
    op.drop_table("job_tags")
    op.drop_table("lanes")


def fill() -> None:
    """Make the lanes of all jobs, and copy out of specs and histories what lists ask for."""
    columns = ", ".join(LANE)
    op.execute(
        f"INSERT INTO lanes ({columns}, notified_at) "  # noqa: S608
        f"SELECT {OF_A_JOB}, max(notified_at) FROM jobs GROUP BY {OF_A_JOB}"
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    dataset = "json_extract(spec, '$.dataset')" if is_sqlite else "spec ->> 'dataset'"
    model = "json_extract(spec, '$.model.kind')" if is_sqlite else "spec #>> '{model,kind}'"
    name = "json_extract(e.actor, '$.name')" if is_sqlite else "e.actor ->> 'name'"
    op.execute(
        f"UPDATE jobs SET tags = '[]', dataset = coalesce({dataset}, ''), "  # noqa: S608
        f"model = coalesce({model}, ''), "
        "lane_id = (SELECT l.id FROM lanes l WHERE "
        f"(l.{', l.'.join(LANE)}) = ({OF_A_JOB})), "
        f"owner = coalesce((SELECT {name} FROM job_events e "
        "WHERE e.job_id = jobs.id AND e.kind = 'submitted' ORDER BY e.id LIMIT 1), 'owner')"
    )


def fold_names() -> None:
    """Copy the names without their capital letters: SQLite knows only those of English."""
    bind = op.get_bind()
    rows = bind.execute(sa.text("SELECT id, name FROM jobs")).all()
    if rows:
        bind.execute(
            sa.text("UPDATE jobs SET folded_name = :folded WHERE id = :id"),
            [{"id": job_id, "folded": name.casefold()} for job_id, name in rows],
        )


def index_state(state: str, name: str, *columns: object) -> None:
    """Make an index of the jobs in one state alone."""
    where = sa.text(f"state = '{state}'")
    op.create_index(name, "jobs", list(columns), sqlite_where=where, postgresql_where=where)
