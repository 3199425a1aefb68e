"""A storm of faults over many short runs, then the checker: `python -m tests.faults.chaos`.

Real workers, trainers, Redis and PostgreSQL (or SQLite). Every few seconds a fault is drawn from
the list; which, when and upon whom follows from the seed (what it meets depends on the moment).
Workers that die are started again, as a service manager would do. When all faults have been done,
everything must come to its end; then `checker.py` reads database and blobs, and every run's weights
and epochs are compared with those of an undisturbed run of the same spec.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.storm.report import Report
from tests.faults.storm.stack import Stack
from tests.faults.storm.storm import FAULTS, JOBS, Storm


def main() -> None:
    """Rage, wait for the end, and say what is left; 1 where something is wrong."""
    chosen = _chosen()
    began = time.monotonic()
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        stack = Stack(chosen, folder, opened)
        storm = Storm(chosen, stack)
        try:
            storm.submit()
            storm.rage()
            storm.wait_for_the_end()
        finally:
            stack.stop()
        head = (
            f"{chosen.database}, seed {chosen.seed}, {chosen.workers} workers, "
            f"{time.monotonic() - began:.0f} s"
        )
        is_well = Report(storm, stack).write(head)
        sys.exit(0 if is_well and storm.done.total() >= chosen.faults else 1)


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A storm of faults, then the checker.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=JOBS, help="1000 for the large storm")
    parser.add_argument("--faults", type=int, default=FAULTS, help="600 for the large storm")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between faults, about")
    parser.add_argument("--epochs", type=int, default=180)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    return parser.parse_args()


if __name__ == "__main__":
    main()
