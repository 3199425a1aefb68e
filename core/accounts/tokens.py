"""API tokens: what programs of somebody show. One is seen once, when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, false, func, or_, select, update
from sqlalchemy.orm import Session

from core.accounts import history, people
from core.accounts.credentials import digest, is_token, new_token
from core.database.clock import now
from core.database.engine import Database
from core.database.models import LARGEST_KEY, Person, Token
from core.errors import Conflict, NotFound
from core.jobs.actors import Actor
from core.messages import message
from core.roles import Scope

MOST = 100
"""Of one person."""
LONGEST_DAYS = 3660
SEEN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A token that is found by what a program shows."""

    token_id: int
    actor: Actor
    is_seen: bool
    """Whether it is known already that it was used at this time."""


def make(
    database: Database, actor: Actor, name: str, scope: Scope, days: float | None
) -> tuple[str, Token]:
    """Make a token of somebody: its text, which nobody can be shown again, and its row.

    Args:
        database: where the accounts are.
        actor: whose it is.
        name: what it is for.
        scope: what it may at most, within what its owner may.
        days: after how many it ends; None: never.

    Raises:
        Conflict: this person has as many as one can have.
    """
    text = new_token()
    with people.changing(database) as session:
        if len(of_person(session, actor)) >= MOST:
            raise Conflict(message("token.too_many", most=MOST))
        token = Token(
            digest=digest(text),
            person_id=int(actor.id),
            name=name,
            scope=scope,
            created_at=now(),
            expires_at=None if days is None else now(days * 86_400.0),
        )
        session.add(token)
        session.flush()
        session.refresh(token)
        history.append(session, actor, "token_made", actor.name, {"token": name, "scope": scope})
    return text, token


def find(session: Session, text: str) -> Shown | None:
    """The token that a program shows; None where there is none, or it has ended."""
    if not is_token(text):
        return None
    row = session.connection().execute(_FIND, {"shown": digest(text)}).one_or_none()
    if row is None:
        return None
    actor = Actor("user", str(row.person_id), row.name, role=row.role, scope=row.scope)
    return Shown(row.id, actor, bool(row.is_seen))


def alive(session: Session, token_ids: Sequence[int]) -> Sequence[int]:
    """Those of some tokens that have not ended."""
    if not token_ids:
        return ()
    asked = select(Token.id).join(Person, Person.id == Token.person_id)
    return session.scalars(asked.where(Token.id.in_(token_ids), *_lives())).all()


def used(database: Database, token_id: int) -> None:
    """Note that a token is used."""
    with database.writing() as session:
        session.execute(update(Token).where(Token.id == token_id).values(used_at=now()))


def of_person(session: Session, actor: Actor) -> Sequence[Token]:
    """The tokens of somebody that were not revoked, newest first."""
    mine = select(Token).where(Token.person_id == int(actor.id), Token.revoked_at.is_(None))
    return session.scalars(mine.order_by(Token.id.desc())).all()


def revoke(database: Database, actor: Actor, token_id: int) -> None:
    """Let a token of one's own work no more, from now on; administrators may revoke anybody's.

    Raises:
        NotFound: there is no such token of this person.
    """
    with database.writing() as session:
        token = session.get(Token, token_id) if token_id <= LARGEST_KEY else None
        is_own = token is not None and token.person_id == int(actor.id)
        if token is None or not (is_own or actor.is_administrator):
            raise NotFound(message("token.unknown"))
        if token.revoked_at is None:
            token.revoked_at = now()
            owner = session.get_one(Person, token.person_id)
            history.append(session, actor, "token_revoked", owner.name, {"token": token.name})


def _lives() -> tuple[Any, ...]:
    return (
        Token.revoked_at.is_(None),
        or_(Token.expires_at.is_(None), Token.expires_at > now()),
        Person.disabled_at.is_(None),
    )


_FIND = (
    select(
        *(Token.id, Token.scope, Token.person_id, Person.name, Person.role),
        func.coalesce(Token.used_at > now(-SEEN_EVERY_S), false()).label("is_seen"),
    )
    .join(Person, Person.id == Token.person_id)
    .where(Token.digest == bindparam("shown"), *_lives())
)
"""Made once: every request of a program asks it."""
