"""What several tests of the core set up."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from core import workers
from core.database.engine import Database
from core.errors import DatabaseUnavailable
from core.jobs.claim import Claimant
from core.workers import WorkerFacts


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    return Claimant(workers.register(database, facts), ["default"])


def lose_the_answer_to_the_next_commit(database: Database) -> None:
    """Let the next commit take place, and its answer be lost."""
    lost = []

    @event.listens_for(database.engine, "commit")
    def lose(connection):
        if not lost:
            lost.append(True)
            raw = connection.connection.dbapi_connection
            if connection.dialect.name == "postgresql":
                raw.commit()
            else:
                raw.execute("COMMIT")
            raise DatabaseUnavailable("the answer was lost")
