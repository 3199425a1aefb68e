"""Several small runs on one device at once: `python -m bench.together 8`, or `make bench-together`.

First one process alone trains an epoch of the tutorial's run, then so many at once, each an epoch;
images a second of all of them together are compared. On a CPU all share the cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from core import settings
from worker.training import download

IMAGES = 60_000


class Contender:
    """A process of bench/contenders.py."""

    def __init__(self, data: Path, device: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.contenders", "engine", str(data), device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def train(self) -> float:
        """Train an epoch; return the seconds of training."""
        seconds = 0.0
        while True:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            seconds += answer["train_s"]
            if "evaluate_s" in answer:
                return seconds

    def end(self) -> None:
        """Leave nothing behind."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    data = settings.load().data_folder
    download.ensure("mnist", data, print)
    contenders = [Contender(data, chosen.device) for _ in range(chosen.runs)]
    try:
        contenders[0].train()  # warms up
        alone = IMAGES / contenders[0].train()
        print(f"one alone: {alone:,.0f} images/s", flush=True)
        with ThreadPoolExecutor(chosen.runs) as pool:
            list(pool.map(Contender.train, contenders[1:]))  # warms up
            began = time.perf_counter()
            list(pool.map(Contender.train, contenders))
            together = chosen.runs * IMAGES / (time.perf_counter() - began)
    finally:
        for contender in contenders:
            contender.end()
    print(f"{chosen.runs} together: {together:,.0f} images/s, {together / alone:.2f} times as many")


if __name__ == "__main__":
    main()
