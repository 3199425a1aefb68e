"""How often somebody may try to log in: by name and by address, kept in the database.

A try is counted before the password is looked at, so that a hundred at once are a hundred. After
some in vain each further one has to wait, twice as long as the one before. Names that nobody has
are treated as all others: nobody learns by this who has an account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.accounts.credentials import digest
from core.database.clock import now
from core.database.dialects import insert_or
from core.database.engine import Database
from core.database.models import FailedLogin
from core.errors import TooManyRequests
from core.messages import message

FORGOTTEN_AFTER_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Limit:
    """Whose tries are counted, how many are free, and how long the others wait at most."""

    key: str
    free: int
    longest_wait_s: float

    def wait_s(self, count: int) -> float:
        """How long after so many tries in vain the next must wait, in seconds."""
        return 0.0 if count < self.free else min(2.0 ** (count - self.free), self.longest_wait_s)


def limits_of(name: str, address: str, door: str = "name") -> tuple[Limit, Limit]:
    """The limits of a try by a name, from an address, at one of the doors.

    Somebody who is logged in is asked for the password at a door of its own: whoever tries that
    name at the login keeps nobody from changing a password.

    An address has more free tries: a whole class may sit behind one. A name waits less long, so
    that nobody can shut somebody else out for good.
    """
    by_name = Limit(digest(f"{door} {name}"), free=5, longest_wait_s=300.0)
    return by_name, Limit(digest(f"address {address}"), free=30, longest_wait_s=3600.0)


def begin(database: Database, limits: Sequence[Limit]) -> None:
    """Count a try, as one in vain.

    Raises:
        TooManyRequests: it came too early; it was not counted.
    """
    with database.writing() as session:
        wait_s = max(_remaining_s(session, limit) for limit in limits)
        if wait_s > 0:
            reason = message("login.too_many_tries", wait_s=float(-(-wait_s // 1)))
            raise TooManyRequests(reason, wait_s)
        for limit in limits:
            _count(session, limit)


def succeeded(session: Session, limits: Sequence[Limit]) -> None:
    """Take the tries in vain of a name back: they were its owner's.

    Those of the address stay: whoever tries other people's names may have an account too.
    """
    session.execute(delete(FailedLogin).where(FailedLogin.key == limits[0].key))
    came_halfway(session, limits)


def came_halfway(session: Session, limits: Sequence[Limit]) -> None:
    """Take the try of an address back, where the password was right and a code is still to come.

    That of the name stays: whoever has the password and not the code tries on.
    """
    address = session.get(FailedLogin, limits[1].key)
    if address is not None:
        address.count -= 1


def forget(session: Session) -> None:
    """Remove what is so long ago that it counts no more."""
    session.execute(delete(FailedLogin).where(FailedLogin.next_at < now(-FORGOTTEN_AFTER_S)))


def _remaining_s(session: Session, limit: Limit) -> float:
    row = session.execute(
        select(FailedLogin.next_at, now()).where(FailedLogin.key == limit.key)
    ).one_or_none()
    return 0.0 if row is None else max(0.0, (row[0] - row[1]).total_seconds())


def _count(session: Session, limit: Limit) -> None:
    new = insert_or(session, FailedLogin).values(key=limit.key, count=0, next_at=now())
    session.execute(new.on_conflict_do_nothing())
    row = session.scalars(
        select(FailedLogin).where(FailedLogin.key == limit.key).with_for_update()
    ).one()
    row.count += 1
    row.next_at = now(limit.wait_s(row.count))
