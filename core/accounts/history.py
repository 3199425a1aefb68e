"""The history of the accounts: who logged in, was invited, given a role, or shut out, and by whom.

What an administrator allows in a queue is in it too.

What happens to runs is in the history of the runs (`core.jobs.events`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.models import AccountEvent
from core.jobs.actors import Actor
from core.messages import Message, message
from core.messages.english import CATALOG
from core.messages.template import places
from core.queries.pages import Page, checked_limit, key_of

Kind = Literal[
    "invited",
    "invitation_withdrawn",
    "joined",
    "logged_in",
    "login_failed",
    "code_failed",
    "logged_out",
    "login_ended",
    "logins_ended",
    "password_changed",
    "password_reset",
    "password_reset_invited",
    "second_factor_on",
    "second_factor_off",
    "second_factor_reset",
    "second_factor_required",
    "second_factor_not_required",
    "recovery_code_used",
    "recovery_codes_made",
    "role_changed",
    "disabled",
    "enabled",
    "token_made",
    "token_revoked",
    "identity_linked",
    "preemption_allowed",
    "preemption_forbidden",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


def append(
    session: Session,
    actor: Actor,
    kind: Kind,
    person: str | None = None,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Write down that something happened, in the transaction in which it does."""
    session.add(
        AccountEvent(
            at=now(),
            actor=actor.as_json(),
            actor_name=actor.name,
            kind=kind,
            person=person,
            payload=dict(payload or {}),
        )
    )


def page(session: Session, limit: int, cursor: str = "", person: str = "") -> Page[AccountEvent]:
    """A page of the history, newest first: all of it, or what somebody did or had done to them.

    Raises:
        InvalidInput: a wrong limit or cursor.
    """
    query = select(AccountEvent).order_by(AccountEvent.id.desc()).limit(checked_limit(limit) + 1)
    if cursor:
        query = query.where(AccountEvent.id < key_of(cursor, 1)[0])
    if person:
        query = query.where(or_(AccountEvent.person == person, AccountEvent.actor_name == person))
    found: Sequence[AccountEvent] = session.scalars(query).all()
    return Page(found[:limit], str(found[limit - 1].id) if len(found) > limit else None)


def describe(event: AccountEvent) -> Message:
    """What an event says to a person."""
    known = {"name": event.actor["name"], "person": event.person or "", **event.payload}
    code = f"account.{event.kind}"
    return message(code, **{name: known[name] for name in places(CATALOG[code])})
