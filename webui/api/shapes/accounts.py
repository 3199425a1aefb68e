"""People, invitations, and what happened to accounts, as other programs see them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.accounts import history
from core.database.models import AccountEvent, Invitation, Person
from core.jobs.actors import Actor
from core.roles import Role, Scope
from webui.api.shapes.base import JSON, Reason, Shape, Timestamp


class MeShape(Shape):
    """Whoever asks."""

    name: str
    role: Role
    scope: Annotated[Scope, Field(description="What the token may that was shown.")]
    accounts: Annotated[
        Literal["local", "shared"], Field(description="local: there are none, all is the owner's.")
    ]

    @classmethod
    def of(cls, actor: Actor, *, has_accounts: bool) -> MeShape:
        """The shape of whoever asks."""
        mode: Literal["local", "shared"] = "shared" if has_accounts else "local"
        return cls(name=actor.name, role=actor.role, scope=actor.scope, accounts=mode)


class PersonShape(Shape):
    """Somebody with an account."""

    name: str
    role: Role
    created_at: Timestamp
    disabled_at: Timestamp | None
    second_factor_at: Annotated[
        Timestamp | None, Field(description="Since when the login asks for a code too.")
    ]

    @classmethod
    def of(cls, row: Person) -> PersonShape:
        """The shape of a person."""
        return cls.model_validate(row)


class InvitationShape(Shape):
    """A link that can still be used."""

    id: int
    role: Role
    is_for_password: Annotated[
        bool, Field(description="Whether it sets a password of somebody who has an account.")
    ]
    invited_by: str
    created_at: Timestamp
    expires_at: Timestamp

    @classmethod
    def of(cls, row: Invitation) -> InvitationShape:
        """The shape of an invitation; its secret is not known here."""
        return cls(
            id=row.id,
            role=row.role,
            is_for_password=row.person_id is not None,
            invited_by=row.invited_by,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


class NewInvitationShape(Shape):
    """A link that was made just now. It is shown this once."""

    address: str


class AccountEventShape(Shape):
    """Something that happened to an account."""

    id: int
    at: Timestamp
    actor: JSON
    kind: str
    person: str | None
    message: Reason

    @classmethod
    def of(cls, row: AccountEvent) -> AccountEventShape:
        """The shape of an event."""
        return cls(
            id=row.id,
            at=row.at,
            actor=row.actor,
            kind=row.kind,
            person=row.person,
            message=Reason.of(history.describe(row)),
        )
