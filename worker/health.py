"""Whether this host's worker is well: `python -m worker.health` exits 0 if it was seen lately."""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime

from core import queries, settings
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
            seen = [w.last_heartbeat_at for w in queries.live_workers(session) if w.name == name]
    except TrainyardError as error:
        sys.exit(str(error))
    if not seen or (datetime.now(UTC) - max(seen)).total_seconds() > SILENT_AFTER_S:
        sys.exit(f"The worker {name} was not seen in the last {SILENT_AFTER_S:.0f} seconds.")


if __name__ == "__main__":
    main()
