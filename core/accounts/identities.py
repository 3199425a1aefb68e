"""Who somebody is at an OpenID provider: the issuer and the subject, and nothing else of it.

E-mail addresses and names are given to others in time, and a provider lets people choose them: an
account is never found by one (that is how accounts are taken over).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts import history, invitations, people
from core.database.clock import now
from core.database.engine import Database
from core.database.models import PERSON_LENGTH, Identity, Person
from core.errors import Conflict, Forbidden, InvalidInput
from core.jobs.actors import Actor
from core.messages import message
from core.roles import Role


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a provider says of somebody, once its word was checked."""

    issuer: str
    subject: str
    wanted_name: str = ""
    """By which a new account may be called."""


def person_of(session: Session, claimed: Claimed) -> Person | None:
    """Whose identity it is; None where nobody has it here."""
    found = session.get(Identity, (claimed.issuer, claimed.subject))
    return None if found is None else session.get_one(Person, found.person_id)


def is_anybodys(session: Session, person_id: int) -> bool:
    """Whether somebody has an identity elsewhere."""
    return (
        session.scalar(select(Identity.subject).where(Identity.person_id == person_id)) is not None
    )


def link(database: Database, actor: Actor, claimed: Claimed) -> None:
    """Let somebody who is logged in come in by an identity too.

    Raises:
        Conflict: it is somebody else's.
    """
    with people.changing(database) as session:
        owner = person_of(session, claimed)
        if owner is not None and owner.name != actor.name:
            raise Conflict(message("identity.of_another"))
        if owner is None:
            _add(session, people.named(session, actor.name), claimed)


def join(
    database: Database, claimed: Claimed, *, invitation: str = "", role: Role | None = None
) -> Person:
    """Make an account for an identity that nobody has here: by an invitation, or with a role.

    Raises:
        Forbidden: there is neither.
        Gone: the invitation was used, or its time is over.
        Conflict: the invitation is for somebody who has an account.
    """
    with people.changing(database) as session:
        known = person_of(session, claimed)
        if known is not None:  # by a second tab
            return known
        invited_by = claimed.issuer
        if invitation:
            found = invitations.find(session, invitation)
            if found.person_id is not None:
                raise Conflict(message("identity.of_another"))
            role, invited_by, found.used_at = found.role, found.invited_by, now()
        if role is None:
            raise Forbidden(message("identity.unknown", issuer=claimed.issuer))
        person = people.add(session, _free_name(session, claimed.wanted_name), role, None)
        payload = {"role": role, "invited_by": invited_by}
        history.append(session, people.as_actor(person), "joined", person.name, payload)
        _add(session, person, claimed)
        return person


def _add(session: Session, person: Person, claimed: Claimed) -> None:
    session.add(
        Identity(
            issuer=claimed.issuer,
            subject=claimed.subject,
            person_id=person.id,
            created_at=now(),
        )
    )
    session.flush()
    payload = {"issuer": claimed.issuer}
    history.append(session, people.as_actor(person), "identity_linked", person.name, payload)


def _free_name(session: Session, wanted: str) -> str:
    """The name that somebody has elsewhere, as far as one can have it here and it is nobody's."""
    letters = (each for each in people.normalized(wanted.partition("@")[0]))
    base = "".join(each if each.isalnum() or each in "._-" else "-" for each in letters).strip(
        "._-"
    )
    try:
        base = people.checked_name(base[: PERSON_LENGTH - 4])
    except InvalidInput:
        base = "person"
    names = itertools.chain((base,), (f"{base}-{number}" for number in itertools.count(2)))
    taken = select(Person.id)
    return next(name for name in names if session.scalar(taken.where(Person.name == name)) is None)
