"""A preset over several seeds: `python -m bench.presets quick 5`, or `make bench-quick`.

Trains without the platform, so that the numbers are of the preset alone.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from core import settings
from core.presets import resolve
from core.reports import EpochEnd, Report
from worker.devices import usable_cores
from worker.training import download
from worker.training.loop import train


def main(preset: str, seeds: int) -> None:
    torch.set_num_threads(usable_cores())
    data = settings.load().data_folder
    print(f"{datetime.now(UTC):%Y-%m-%d}, preset {preset}, CPU, {usable_cores()} threads")
    results = []
    for seed in range(seeds):
        spec = resolve(preset, {"seed": seed})
        download.ensure(spec.dataset, data, print)
        last: list[EpochEnd] = []

        def keep(report: Report, last: list[EpochEnd] = last) -> None:
            if isinstance(report, EpochEnd):
                last[:] = [report]

        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            train(
                spec,
                data=data,
                scratch=Path(scratch),
                device=torch.device("cpu"),
                report=keep,
                stop_asked=lambda: False,
            )
        results.append((last[0].test_accuracy, time.perf_counter() - began))
        print(f"seed {seed}: {results[-1][0]:.2%} in {results[-1][1]:.1f} s", flush=True)
    accuracies, seconds = zip(*results, strict=True)
    print(f"median: {statistics.median(accuracies):.2%} in {statistics.median(seconds):.1f} s")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
