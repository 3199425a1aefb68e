"""A worker that counts its statements: `python -m bench.counted FILE`, for bench/idle.py."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from worker import __main__ as worker

WRITE_EVERY_S = 0.5


def main() -> None:
    path = Path(sys.argv.pop(1))
    counts: Counter[str] = Counter()

    @event.listens_for(Engine, "before_cursor_execute")
    def _count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("BEGIN"):  # SQLite's, sent by ourselves
            return
        by = "poller" if threading.current_thread().name == "poller" else "run"
        counts[by] += 1

    def write() -> None:
        while True:
            scratch = path.with_suffix(".part")
            scratch.write_text(f"{counts['poller']} {counts['run']}")
            scratch.replace(path)
            threading.Event().wait(WRITE_EVERY_S)

    threading.Thread(target=write, daemon=True).start()
    worker.main()


if __name__ == "__main__":
    main()
