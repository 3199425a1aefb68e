"""What a bench asks the database while it waits."""

from __future__ import annotations

from core import queries, workers
from core.database.engine import Database
from core.database.models import Job


def look(tables: Database, job_id: int) -> Job:
    """A job as it is now."""
    with tables.reading() as session:
        return queries.job(session, job_id)[0]


def worker_is_there(tables: Database, name: str) -> bool:
    """Whether a worker of this name can run jobs."""
    with tables.reading() as session:
        return any(worker.name == name for worker in workers.live(session))
