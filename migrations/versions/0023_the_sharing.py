"""How the devices are shared: a lane has one owner; what each has used, and may use

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

LANE = ("queue", "device", "devices", "pinned_precision", "pinned_threads", "dataset")
KEPT = ("kept_worker_id", "kept_job_id")


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("device_seconds", sa.Double(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_usage")),
    )
    op.create_table(
        "limits",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("most_running", sa.Integer(), nullable=True),
        sa.Column("most_queued", sa.Integer(), nullable=True),
        sa.Column("device_hours_a_week", sa.Double(), nullable=True),
        sa.Column("storage_bytes", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "most_running >= 0 AND most_queued >= 0 AND device_hours_a_week >= 0 "
            "AND storage_bytes >= 0",
            name=op.f("ck_limits_no_limit_is_negative"),
        ),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_limits")),
    )
    count_what_runs()
    divide_lanes()


def downgrade() -> None:
    # the lanes of all owners become one again
    move_jobs("''")
    op.execute("DELETE FROM lanes WHERE owner <> ''")
    with op.batch_alter_table("lanes") as batch_op:
        batch_op.drop_constraint(op.f("uq_lanes_needs"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_lanes_needs"), list(LANE))
        for name in ("owner", *KEPT):
            batch_op.drop_column(name)
    for name in ("limits", "usage"):
        op.drop_table(name)


def count_what_runs() -> None:
    """What runs now counts from now on; of what is over nobody has kept count."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'" if is_sqlite else "clock_timestamp()"
    op.execute(
        "INSERT INTO usage (owner, device_seconds, as_of, devices, runs, days) "  # noqa: S608
        f"SELECT owner, 0, {now}, sum(devices), count(*), '{{}}' "
        "FROM jobs WHERE state = 'running' GROUP BY owner"
    )


def divide_lanes() -> None:
    """Give each owner lanes of their own."""
    op.add_column(
        "lanes", sa.Column("owner", sa.String(length=120), server_default="", nullable=False)
    )
    with op.batch_alter_table("lanes") as batch_op:
        batch_op.alter_column(
            "owner", existing_type=sa.String(length=120), server_default=None, nullable=False
        )
        batch_op.drop_constraint(op.f("uq_lanes_needs"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_lanes_needs"), [*LANE, "owner"])
    for name in KEPT:
        op.add_column("lanes", sa.Column(name, sa.BigInteger(), nullable=True))
    move_jobs("jobs.owner")
    op.execute("DELETE FROM lanes WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE lane_id = lanes.id)")


def move_jobs(owner: str) -> None:
    """Give each job the lane of the same needs that is of an owner, and make those that lack."""
    same = [f"o.{name}" for name in LANE]
    op.execute(
        f"INSERT INTO lanes ({', '.join(LANE)}, owner, notified_at) "  # noqa: S608
        f"SELECT {', '.join(same)}, {owner}, max(o.notified_at) "
        "FROM jobs JOIN lanes o ON o.id = jobs.lane_id WHERE NOT EXISTS "
        f"(SELECT 1 FROM lanes n WHERE (n.{', n.'.join(LANE)}) = ({', '.join(same)}) "
        f"AND n.owner = {owner}) GROUP BY {', '.join(same)}"
        + (f", {owner}" if owner.startswith("jobs.") else "")
    )
    op.execute(
        "UPDATE jobs SET lane_id = (SELECT n.id FROM lanes n JOIN lanes o "  # noqa: S608
        f"ON (n.{', n.'.join(LANE)}) = ({', '.join(same)}) "
        f"WHERE o.id = jobs.lane_id AND n.owner = {owner})"
    )
