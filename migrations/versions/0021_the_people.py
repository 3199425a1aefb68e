"""People with accounts, their logins and tokens, and runs that are private

Revision ID: 0021
Revises: 0020
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
ROLES = "role IN ('viewer', 'member', 'administrator')"
LISTED = ("state", "dataset", "model", "preset", "owner", "folded_name", "deleted_at")
MEASURED = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)


def upgrade() -> None:
    make_people()
    make_proofs()
    op.create_table(
        "account_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("actor_name", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("person", sa.String(40), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_account_events_person_id"), "account_events", ["person", "id"])
    op.create_index(op.f("ix_account_events_actor_name_id"), "account_events", ["actor_name", "id"])
    drop_indexes()
    private = sa.Column("is_private", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("jobs", private)
    make_indexes((*LISTED, "is_private"), ("state", "id", "deleted_at", "owner", "is_private"))


def downgrade() -> None:
    """Everybody sees the private runs again."""
    drop_indexes()
    op.drop_column("jobs", "is_private")
    make_indexes(LISTED, ("state", "id", "deleted_at"))
    op.drop_table("account_events")
    for table in ("failed_logins", "invitations", "tokens", "logins", "identities", "people"):
        op.drop_table(table)


def make_people() -> None:
    op.create_table(
        "people",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.CheckConstraint(ROLES, name=op.f("ck_people_role_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_people_name", "people", ["name"], unique=True)
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        of_person("identities"),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_person_id"), "identities", ["person_id"])


def make_proofs() -> None:
    op.create_table(
        "logins",
        *proof("logins"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.Column("address", sa.String(60), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tokens",
        *proof("tokens"),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.CheckConstraint(
            "scope IN ('read', 'submit', 'admin')", name=op.f("ck_tokens_scope_is_known")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "invitations",
        *proof("invitations", nullable=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("invited_by", sa.String(120), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.CheckConstraint(ROLES, name=op.f("ck_invitations_role_is_known")),
        sqlite_autoincrement=True,
    )
    for table in ("logins", "tokens", "invitations"):
        op.create_index(f"uq_{table}_digest", table, ["digest"], unique=True)
    for table in ("logins", "tokens"):
        op.create_index(op.f(f"ix_{table}_person_id"), table, ["person_id"])
    op.create_table(
        "failed_logins",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failed_logins")),
    )
    op.create_index("ix_failed_logins_next_at", "failed_logins", ["next_at"])


def proof(table: str, *, nullable: bool = False) -> tuple[Any, ...]:
    """The columns of a secret that is somebody's."""
    return (
        sa.Column("id", KEY, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("person_id", KEY, nullable=nullable),
        of_person(table),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def of_person(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_person_id_people")
    return sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=name)


def drop_indexes() -> None:
    for name in ("state_id", "list", *(f"by_{measured}" for measured in MEASURED)):
        op.drop_index(f"ix_jobs_{name}", "jobs")


def make_indexes(listed: tuple[str, ...], of_state: tuple[str, ...]) -> None:
    op.create_index("ix_jobs_state_id", "jobs", list(of_state))
    index("ix_jobs_list", ("id", *listed), "deleted_at IS NULL")
    for name in MEASURED:
        where = f"{name} IS NOT NULL AND deleted_at IS NULL"
        index(f"ix_jobs_by_{name}", (name, "id", *listed), where)


def index(name: str, columns: tuple[str, ...], only: str) -> None:
    where = sa.text(only)
    op.create_index(name, "jobs", list(columns), sqlite_where=where, postgresql_where=where)
