"""Links by which people get an account, or a new password. The database has only their digests."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core.accounts import history, passwords, people
from core.accounts.credentials import digest, new_secret
from core.database.clock import now
from core.database.engine import Database
from core.database.models import LARGEST_KEY, Invitation, Person
from core.errors import Conflict, Gone, NotFound, refuse_all
from core.jobs.actors import Actor
from core.messages import message

HOURS = 72.0
"""That a link works, where nothing else is asked for."""
MOST_HOURS = 24.0 * 90
MOST_OPEN = 1000


def invite(database: Database, actor: Actor, role: str, hours: float = HOURS) -> str:
    """Make a link for a new person: the secret that stands in it.

    Raises:
        Forbidden: the actor is no administrator.
        InvalidInput: there is no such role.
        Conflict: too many links are open.
    """
    people.refuse_unless_manager(actor)
    wanted = people.checked_role(role)
    with people.changing(database) as session:
        secret = _make(session, actor, hours, role=wanted)
        history.append(session, actor, "invited", None, {"role": wanted})
    return secret


def invite_first(database: Database, hours: float = HOURS) -> str | None:
    """A link for the first administrator; None where somebody has an account already."""
    with people.changing(database) as session:
        if people.is_anybody(session):
            return None
        return _make(session, people.CONSOLE, hours, role="administrator")


def invite_to_reset(database: Database, actor: Actor, name: str, hours: float = HOURS) -> str:
    """Make a link by which somebody chooses a new password; nobody else chooses it for them.

    Raises:
        Forbidden: the actor is no administrator.
        NotFound: nobody has this name.
    """
    people.refuse_unless_manager(actor)
    with people.changing(database) as session:
        person = people.named(session, name)
        secret = _make(session, actor, hours, role=person.role, person_id=person.id)
        history.append(session, actor, "password_reset_invited", person.name)
    return secret


def find(session: Session, secret: str) -> Invitation:
    """The invitation of a link.

    Raises:
        NotFound: there is none.
        Gone: it was used, or its time is over.
    """
    found = session.scalar(select(Invitation).where(Invitation.digest == digest(secret)))
    if found is None:
        raise NotFound(message("invitation.unknown"))
    if found.used_at is not None or session.scalar(select(found.expires_at < now())):
        raise Gone(message("invitation.over"))
    return found


def accept(
    database: Database, secret: str, name: str, password: str, again: str | None = None
) -> Person:
    """Make the account of an invitation, or set the password of the person that it is for.

    The name is only of a new account; `again` is the password, where it was typed twice.

    Raises:
        NotFound: there is no such link.
        Gone: it was used, or its time is over.
        InvalidInput: the name or the password will not do; all that is wrong is named.
    """
    with people.changing(database) as session:
        invitation = find(session, secret)
        refuse_all(
            lambda: _refuse_unfit(session, invitation, name, password),
            lambda: passwords.refuse_different(password, again),
        )
        if invitation.person_id is None:
            person = people.add(session, name, invitation.role, password)
            payload = {"role": invitation.role, "invited_by": invitation.invited_by}
            history.append(session, people.as_actor(person), "joined", person.name, payload)
        else:
            person = session.get_one(Person, invitation.person_id)
            people.set_password(session, person, password)
            payload = {"invited_by": invitation.invited_by}
            history.append(session, people.as_actor(person), "password_reset", person.name, payload)
        invitation.used_at = now()
    return person


def _refuse_unfit(session: Session, invitation: Invitation, name: str, password: str) -> None:
    if invitation.person_id is None:
        people.refuse_unfit(session, name, password)
    else:
        passwords.refuse_weak(password, session.get_one(Person, invitation.person_id).name)


def open_ones(session: Session) -> Sequence[Invitation]:
    """The invitations that can still be used, newest first."""
    return session.scalars(_open().order_by(Invitation.id.desc())).all()


def withdraw(database: Database, actor: Actor, invitation_id: int) -> None:
    """Let a link work no more.

    Raises:
        Forbidden: the actor is no administrator.
        NotFound: there is no such invitation, or it can be used no more.
    """
    people.refuse_unless_manager(actor)
    with people.changing(database) as session:
        wanted = _open().where(Invitation.id == min(invitation_id, LARGEST_KEY))
        found = session.scalar(wanted)
        if found is None:
            raise NotFound(message("invitation.unknown"))
        found.used_at = now()
        history.append(session, actor, "invitation_withdrawn", None, {"role": found.role})


def _open() -> Select[Invitation]:
    return select(Invitation).where(Invitation.used_at.is_(None), Invitation.expires_at > now())


def _make(
    session: Session, actor: Actor, hours: float, *, role: str, person_id: int | None = None
) -> str:
    if (session.scalar(select(func.count()).select_from(_open().subquery())) or 0) >= MOST_OPEN:
        raise Conflict(message("invitation.too_many", most=MOST_OPEN))
    secret = new_secret()
    session.add(
        Invitation(
            digest=digest(secret),
            role=role,
            person_id=person_id,
            invited_by=actor.name,
            created_at=now(),
            expires_at=now(hours * 3600.0),
        )
    )
    return secret
