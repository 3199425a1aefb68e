"""Several small runs on one device at once: `python -m bench.together 8`, or `make bench-together`.

So many processes, each with a slot's share of the cores, as in a worker's slots. First one of them
trains an epoch of the tutorial's run while the others wait without computing; then all of them do
at once. Images a second of all together are compared with those of the one.

`--mps` does it once more with NVIDIA's Multi-Process Service, which lets kernels of several
processes run at the same moment; without it a GPU turns from one process to the next. The service
is started for it, in a folder of its own, and stopped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from bench.contenders import Contender
from core import settings
from worker.cores import usable_cores
from worker.training.data import download

IMAGES = 60_000
MPS = "nvidia-cuda-mps-control"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--mps", action="store_true")
    chosen = parser.parse_args()
    data = settings.load().data_folder
    download.ensure("mnist", data, print)
    measure(chosen.runs, data, chosen.device)
    if chosen.mps:
        with multi_process_service():
            print("\nWith the Multi-Process Service:")
            measure(chosen.runs, data, chosen.device)


def measure(runs: int, data: Path, device: str) -> None:
    """Train an epoch with one, then with all at once, and print their rates."""
    share = max(1, usable_cores() // runs)
    with ExitStack() as stack, ThreadPoolExecutor(runs) as pool:
        contenders = [
            stack.enter_context(Contender("engine", data, device, share)) for _ in range(runs)
        ]
        list(pool.map(Contender.train_epoch, contenders))  # warms up
        alone = IMAGES / contenders[0].train_epoch()["train_s"]
        began = time.perf_counter()
        list(pool.map(Contender.train_epoch, contenders))
        together = runs * IMAGES / (time.perf_counter() - began)
    print(f"one alone, {share} threads: {alone:,.0f} images/s")
    print(f"{runs} together, {share} threads each: {together:,.0f} images/s")
    print(f"  {together / alone:.2f} times as many", flush=True)


@contextmanager
def multi_process_service() -> Iterator[None]:
    """NVIDIA's Multi-Process Service for the processes that are started inside."""
    with tempfile.TemporaryDirectory() as folder:
        places = {
            "CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe",
            "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log",
        }
        for place in places.values():
            Path(place).mkdir()
        os.environ |= places
        subprocess.run([MPS, "-d"], check=True)
        try:
            yield
        finally:
            subprocess.run([MPS], input="quit\n", text=True, check=True)
            for place in places:
                del os.environ[place]


if __name__ == "__main__":
    main()
