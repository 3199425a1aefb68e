"""Workers that are lost read so, and where a worker runs, so that its host can tell that it has ended

Revision ID: 0011
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None

PRESENT = sa.text("stopped_at IS NULL AND lost_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("workers") as batch:
        batch.add_column(sa.Column("host", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("lock", sa.String(length=120), nullable=True))
        batch.add_column(sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
        batch.create_index(
            "ix_workers_present",
            ["last_heartbeat_at"],
            sqlite_where=PRESENT,
            postgresql_where=PRESENT,
        )


def downgrade() -> None:
    with op.batch_alter_table("workers") as batch:
        batch.drop_index("ix_workers_present")
        batch.drop_column("lost_at")
        batch.drop_column("lock")
        batch.drop_column("host")
