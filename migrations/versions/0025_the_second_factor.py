"""The second factor: seeds, recovery codes, logins that lack a code

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("people", sa.Column("second_factor_at", TIME, nullable=True))
    op.add_column(
        "logins", sa.Column("is_half", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "second_factors",
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("seed", sa.String(64), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        of_person("second_factors"),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        of_person("recovery_codes"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_recovery_codes")),
    )
    op.create_index(op.f("ix_recovery_codes_person_id"), "recovery_codes", ["person_id"])
    op.create_table(
        "account_rules",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_account_rules")),
    )


def downgrade() -> None:
    """Passwords alone let people in again; logins that lack a code end."""
    for table in ("account_rules", "recovery_codes", "second_factors"):
        op.drop_table(table)
    op.execute("DELETE FROM logins WHERE is_half")
    op.drop_column("logins", "is_half")
    op.drop_column("people", "second_factor_at")


def of_person(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_person_id_people")
    return sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=name)
