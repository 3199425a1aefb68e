"""The second factor: codes of an app that change every 30 seconds (TOTP, RFC 6238).

Who has a password may set one up; administrators may ask it of everybody. A code works once, and
so does each of ten recovery codes, for whoever has lost the app. The seed is kept as it is, as the
codes are computed from it: who reads the database still lacks the passwords. Who comes in by an
OpenID provider proves there who they are.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Literal

import pyotp
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from core.accounts import history, people, throttle
from core.accounts.credentials import digest, new_recovery_code, plain_recovery_code
from core.database.clock import now
from core.database.engine import Database
from core.database.models import AccountRule, Login, Person, RecoveryCode, SecondFactor
from core.errors import Conflict, InvalidInput
from core.jobs.actors import Actor
from core.messages import message

STEP_S = 30
STEPS = (0, -1, 1)
"""This one, and one beside it: clocks differ, and typing takes a while (RFC 6238, 5.2)."""
RECOVERY_CODES = 10
ISSUER = "Trainyard"

Lack = Literal["", "code", "setup"]
"""What a login still needs after the password: nothing, a code, or to set up a second factor."""

_RULE = "second_factor"


def lacking(session: Session, person: Person) -> Lack:
    """What somebody must show after the password."""
    if person.second_factor_at is not None:
        return "code"
    return "setup" if is_required(session) else ""


def is_required(session: Session) -> bool:
    """Whether everybody with a password needs a second factor."""
    return session.get(AccountRule, _RULE) is not None


def require(database: Database, actor: Actor, *, required: bool) -> None:
    """Ask a second factor of everybody who has a password, or no more.

    Logins of those who have none end: they set one up when they log in again.

    Raises:
        Forbidden: the actor is no administrator.
        Conflict: the actor has none: whoever asks for one should know how it is.
    """
    people.refuse_unless_manager(actor)
    with people.changing(database) as session:
        if required == is_required(session):
            return
        if required:
            _refuse_without(session, actor)
            session.add(AccountRule(name=_RULE, since=now()))
            bare = select(Person.id).where(
                Person.second_factor_at.is_(None), Person.password_hash.is_not(None)
            )
            session.execute(delete(Login).where(Login.person_id.in_(bare)))
        else:
            session.execute(delete(AccountRule).where(AccountRule.name == _RULE))
        kind: history.Kind = "second_factor_required" if required else "second_factor_not_required"
        history.append(session, actor, kind)


def begin(session: Session, person: Person) -> str:
    """Make the seed of a second factor, which holds once a code of it was shown. In `changing`.

    Raises:
        Conflict: the person has one, or has no password to add it to.
    """
    if person.second_factor_at is not None:
        raise Conflict(message("second_factor.is_on"))
    if person.password_hash is None:
        raise Conflict(message("second_factor.no_password"))
    session.execute(delete(SecondFactor).where(SecondFactor.person_id == person.id))
    seed = pyotp.random_base32()
    session.add(SecondFactor(person_id=person.id, seed=seed))
    return seed


def address_of(seed: str, name: str) -> str:
    """What the picture for the app says: `otpauth://totp/...`."""
    return pyotp.TOTP(seed).provisioning_uri(name=name, issuer_name=ISSUER)


def confirm(session: Session, person: Person, code: str) -> list[str]:
    """Turn on what `begin` made, by a code of it: the recovery codes. In `changing`.

    Raises:
        InvalidInput: it is none of its codes, or nothing was begun.
    """
    if person.second_factor_at is not None or not _is_right(session, person.id, code):
        raise InvalidInput.one("code", message("second_factor.wrong"))
    person.second_factor_at = now()
    history.append(session, people.as_actor(person), "second_factor_on", person.name)
    return _new_codes(session, person.id)


def use(session: Session, person: Person, code: str) -> bool:
    """Use up a code, or a recovery code; whether it was one. In `changing`."""
    if person.second_factor_at is None:
        return False
    if _is_right(session, person.id, code):
        return True
    used = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.digest == digest(plain_recovery_code(code)),
            RecoveryCode.person_id == person.id,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now())
        .returning(RecoveryCode.digest)
    ).all()
    if used:
        payload = {"left": codes_left(session, person.id)}
        actor = people.as_actor(person)
        history.append(session, actor, "recovery_code_used", person.name, payload)
    return bool(used)


def codes_left(session: Session, person_id: int) -> int:
    """How many recovery codes somebody has that were not used."""
    unused = select(func.count()).where(
        RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None)
    )
    return session.scalar(unused) or 0


def renew_codes(database: Database, actor: Actor, code: str, address: str) -> list[str]:
    """Make new recovery codes; the former work no more.

    Raises:
        InvalidInput: the code is wrong.
        TooManyRequests: it was tried too often.
    """
    _prove(database, actor, code, address)
    with people.changing(database) as session:
        person = people.named(session, actor.name)
        history.append(session, actor, "recovery_codes_made", person.name)
        return _new_codes(session, person.id)


def turn_off(
    database: Database, actor: Actor, password: str, code: str, address: str, kept_login: int | None
) -> None:
    """Need no second factor any more; every other login of the person ends.

    Raises:
        InvalidInput: the password or the code is wrong.
        TooManyRequests: they were tried too often.
        Conflict: everybody needs one.
    """
    with database.reading() as session:
        if is_required(session):
            raise Conflict(message("second_factor.required"))
    prove(database, actor, password, code, address)
    with people.changing(database) as session:
        person = people.named(session, actor.name)
        _remove(session, person)
        people.end_logins(session, person, kept_login)
        history.append(session, actor, "second_factor_off", person.name)


def prove(database: Database, actor: Actor, password: str, code: str, address: str) -> None:
    """Refuse whoever sits in somebody's browser and could not log in there.

    Raises:
        InvalidInput: the password is wrong, or the code, where one is needed.
        TooManyRequests: they were tried too often.
    """
    people.prove(database, actor, password, address)
    with database.reading() as session:
        is_on = people.named(session, actor.name).second_factor_at is not None
    if is_on:
        _prove(database, actor, code, address)


def reset(database: Database, actor: Actor, name: str) -> Person:
    """Take the second factor from somebody who has lost it; their logins end.

    Raises:
        Forbidden: the actor is no administrator.
        NotFound: nobody has this name.
        Conflict: the person has none.
    """
    people.refuse_unless_manager(actor)
    with people.changing(database) as session:
        person = people.named(session, name)
        if person.second_factor_at is None:
            raise Conflict(message("second_factor.is_off", name=person.name))
        _remove(session, person)
        people.end_logins(session, person)
        history.append(session, actor, "second_factor_reset", person.name)
    return person


def _prove(database: Database, actor: Actor, code: str, address: str) -> None:
    limits = throttle.limits_of(actor.name, address, "own code")
    throttle.begin(database, limits)
    with people.changing(database) as session:
        if not use(session, people.named(session, actor.name), code):
            raise InvalidInput.one("code", message("second_factor.wrong"))
        throttle.succeeded(session, limits)


def _refuse_without(session: Session, actor: Actor) -> None:
    if actor != people.CONSOLE and people.named(session, actor.name).second_factor_at is None:
        raise Conflict(message("second_factor.own_first"))


def _remove(session: Session, person: Person) -> None:
    person.second_factor_at = None
    for table in (SecondFactor, RecoveryCode):
        session.execute(delete(table).where(table.person_id == person.id))


def _new_codes(session: Session, person_id: int) -> list[str]:
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    codes = [new_recovery_code() for _ in range(RECOVERY_CODES)]
    kept = [digest(plain_recovery_code(each)) for each in codes]
    session.add_all(RecoveryCode(digest=each, person_id=person_id) for each in kept)
    return codes


def _is_right(session: Session, person_id: int, code: str) -> bool:
    """Whether a code of the app is right now, and neither it nor a later one was used before."""
    row = session.execute(
        select(SecondFactor.seed, now()).where(SecondFactor.person_id == person_id)
    ).one_or_none()
    if row is None:
        return False
    step = _step_of("".join(code.split()), row[0], int(row[1].timestamp()) // STEP_S)
    if step is None:
        return False
    is_new = or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step)
    used = update(SecondFactor).where(SecondFactor.person_id == person_id, is_new)
    return bool(session.execute(used.values(last_step=step).returning(SecondFactor.seed)).all())


def _step_of(code: str, seed: str, present: int) -> int | None:
    """Of which step a code is; None: of none that counts now."""
    computed = pyotp.TOTP(seed)  # of 30 seconds too; here it is asked by the step
    steps: Sequence[int] = [present + each for each in STEPS]
    return next(
        (
            each
            for each in steps
            if hmac.compare_digest(computed.generate_otp(each).encode(), code.encode())
        ),
        None,
    )
