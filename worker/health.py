"""Whether this host's worker is well: `python -m worker.health` exits 0 if it was seen lately."""

from __future__ import annotations

import socket
import sys

from core import settings, workers
from core.database.engine import Database
from core.errors import TrainyardError
from core.workers import SILENT_AFTER_S


def main() -> None:
    """Exit with a sentence and status 1 where the worker is not well."""
    try:
        chosen = settings.load()
        name = chosen.worker_name or socket.gethostname()[:120]
        with (
            Database(chosen.database_address, pool_size=1) as database,
            database.reading() as session,
        ):
            is_live = any(worker.name == name for worker in workers.live(session))
    except TrainyardError as error:
        sys.exit(str(error))
    if not is_live:
        sys.exit(f"The worker {name} was not seen in the last {SILENT_AFTER_S:.0f} seconds.")


if __name__ == "__main__":
    main()
