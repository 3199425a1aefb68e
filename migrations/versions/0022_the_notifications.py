"""Webhooks, who is told what by which way, and the outbox

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("address", sa.String(1000), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("secret", sa.String(120), nullable=True),
        sa.Column("former_secret", sa.String(120), nullable=True),
        sa.Column("former_until", TIME, nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhooks_owner"), "webhooks", ["owner"])
    op.create_table(
        "notification_choices",
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("topic", sa.String(20), nullable=False),
        sa.Column("way", sa.String(20), nullable=False),
        sa.Column("webhook_id", KEY, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint(
            "owner", "topic", "way", "webhook_id", name=op.f("pk_notification_choices")
        ),
    )
    op.create_table(
        "notification_settings",
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("mail", sa.String(254), nullable=True),
        sa.Column("language", sa.String(10), nullable=False),
        sa.Column("wait_minutes", sa.Double(), nullable=False),
        sa.Column("waited_until", TIME, nullable=True),
        sa.Column("metric", sa.String(60), nullable=False),
        sa.Column("bound", sa.Double(), nullable=False),
        sa.Column("is_above", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_notification_settings")),
    )
    make_deliveries()


def make_deliveries() -> None:
    webhook = sa.ForeignKeyConstraint(
        ["webhook_id"],
        ["webhooks.id"],
        name=op.f("fk_deliveries_webhook_id_webhooks"),
        ondelete="CASCADE",
    )
    op.create_table(
        "deliveries",
        sa.Column("id", KEY, nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("topic", sa.String(20), nullable=False),
        sa.Column("way", sa.String(20), nullable=False),
        sa.Column("webhook_id", KEY, nullable=True),
        sa.Column("job_id", KEY, nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(300), nullable=True),
        webhook,
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sqlite_autoincrement=True,
    )
    of_some("due", ["due_at"], "state = 'waiting' AND way <> 'browser'")
    of_some("unseen", ["owner", "id"], "state = 'waiting' AND way = 'browser'")
    op.create_index("ix_deliveries_owner_id", "deliveries", ["owner", "id"])
    op.create_index("ix_deliveries_owner_leased", "deliveries", ["owner", "leased_until"])
    op.create_index("ix_deliveries_job_topic", "deliveries", ["job_id", "topic"])
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])
    op.create_index(op.f("ix_deliveries_webhook_id"), "deliveries", ["webhook_id"])


def of_some(name: str, columns: list[str], only: str) -> None:
    where = sa.text(only)
    op.create_index(
        f"ix_deliveries_{name}", "deliveries", columns, sqlite_where=where, postgresql_where=where
    )


def downgrade() -> None:
    for table in ("deliveries", "notification_settings", "notification_choices", "webhooks"):
        op.drop_table(table)
