"""When the person of a login last proved who they are: before that is too long ago, nothing is asked

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("logins", sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE logins SET proved_at = created_at")
    with op.batch_alter_table("logins") as batch_op:
        batch_op.alter_column("proved_at", nullable=False)


def downgrade() -> None:
    op.drop_column("logins", "proved_at")
