"""What people do about accounts: come in, invite others, keep passwords and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from core.accounts import invitations, people, tokens
from core.database.models import NAME_LENGTH, Person, Token
from core.roles import Role, Scope
from webui.actions.options import checked, readable
from webui.context import Context


class InvitationOptions(BaseModel):
    """The body of an invitation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Role = "member"
    hours: Annotated[float, Field(gt=0, le=invitations.MOST_HOURS)] = invitations.HOURS
    """That the link works."""


class PersonOptions(BaseModel):
    """What is to be changed of a person; what is absent stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Role | None = None
    disabled: bool | None = None


class TokenOptions(BaseModel):
    """A token that somebody asks for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
        AfterValidator(readable),
    ]
    scope: Scope = "submit"
    days: Annotated[float | None, Field(gt=0, le=tokens.LONGEST_DAYS)] = None
    """After how many it ends; null: never."""


def invite(context: Context, values: Mapping[str, Any]) -> str:
    """Make an invitation: the secret of its link.

    Raises:
        InvalidInput: naming every wrong field.
        Forbidden: whoever asks is no administrator.
    """
    asked = checked(InvitationOptions, values)
    return invitations.invite(context.database, context.actor, asked.role, asked.hours)


def change_person(context: Context, name: str, values: Mapping[str, Any]) -> Person:
    """Give somebody a role, shut them out, or let them in again.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: nobody has this name.
        Forbidden: whoever asks is no administrator.
        Conflict: nobody would be an administrator any more.
    """
    asked = checked(PersonOptions, values)
    database, actor = context.database, context.actor
    if asked.role is not None:
        people.set_role(database, actor, name, asked.role)
    if asked.disabled is not None:
        change = people.disable if asked.disabled else people.enable
        change(database, actor, name)
    with database.reading() as session:
        return people.named(session, name)


def make_token(context: Context, values: Mapping[str, Any]) -> tuple[str, Token]:
    """Make a token of whoever asks: its text, and its row.

    Raises:
        InvalidInput: naming every wrong field.
        Conflict: there are as many as one can have.
    """
    asked = checked(TokenOptions, values)
    return tokens.make(context.database, context.actor, asked.name, asked.scope, asked.days)
