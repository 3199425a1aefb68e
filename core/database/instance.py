"""The name of the database that a session talks to.

It is asked for once a connection: a database that was taken away and made again under a running
process is reached by new connections.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.models import Instance

_KEY = "trainyard.instance"


def instance_of(session: Session) -> str:
    """The name of a session's database: the same for every process that uses it."""
    info = session.connection().info
    name: str | None = info.get(_KEY)
    if name is None:
        name = info[_KEY] = session.scalars(select(Instance.name)).one()
    return name
