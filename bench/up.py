"""How long `trainyard up` takes: `make bench-up`.

Each round starts it in an empty home folder, as somebody does for the first time, and once more in
the home that it left. What is told: seconds from the command to the first answer of the dashboard,
to its being ready (tables and broker are there), and to a worker that is live.

`--tree FOLDER` times the programs of another checkout instead, one after the other with this one.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from cli.stack.ports import free_port

HERE = Path(__file__).parents[1]
LOOK_EVERY_S = 0.01
PATIENCE_S = 120.0
STOP_TIMEOUT_S = 60.0

MOMENTS = ("dashboard answers", "ready", "worker is live")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tree", type=Path, help="a checkout to time beside this one")
    options = parser.parse_args()
    trees = [each for each in (options.tree, HERE) if each]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {options.rounds} rounds, seconds: median (each)")
    seen: dict[tuple[Path, str], list[list[float]]] = {}
    for _ in range(options.rounds):
        for tree in trees:
            with tempfile.TemporaryDirectory() as home:
                for when in ("empty home", "again"):
                    seen.setdefault((tree, when), []).append(moments(tree, Path(home)))
    for (tree, when), rounds in seen.items():
        print(f"\n{tree.name}, {when}")
        for name, times in zip(MOMENTS, zip(*rounds, strict=True), strict=True):
            each = ", ".join(f"{time_s:.2f}" for time_s in times)
            print(f"  {name:20}{statistics.median(times):6.2f}  ({each})")


def moments(tree: Path, home: Path) -> list[float]:
    """Seconds until each of `MOMENTS`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    with _up(tree, home, port) as process:
        return [
            _wait(process, happened, began)
            for happened in (
                lambda: _answers(f"{url}/healthz"),
                lambda: _answers(f"{url}/readyz"),
                lambda: _has_worker(url),
            )
        ]


@contextmanager
def _up(tree: Path, home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    chosen = {"TRAINYARD_HOME": str(home), "TRAINYARD_PORT": str(port), "PYTHONPATH": str(tree)}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRAINYARD_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up"],
        cwd=tree,
        env=inherited | chosen,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)


def _wait(process: subprocess.Popen[bytes], happened: Callable[[], bool], began: float) -> float:
    while not happened():
        if process.poll() is not None:
            raise SystemExit(f"`trainyard up` ended with status {process.returncode}.")
        if time.perf_counter() - began > PATIENCE_S:
            raise SystemExit(f"`trainyard up` was not there after {PATIENCE_S:.0f} s.")
        time.sleep(LOOK_EVERY_S)
    return time.perf_counter() - began


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _has_worker(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/api/v1/workers", timeout=5, trust_env=False)
    except httpx.TransportError:
        return False
    items: Sequence[dict[str, object]] = answer.json()["items"] if answer.is_success else []
    return any(each.get("is_live", True) for each in items)


if __name__ == "__main__":
    main()
