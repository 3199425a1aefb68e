"""Whether this host's worker is live: `python -m worker.health` exits with status 0 if it is."""

from __future__ import annotations

import sys

from core import formats, settings, workers
from core.database.engine import Database
from core.errors import TrainyardError
from worker.naming import worker_name


def main() -> None:
    """Exit with a sentence and status 1 where the worker is not live, by the database's clock."""
    try:
        chosen = settings.load()
        name = worker_name(chosen)
        with (
            Database(chosen.database_address, pool_size=1) as database,
            database.reading() as session,
        ):
            is_live = any(worker.name == name for worker in workers.live(session))
    except TrainyardError as error:
        sys.exit(str(error))
    if not is_live:
        silence = formats.seconds(workers.SILENT_AFTER_S)
        sys.exit(f"Worker {name} is lost or stopped: no heartbeat in the last {silence}.")


if __name__ == "__main__":
    main()
