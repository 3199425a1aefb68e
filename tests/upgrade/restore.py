"""Puts what an old release left behind into a home folder and a database, for a test to open.

Nothing of the source is imported, so that no change of the source can change what is put back.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import psycopg

KINDS = ("sqlite", "postgresql")
FIXTURES = Path(__file__).parent / "fixtures"
STATEMENTS = "database.sql"


Left = dict[str, Any]
"""What a fixture holds, as `expected` tells it."""


def expected(kind: str) -> Left:
    """What a fixture holds: the runs by key, with their states, digests and stream positions."""
    found: Left = json.loads((FIXTURES / f"{kind}.json").read_text())
    return found


def unpack(kind: str, home: Path) -> None:
    """Fill a home folder: `artifacts/` and, for SQLite, `trainyard.db`.

    For PostgreSQL the database's statements lie beside them, for `load`.
    """
    with tarfile.open(FIXTURES / f"{kind}.tar.xz") as archive:
        archive.extractall(home, filter="data")


def load(home: Path, address: str) -> None:
    """Execute the statements that `unpack` has put into a home folder on an empty database.

    Args:
        home: the folder.
        address: of a PostgreSQL database, with or without the name of a driver.
    """
    plain = address.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute((home / STATEMENTS).read_bytes())
