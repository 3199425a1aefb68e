"""The epoch whose weights a run publishes, and its measurements as those of the run

Revision ID: 0014
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MEASURED = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("published_epoch", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE jobs SET published_epoch = "
        "(SELECT max(epoch) FROM artifacts WHERE job_id = jobs.id) WHERE state = 'succeeded'"
    )
    measure("published_epoch")


def downgrade() -> None:
    measure("(SELECT max(epoch) FROM epochs WHERE job_id = jobs.id)")
    op.drop_column("jobs", "published_epoch")  # as it is: a copy would forget what descends


def measure(epoch: str) -> None:
    """Give the runs that have published something the measurements of an epoch of theirs."""
    names = ", ".join(MEASURED)
    of_the_epoch = f"FROM epochs e WHERE e.job_id = jobs.id AND e.epoch = {epoch}"
    op.execute(
        f"UPDATE jobs SET ({names}) = (SELECT {names} {of_the_epoch}) "  # noqa: S608
        f"WHERE published_epoch IS NOT NULL AND EXISTS (SELECT 1 {of_the_epoch})"
    )
