"""What comparing many runs costs the server: `python -m bench.compare`, `make bench-compare`."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from core.database import engine
from core.database.engine import Database
from core.settings import Settings
from tests import longrun
from webui.app import create_app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), secret_key="for a bench alone")
        engine.upgrade(settings.database_address)
        with Database(settings.database_address) as database:
            ids = [
                longrun.write(database, chosen.samples, chosen.epochs, 0).lease.job_id
                for _ in range(chosen.runs)
            ]
        client = create_app(settings).test_client()
        address = "/compare?" + "&".join(f"run={each}" for each in ids)
        took = []
        for _ in range(12):
            began = time.perf_counter()
            answer = client.get(address)
            took.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {chosen.runs} runs of {chosen.samples} samples and "
        f"{chosen.epochs} epochs, SQLite: median {statistics.median(took[2:]):.0f} ms, "
        f"first {took[0]:.0f} ms, {len(answer.data) / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
