"""Presets over several seeds: `python -m bench.presets quick --seeds 5`, or `make bench-presets`.

Trains without the platform, so that the numbers are of the preset alone. What it finds is added to
`bench/out/presets.json`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from core import settings
from core.spec.presets import PRESETS, resolve
from trainyard import train
from worker.cores import usable_cores

OUT = Path(__file__).parent / "out" / "presets.json"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("presets", nargs="+", choices=list(PRESETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(usable_cores())
    data = settings.load().data_folder
    print(f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} threads")
    for preset in chosen.presets:
        results = []
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            began = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                result = train(
                    resolve(preset, {"seed": seed}), data=data, folder=folder, progress=False
                )
            results.append((result.test_accuracy, time.perf_counter() - began))
            _keep(preset, seed, *results[-1])
            print(
                f"{preset}, seed {seed}: {results[-1][0]:.2%} in {results[-1][1]:.1f} s", flush=True
            )
        accuracies, seconds = zip(*results, strict=True)
        print(
            f"{preset}, median of {len(results)}: {statistics.median(accuracies):.2%} in "
            f"{statistics.median(seconds):.1f} s"
        )


def _keep(preset: str, seed: int, accuracy: float, seconds: float) -> None:
    kept = json.loads(OUT.read_text()) if OUT.exists() else []
    row = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "preset": preset,
        "seed": seed,
        "accuracy": accuracy,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps([*kept, row], indent=1) + "\n")


if __name__ == "__main__":
    main()
