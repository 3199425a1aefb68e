"""What people want of a worker, how busy it is, and where notes are

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "workers", sa.Column("desired", sa.String(10), server_default="run", nullable=False)
    )
    op.add_column("workers", sa.Column("desired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("workers", sa.Column("desired_by", sa.String(120), nullable=True))
    for name in ("versions", "gauges"):
        op.add_column("workers", sa.Column(name, sa.JSON(), server_default="{}", nullable=False))
    noted = sa.text("notes <> ''")
    op.create_index("ix_jobs_noted", "jobs", ["id"], sqlite_where=noted, postgresql_where=noted)


def downgrade() -> None:
    op.drop_index("ix_jobs_noted", "jobs")
    for name in ("gauges", "versions", "desired_by", "desired_at", "desired"):
        op.drop_column("workers", name)
