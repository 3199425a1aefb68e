"""One process of several that run schedules, each with a world of its own."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from core.database import engine
from core.database.engine import Database
from tests.simulation.rows import Broken
from tests.simulation.schedule import Plan, World

_worlds: list[World] = []


def enter(address: str, folder: Path) -> World:
    """Make the world of this process; on SQLite its database is a file in the address's folder."""
    if address.startswith("sqlite"):
        address = f"{address}/{os.getpid()}.db"
        engine.upgrade(address)
    # a fault that is met is what is wanted; what is broken is told
    logging.disable()
    scratch = folder / str(os.getpid())
    scratch.mkdir(exist_ok=True)
    _worlds.append(World(Database(address), scratch).__enter__())
    return _worlds[-1]


def attempt(plan: Plan) -> str | None:
    """Run a schedule; what is wrong, where something is."""
    try:
        _worlds[-1].run(plan)
    except Broken as error:
        return str(error)
    return None
