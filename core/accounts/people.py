"""The people: their names, their roles, and whether they may come in at all."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from core.accounts import history, passwords, throttle
from core.characters import has_controls, turns_text
from core.database.clock import now
from core.database.dialects import is_postgresql
from core.database.engine import Database
from core.database.models import PERSON_LENGTH, Invitation, Login, Person
from core.errors import Conflict, Forbidden, InvalidInput, NotFound, refuse_all
from core.jobs.actors import Actor, may
from core.languages import gettext_noop
from core.messages import message
from core.roles import ROLES, Role

CONSOLE = Actor("system", "console", gettext_noop("the server's terminal"))
"""Whoever has a shell where the database is, and so everything anyway."""

LOCK = 730
"""The advisory lock of the accounts; the housekeeping holds 729."""

_MARKS = "._-"


def as_actor(person: Person) -> Actor:
    """A person who is there, and may all that their role may."""
    return Actor("user", str(person.id), person.name, role=person.role)


def normalized(name: str) -> str:
    """A name as it is kept: in small letters, composed in one way, without blanks around it."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def checked_name(name: str) -> str:
    """A name that somebody can have.

    Raises:
        InvalidInput: it has other characters than letters, digits, and . _ -, or too many.
    """
    found = normalized(name)
    if not found:
        raise InvalidInput.one("name", message("input.required"))
    if len(found) > PERSON_LENGTH:
        raise InvalidInput.one("name", message("input.characters", most=PERSON_LENGTH))
    is_odd = has_controls(found) or turns_text(found) or not found[0].isalnum()
    if is_odd or not all(each.isalnum() or each in _MARKS for each in found):
        raise InvalidInput.one("name", message("input.name_characters"))
    return found


def checked_role(role: str) -> Role:
    """A role that there is.

    Raises:
        InvalidInput: there is none of this name.
    """
    for known in ROLES:
        if role == known:
            return known
    raise InvalidInput.one("role", message("input.one_of", choices=list(ROLES)))


def refuse_unless_manager(actor: Actor) -> None:
    """Raise `Forbidden` where an actor may not change who comes in, and as what."""
    if not may(actor, "manage_people"):
        raise Forbidden(message("actor.may_not_manage_people", name=actor.name))


@contextmanager
def changing(database: Database) -> Iterator[Session]:
    """A transaction that changes accounts, one at a time: what it looked at is so until its end."""
    with database.writing() as session:
        if is_postgresql(session):
            session.connection().execute(select(func.pg_advisory_xact_lock(LOCK)))
        yield session


def everybody(session: Session) -> Sequence[Person]:
    """All people, by their names."""
    return session.scalars(select(Person).order_by(Person.name)).all()


def named(session: Session, name: str) -> Person:
    """Somebody.

    Raises:
        NotFound: nobody has this name.
    """
    person = session.scalar(select(Person).where(Person.name == normalized(name)))
    if person is None:
        raise NotFound(message("person.unknown", name=name))
    return person


def is_anybody(session: Session) -> bool:
    """Whether anybody has an account."""
    return session.scalar(select(Person.id).limit(1)) is not None


def add(session: Session, name: str, role: Role, password: str | None) -> Person:
    """Make an account, in a transaction of `changing`.

    Raises:
        InvalidInput: the name or the password will not do, or the name is somebody's.
    """
    refuse_unfit(session, name, password)
    person = Person(name=normalized(name), role=role, created_at=now(), password_hash=None)
    if password is not None:
        person.password_hash = passwords.hashed(password)
    session.add(person)
    session.flush()
    session.refresh(person)
    return person


def refuse_unfit(session: Session, name: str, password: str | None) -> None:
    """Raise `InvalidInput` for a name or a password that nobody can have, naming both."""
    checks = [lambda: _refuse_taken(session, checked_name(name))]
    if password is not None:
        checks.append(lambda: passwords.refuse_weak(password, normalized(name)))
    refuse_all(*checks)


def _refuse_taken(session: Session, name: str) -> None:
    if session.scalar(select(Person.id).where(Person.name == name)) is not None:
        raise InvalidInput.one("name", message("person.name_taken", name=name))


def set_role(database: Database, actor: Actor, name: str, role: str) -> Person:
    """Give somebody a role; the links that a former administrator has made work no more.

    Raises:
        Forbidden: the actor is no administrator.
        NotFound: nobody has this name.
        InvalidInput: there is no such role.
        Conflict: nobody would be an administrator any more.
    """
    refuse_unless_manager(actor)
    wanted = checked_role(role)
    with changing(database) as session:
        person = named(session, name)
        if person.role == wanted:
            return person
        if wanted != "administrator":
            _refuse_last_administrator(session, person)
        payload = {"former": person.role, "role": wanted}
        person.role = wanted
        if wanted != "administrator":
            _end_links(session, Invitation.invited_by == person.name)
        history.append(session, actor, "role_changed", person.name, payload)
    return person


def disable(database: Database, actor: Actor, name: str) -> Person:
    """Shut somebody out: their logins end now, and their tokens are refused until they are let in.

    The links that they have made, and those by which they would get a new password, work no more.

    Raises:
        Forbidden: the actor is no administrator.
        NotFound: nobody has this name.
        Conflict: nobody would be an administrator any more.
    """
    refuse_unless_manager(actor)
    with changing(database) as session:
        person = named(session, name)
        if person.disabled_at is None:
            _refuse_last_administrator(session, person)
            session.execute(update(Person).where(Person.id == person.id).values(disabled_at=now()))
            session.execute(delete(Login).where(Login.person_id == person.id))
            _end_links(session, Invitation.invited_by == person.name)
            _end_links(session, Invitation.person_id == person.id)
            session.refresh(person)
            history.append(session, actor, "disabled", person.name)
    return person


def enable(database: Database, actor: Actor, name: str) -> Person:
    """Let somebody in again.

    Raises:
        Forbidden: the actor is no administrator.
        NotFound: nobody has this name.
    """
    refuse_unless_manager(actor)
    with changing(database) as session:
        person = named(session, name)
        if person.disabled_at is not None:
            person.disabled_at = None
            history.append(session, actor, "enabled", person.name)
    return person


def prove(database: Database, actor: Actor, password: str, address: str) -> None:
    """Refuse whoever sits in somebody's browser and does not know the password.

    Tries are counted, as at the login.

    Raises:
        InvalidInput: it is another password.
        TooManyRequests: it was tried too often.
    """
    limits = throttle.limits_of(actor.name, address, "own")
    throttle.begin(database, limits)
    with database.reading() as session:
        kept = named(session, actor.name).password_hash
    if not passwords.is_right(password, kept):
        raise InvalidInput.one("old_password", message("password.wrong"))
    with database.writing() as session:
        throttle.succeeded(session, limits)


def change_password(
    database: Database,
    actor: Actor,
    old: str,
    new: str,
    again: str | None = None,
    *,
    kept_login: int | None,
    address: str,
) -> None:
    """Change one's own password; every other login of the person ends, and all tokens stay.

    Args:
        database: where the accounts are.
        actor: whose password it is.
        old: the password until now.
        new: the one from now on.
        again: the same, where it was typed twice.
        kept_login: the login in which it is asked for.
        address: from which.

    Raises:
        InvalidInput: the old one is wrong, or the new one will not do; all that is wrong is named.
        TooManyRequests: the old one was tried too often.
    """
    refuse_all(
        lambda: prove(database, actor, old, address),
        lambda: passwords.refuse_weak(new, actor.name),
        lambda: passwords.refuse_different(new, again),
    )
    with changing(database) as session:
        person = named(session, actor.name)
        set_password(session, person, new, kept_login=kept_login)
        history.append(session, actor, "password_changed", person.name)


def set_password(
    session: Session, person: Person, password: str, *, kept_login: int | None = None
) -> None:
    """Give somebody a password that is good enough; their logins end, but for one.

    So do the links by which they would get another.
    """
    passwords.refuse_weak(password, person.name)
    person.password_hash = passwords.hashed(password)
    _end_links(session, Invitation.person_id == person.id)
    end_logins(session, person, kept_login)


def end_logins(session: Session, person: Person, kept: int | None = None) -> None:
    """End the logins of somebody, but for one."""
    ended = delete(Login).where(Login.person_id == person.id)
    session.execute(ended if kept is None else ended.where(Login.id != kept))


def _end_links(session: Session, which: ColumnElement[bool]) -> None:
    """Let some links that nobody has used work no more."""
    unused = update(Invitation).where(Invitation.used_at.is_(None), which)
    session.execute(unused.values(used_at=now()).execution_options(synchronize_session=False))


def _refuse_last_administrator(session: Session, person: Person) -> None:
    others = select(Person.id).where(
        Person.role == "administrator", Person.disabled_at.is_(None), Person.id != person.id
    )
    is_one = person.role == "administrator" and person.disabled_at is None
    if is_one and session.scalar(others.limit(1)) is None:
        raise Conflict(message("person.last_administrator", name=person.name))
