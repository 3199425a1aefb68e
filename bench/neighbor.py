"""Runs beside busy processes: `make bench-neighbor`.

Each preset trains some batches alone, and beside one, two and four processes that do nothing but
compute; so does the tutorial's loop in plain PyTorch. What is told is milliseconds a step, and how
many times that is of the same alone.

- `plain`: the tutorial's loop, as bench/contenders.py has it.
- `shared`: the engine with every operation shared by all threads, as torch does it by itself.
- `shards`: the engine as it is (docs/decisions/0019-shards.md).

All contenders of one preset and one number of neighbors follow each other, round after round; the
median of the rounds is told.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from bench import contenders
from bench.busy import computing
from core import settings
from core.protocol.reports import EpochEnd, Report, Started
from core.spec.presets import resolve
from worker.cores import usable_cores
from worker.training.data import download
from worker.training.run import loop
from worker.training.run.context import RunContext
from worker.training.run.sharding import shard_count

WORK: dict[str, dict[str, Any]] = {
    "digits_seconds": {"epochs": 10},
    "quick": {"data": {"subset": 25_600}},
    "tutorial": {"data": {"subset": 6_400}, "epochs": 1},
    "best": {"data": {"subset": 3_840}, "epochs": 1},
}
"""What of each preset is trained: some seconds of work."""

LONGEST_S = 300.0


def step_ms(preset: str, contender: str, data: Path) -> float:
    """Train, in a process of its own; milliseconds a step."""
    command = [sys.executable, "-m", "bench.neighbor", "--one", preset, contender, str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _plain(data: Path) -> float:
    slices = contenders.tutorial(data, torch.device("cpu"))
    next(slices)  # warms up
    return 1000 * next(slices)["train_s"] / contenders.SLICE


def _engine(preset: str, data: Path, *, in_shards: bool) -> float:
    seconds, batches = 0.0, 0

    def take(report: Report) -> None:
        nonlocal seconds, batches
        if isinstance(report, Started):
            batches = report.batches * report.epochs
        elif isinstance(report, EpochEnd):
            seconds += report.seconds

    spec = resolve(preset, {"device": "cpu", **WORK[preset]})
    shards = shard_count if in_shards else lambda _: None
    with (
        tempfile.TemporaryDirectory() as scratch,
        mock.patch("worker.training.run.setup.shard_count", shards),
    ):
        loop.run(
            RunContext(
                spec=spec,
                data=data,
                scratch=Path(scratch),
                device=torch.device("cpu"),
                threads=usable_cores(),
                report=take,
            )
        )
    return 1000 * seconds / batches


def _one(preset: str, contender: str, data: Path) -> None:
    torch.set_num_threads(usable_cores())
    took = (
        _plain(data)
        if contender == "plain"
        else _engine(preset, data, in_shards=contender == "shards")
    )
    print(json.dumps(took))


def _measure(preset: str, busy: int, rounds: int, data: Path) -> dict[str, float]:
    names = ["shared", "shards"] + (["plain"] if preset == "tutorial" else [])
    seen: dict[str, list[float]] = {name: [] for name in names}
    with computing(busy):
        for _ in range(rounds):
            for name in names:
                seen[name].append(step_ms(preset, name, data))
    return {name: statistics.median(times) for name, times in seen.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("presets", nargs="*", default=list(WORK))
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        _one(chosen.one[0], chosen.one[1], Path(chosen.one[2]))
        return
    data = settings.load().data_folder
    for name in ("mnist", "digits"):
        download.ensure(name, data, print)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {chosen.rounds} rounds")
    print("\n| preset | contender | " + " | ".join(f"{n} beside" for n in chosen.busy) + " |")
    print("|---|---|" + "---|" * len(chosen.busy))
    for preset in chosen.presets:
        columns = [_measure(preset, busy, chosen.rounds, data) for busy in chosen.busy]
        for name, alone in columns[0].items():
            cells = [f"{each[name]:.1f} ms, {each[name] / alone:.2f} x" for each in columns]
            print(f"| {preset} | {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
