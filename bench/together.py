"""Several small runs on one device at once: `python -m bench.together 8`, or `make bench-together`.

First one process alone trains an epoch of the tutorial's run, with all of the CPU's cores and then
with a slot's share of them; then so many at once, each with its share, as in a worker's slots.
Images a second of all of them together are compared with both.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import torch

from bench.contenders import Contender
from core import settings
from worker.cores import usable_cores
from worker.training.data import download

IMAGES = 60_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    data = settings.load().data_folder
    download.ensure("mnist", data, print)
    share = max(1, usable_cores() // chosen.runs)
    alone = {}
    for threads in dict.fromkeys((usable_cores(), share)):
        with Contender("engine", data, chosen.device, threads) as one:
            one.train_epoch()  # warms up
            alone[threads] = IMAGES / one.train_epoch()["train_s"]
        print(f"one alone, {threads} threads: {alone[threads]:,.0f} images/s", flush=True)
    with ExitStack() as stack:
        contenders = [
            stack.enter_context(Contender("engine", data, chosen.device, share))
            for _ in range(chosen.runs)
        ]
        with ThreadPoolExecutor(chosen.runs) as pool:
            list(pool.map(Contender.train_epoch, contenders))  # warms up
            began = time.perf_counter()
            list(pool.map(Contender.train_epoch, contenders))
            together = chosen.runs * IMAGES / (time.perf_counter() - began)
    print(f"{chosen.runs} together, {share} threads each: {together:,.0f} images/s")
    for threads, rate in alone.items():
        print(f"  {together / rate:.2f} times as many as one with {threads} threads")


if __name__ == "__main__":
    main()
