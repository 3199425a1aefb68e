"""Logins: browsers in which somebody is there. Their cookies hold secrets, the database digests.

A login ends when it is idle for long, in any case after some weeks, when its person ends it,
changes the password, or is shut out. Whatever ends it holds from the next request on. A login that
lacks a second factor is half: it opens nothing but the page that asks for it, for ten minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from core.accounts import history, passwords, people, second_factor, throttle
from core.accounts.credentials import digest, new_secret
from core.accounts.second_factor import Lack
from core.database.clock import now
from core.database.engine import Database
from core.database.models import ADDRESS_LENGTH, AGENT_LENGTH, PERSON_LENGTH, Login, Person
from core.errors import Gone, NotFound, TooManyRequests, Unauthenticated
from core.jobs.actors import Actor
from core.logs import get_logger
from core.messages import message
from core.settings import Settings

DAY_S = 86_400.0
HALF_S = 600.0
"""That somebody may take for the second factor."""
FRESH_S = 900.0
"""That a proof of who somebody is counts for what opens doors to others."""
SEEN_EVERY_S = 60.0
"""How exactly it is known when somebody was last there."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a login lasts, in seconds."""

    idle_s: float
    whole_s: float


def lifetime(settings: Settings) -> Lifetime:
    """How long a login lasts by the settings."""
    return Lifetime(settings.login_idle_hours * 3600.0, settings.login_days * DAY_S)


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from, for the person to know their logins by."""

    address: str
    agent: str


class Begun(NamedTuple):
    """A login that was begun: its secret for a cookie, and what it lacks."""

    secret: str
    lacks: Lack


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A login that is found by its secret."""

    login_id: int
    actor: Actor
    is_seen: bool
    """Whether it is known already that it was used at this time."""
    is_fresh: bool
    """Whether the person proved lately who they are."""


def log_in(database: Database, name: str, password: str, browser: Browser) -> Begun:
    """Begin a login by a password.

    Nothing tells whether a name is wrong or its password: the answer and its time are the same.

    Raises:
        Unauthenticated: they do not belong together, or the person is shut out.
        TooManyRequests: it was tried too often.
    """
    wanted = people.normalized(name)[: PERSON_LENGTH + 1]
    limits = throttle.limits_of(wanted, browser.address)
    _count(database, limits, browser)
    with database.reading() as session:
        person = session.scalar(select(Person).where(Person.name == wanted))
    is_right = passwords.is_right(password, person.password_hash if person else None)
    if not is_right or person is None or person.disabled_at is not None:
        # not the name: people type their passwords there
        log.warning("login_refused", address=browser.address, is_known=person is not None)
        if person is not None:
            _tell_of_failure(database, person, browser)
        raise Unauthenticated(message("login.refused"))
    with people.changing(database) as session:
        person = session.get_one(Person, person.id)
        if passwords.is_outdated(person.password_hash or ""):
            person.password_hash = passwords.hashed(password)
        begun = begin_by_password(session, person, browser)
        arrived = throttle.came_halfway if begun.lacks == "code" else throttle.succeeded
        arrived(session, limits)
        throttle.forget(session)
        return begun


def begin_by_password(session: Session, person: Person, browser: Browser) -> Begun:
    """Begin a login of somebody who knows the password, or has just chosen it."""
    lacks = second_factor.lacking(session, person)
    return Begun(begin(session, person, browser, is_half=bool(lacks)), lacks)


def half(session: Session, secret: str) -> Person:
    """Whose login it is that lacks a second factor.

    Raises:
        Gone: there is none, or it took too long.
    """
    person = session.scalar(
        select(Person)
        .join(Login, Login.person_id == Person.id)
        .where(
            Login.digest == digest(secret),
            Login.is_half.is_(True),
            Login.created_at > now(-HALF_S),
            Person.disabled_at.is_(None),
        )
    )
    if person is None:
        raise Gone(message("login.half_over"))
    return person


def finish(database: Database, secret: str, code: str, browser: Browser) -> str:
    """Make a login whole by a code of the second factor, or a recovery code: its new secret.

    Raises:
        Gone: there is no such login, or it took too long.
        Unauthenticated: the code is wrong, or was used before.
        TooManyRequests: it was tried too often.
    """
    with database.reading() as session:
        person = half(session, secret)
    limits = throttle.limits_of(person.name, browser.address)
    _count(database, limits, browser)
    with people.changing(database) as session:
        person = half(session, secret)
        if second_factor.use(session, person, code):
            throttle.succeeded(session, limits)
            return _whole(session, person, secret, browser)
    log.warning("code_refused", address=browser.address)
    _tell_of_failure(database, person, browser, "code_failed")
    raise Unauthenticated(message("login.wrong_code"))


def begin_setup(database: Database, secret: str) -> tuple[str, str]:
    """Begin a second factor of somebody who cannot come in without: its seed, and their name.

    Raises:
        Gone: there is no such login, or it took too long.
        Conflict: the person has one.
    """
    with people.changing(database) as session:
        person = half(session, secret)
        return second_factor.begin(session, person), person.name


def finish_setup(
    database: Database, secret: str, code: str, browser: Browser
) -> tuple[str, list[str]]:
    """Turn on what `begin_setup` made: the new secret of the login, and the recovery codes.

    Raises:
        Gone: there is no such login, or it took too long.
        InvalidInput: the code is wrong.
    """
    with people.changing(database) as session:
        person = half(session, secret)
        codes = second_factor.confirm(session, person, code)
        return _whole(session, person, secret, browser), codes


def begin(session: Session, person: Person, browser: Browser, *, is_half: bool = False) -> str:
    """Begin a login of somebody who has proved who they are: its secret, for a cookie."""
    secret = new_secret()
    session.add(
        Login(
            digest=digest(secret),
            person_id=person.id,
            created_at=now(),
            used_at=now(),
            proved_at=now(),
            address=browser.address[:ADDRESS_LENGTH],
            agent=browser.agent[:AGENT_LENGTH],
            is_half=is_half,
        )
    )
    if is_half:
        return secret
    payload = {"address": browser.address[:ADDRESS_LENGTH]}
    history.append(session, people.as_actor(person), "logged_in", person.name, payload)
    return secret


def find(session: Session, secret: str, lifetime: Lifetime) -> LoggedIn | None:
    """The login of a secret; None where it has ended."""
    row = session.execute(
        select(
            Login.id, Person, Login.used_at > now(-SEEN_EVERY_S), Login.proved_at > now(-FRESH_S)
        )
        .join(Person, Person.id == Login.person_id)
        .where(Login.digest == digest(secret), *_lives(lifetime))
    ).one_or_none()
    if row is None:
        return None
    return LoggedIn(row[0], people.as_actor(row[1]), bool(row[2]), bool(row[3]))


def alive(session: Session, login_ids: Sequence[int], lifetime: Lifetime) -> Sequence[int]:
    """Those of some logins that have not ended."""
    if not login_ids:
        return ()
    asked = select(Login.id).join(Person, Person.id == Login.person_id)
    return session.scalars(asked.where(Login.id.in_(login_ids), *_lives(lifetime))).all()


def seen(database: Database, login_id: int) -> None:
    """Note that a login is used."""
    with database.writing() as session:
        session.execute(update(Login).where(Login.id == login_id).values(used_at=now()))


def prove(
    database: Database, actor: Actor, login_id: int, password: str, code: str, address: str
) -> None:
    """Have somebody who is logged in prove once more who they are, as the login asks for it.

    Raises:
        InvalidInput: the password is wrong, or the code, where one is needed.
        TooManyRequests: they were tried too often.
    """
    second_factor.prove(database, actor, password, code, address)
    with database.writing() as session:
        session.execute(update(Login).where(Login.id == login_id).values(proved_at=now()))


def replace(session: Session, person: Person, login_id: int) -> None:
    """End the login of a browser in which the same person has just begun another."""
    session.execute(delete(Login).where(Login.id == login_id, Login.person_id == person.id))


def of_person(session: Session, actor: Actor, lifetime: Lifetime) -> Sequence[Login]:
    """The logins of somebody that have not ended, the one used last first."""
    mine = _of(actor).join(Person, Person.id == Login.person_id).where(*_lives(lifetime))
    return session.scalars(mine.order_by(Login.used_at.desc(), Login.id.desc())).all()


def end(database: Database, actor: Actor, login_id: int, asked_in: int | None = None) -> None:
    """End a login of one's own: that in which it is asked for, which logs out, or another.

    Raises:
        NotFound: there is no such login of this person.
    """
    with database.writing() as session:
        found = session.scalar(_of(actor).where(Login.id == login_id))
        if found is None:
            raise NotFound(message("login.unknown"))
        session.delete(found)
        kind: history.Kind = "logged_out" if login_id == asked_in else "login_ended"
        history.append(session, actor, kind, actor.name, {"address": found.address})


def end_others(database: Database, actor: Actor, kept: int | None) -> None:
    """End all logins of somebody but one."""
    with database.writing() as session:
        ended = delete(Login).where(Login.person_id == int(actor.id))
        session.execute(ended if kept is None else ended.where(Login.id != kept))
        history.append(session, actor, "logins_ended", actor.name)


def sweep(database: Database, lifetime: Lifetime) -> None:
    """Remove the rows of logins that have ended by themselves."""
    is_over = (
        (Login.used_at < now(-lifetime.idle_s))
        | (Login.created_at < now(-lifetime.whole_s))
        | (Login.is_half & (Login.created_at < now(-HALF_S)))
    )
    with database.writing() as session:
        session.execute(delete(Login).where(is_over))


def _of(actor: Actor) -> Select[Login]:
    return select(Login).where(Login.person_id == int(actor.id))


def _lives(lifetime: Lifetime) -> tuple[Any, ...]:
    return (
        Login.used_at > now(-lifetime.idle_s),
        Login.created_at > now(-lifetime.whole_s),
        Login.is_half.is_(False),
        Person.disabled_at.is_(None),
    )


def _whole(session: Session, person: Person, secret: str, browser: Browser) -> str:
    """The login in place of a half one, with a secret of its own."""
    session.execute(delete(Login).where(Login.digest == digest(secret)))
    return begin(session, person, browser)


def _count(database: Database, limits: Sequence[throttle.Limit], browser: Browser) -> None:
    try:
        throttle.begin(database, limits)
    except TooManyRequests:
        log.warning("login_held_off", address=browser.address)
        raise


def _tell_of_failure(
    database: Database, person: Person, browser: Browser, kind: history.Kind = "login_failed"
) -> None:
    with database.writing() as session:
        payload = {"address": browser.address[:ADDRESS_LENGTH]}
        actor = Actor("system", "login", "somebody")
        history.append(session, actor, kind, person.name, payload)
