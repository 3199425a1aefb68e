"""Inserts that may meet a row that is there already."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert_or(session: Session, table: type[Any]) -> postgresql.Insert | sqlite.Insert:
    """An insert that can say what becomes of a row whose key is taken, for a session's database.

    Both databases have `on_conflict_do_nothing` and `on_conflict_do_update`; SQLAlchemy has them in
    a construct of each.
    """
    kind = session.get_bind().dialect.name
    return postgresql.insert(table) if kind == "postgresql" else sqlite.insert(table)
