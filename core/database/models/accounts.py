"""The people of an installation, how they prove who they are, and what happened to accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import KIND_LENGTH, NAME_LENGTH, Base, BigKey, one_of
from core.roles import ROLES, SCOPES, Role, Scope

PERSON_LENGTH = 40
DIGEST_LENGTH = 64
AGENT_LENGTH = 200
ADDRESS_LENGTH = 60
SUBJECT_LENGTH = 255
SEED_LENGTH = 64


class Person(Base):
    """Somebody with an account. A name is never given again, so runs and the history keep names.

    An account is disabled, not deleted.
    """

    __tablename__ = "people"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(PERSON_LENGTH))
    """In small letters: `Ada` and `ada` are one person."""
    role: Mapped[Role]
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """By argon2id; None: who logs in by another service alone."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    second_factor_at: Mapped[datetime | None]
    """Since when the password is not enough."""

    __table_args__ = (
        CheckConstraint(one_of("role", ROLES), name="role_is_known"),
        Index("uq_people_name", "name", unique=True),
        {"sqlite_autoincrement": True},
    )


class Identity(Base):
    """Who somebody is at an OpenID provider. E-mail addresses change hands; these two do not."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(String(SUBJECT_LENGTH), primary_key=True)
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]


class Login(Base):
    """A browser in which somebody is logged in. Its cookie holds what the digest is of."""

    __tablename__ = "logins"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    """The last request, to a minute."""
    proved_at: Mapped[datetime]
    """When the person last showed the password, a code, or a provider's word."""
    address: Mapped[str] = mapped_column(String(ADDRESS_LENGTH))
    agent: Mapped[str] = mapped_column(String(AGENT_LENGTH))
    """As the browser named itself."""
    is_half: Mapped[bool] = mapped_column(server_default=false())
    """Whether the password was right, and the second factor is still to be shown."""

    __table_args__ = (
        Index("uq_logins_digest", "digest", unique=True),
        {"sqlite_autoincrement": True},
    )


class SecondFactor(Base):
    """What the codes of somebody's app are computed from."""

    __tablename__ = "second_factors"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    seed: Mapped[str] = mapped_column(String(SEED_LENGTH))
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    """The 30 seconds since 1970 of the last code that was used: none up to it works again."""


class RecoveryCode(Base):
    """A code for whoever has lost the app. It works once."""

    __tablename__ = "recovery_codes"

    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    used_at: Mapped[datetime | None]


class AccountRule(Base):
    """What administrators ask of everybody, while its row is there."""

    __tablename__ = "account_rules"

    name: Mapped[str] = mapped_column(String(KIND_LENGTH), primary_key=True)
    since: Mapped[datetime]


class Token(Base):
    """What a program of somebody's shows instead of a password."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    scope: Mapped[Scope]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """The last request, to a minute."""
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("scope", SCOPES), name="scope_is_known"),
        Index("uq_tokens_digest", "digest", unique=True),
        {"sqlite_autoincrement": True},
    )


class Invitation(Base):
    """A link by which somebody gets an account, or a new password for theirs. It works once."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    role: Mapped[Role]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    """Whose password it sets; None: it makes an account."""
    invited_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    """When it was used, or withdrawn."""

    __table_args__ = (
        CheckConstraint(one_of("role", ROLES), name="role_is_known"),
        Index("uq_invitations_digest", "digest", unique=True),
        {"sqlite_autoincrement": True},
    )


class FailedLogin(Base):
    """How often a name or an address was tried in vain lately."""

    __tablename__ = "failed_logins"

    key: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    """The digest of a name or an address, also of names that nobody has."""
    count: Mapped[int]
    next_at: Mapped[datetime]
    """No try before this moment is looked at."""

    __table_args__ = (Index("ix_failed_logins_next_at", "next_at"),)


class AccountEvent(Base):
    """Something that happened to an account. Rows are never changed."""

    __tablename__ = "account_events"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[dict[str, Any]]
    """`kind`, `id` and `name` of a `core.jobs.actors.Actor`."""
    actor_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """The actor's name again, by which the list is filtered."""
    kind: Mapped[str] = mapped_column(String(KIND_LENGTH))
    person: Mapped[str | None] = mapped_column(String(PERSON_LENGTH))
    """The name of whom it is about, where it is about somebody."""
    payload: Mapped[dict[str, Any]]

    __table_args__ = (
        Index(None, "person", "id"),
        Index(None, "actor_name", "id"),
        {"sqlite_autoincrement": True},
    )
