"""The contenders of bench/training.py: each a process that trains a slice at each request.

`python -m bench.contenders NAME DATA DEVICE THREADS` reads lines from its input. At each it trains
a slice of the tutorial's run (MNIST, batches of 64, SGD 0.1): a hundred batches, or what is left of
the epoch, and then it measures itself on the test set too. It answers with a JSON line: seconds of
training and, at the end of an epoch, of evaluation, the test accuracy, and the most memory so far.

- `tutorial`: the loop of the tutorial, as one writes it on the first day.
- `bare`: the same network as fast as a plain loop goes: the data in memory, ready to be computed
  with, channels last, a fused optimizer, nothing reported. The limit.
- `engine`: `worker.training.run.loop` with its reports and snapshots, without the platform.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets as torchvision_datasets
from torchvision import transforms

from core.protocol.reports import EpochEnd, Report, Started, StepMetrics
from core.spec.presets import resolve
from worker.training.data import datasets
from worker.training.run import loop
from worker.training.run.context import RunContext
from worker.training.run.memory import most_taken

Answer = dict[str, float]
EPOCHS = 1000
SLICE = 100
"""Batches."""


class Contender:
    """One of them, as the bench that tells it what to do sees it: `with` ends its process."""

    def __init__(self, name: str, data: Path, device: str, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.contenders", name, str(data), device, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def train_slice(self) -> Answer:
        """Have it train a slice, and return its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer: Answer = json.loads(self._process.stdout.readline())
        return answer

    def train_epoch(self) -> Answer:
        """Have it train slice after slice to the end of an epoch, and return what it all took."""
        row: Answer = {"train_s": 0.0}
        while not is_whole(row):
            row = added(row, self.train_slice())
        return row


def added(row: Answer, answer: Answer) -> Answer:
    """What the slices of an epoch have taken so far, with one more."""
    return row | answer | {"train_s": row["train_s"] + answer["train_s"]}


def is_whole(row: Answer) -> bool:
    """Whether its epoch is over."""
    return "evaluate_s" in row


def network() -> nn.Module:
    """The tutorial's network, written by hand."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 256, 5, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256 * 7 * 7, 10),
    )


def tutorial(data: Path, device: torch.device) -> Iterator[Answer]:
    """Per-sample transforms, a DataLoader, the loss read after each batch."""
    parts = [
        torchvision_datasets.MNIST(data, train=is_train, transform=transforms.ToTensor())
        for is_train in (True, False)
    ]
    train_loader = DataLoader(parts[0], batch_size=64, shuffle=True)
    test_loader = DataLoader(parts[1], batch_size=64)
    torch.manual_seed(0)
    model = network().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    while True:
        began = time.perf_counter()
        model.train()
        running_loss = 0.0
        for number, (images, labels) in enumerate(train_loader, 1):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            if number % SLICE == 0:
                yield _answer(time.perf_counter() - began, device)
                began = time.perf_counter()
        trained = time.perf_counter()
        model.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in test_loader:
                found = model(images.to(device)).argmax(1)
                correct += (found == labels.to(device)).sum().item()
        ended = time.perf_counter()
        yield _answer(trained - began, device, ended - trained, correct / len(parts[1]))


def bare(data: Path, device: torch.device) -> Iterator[Answer]:
    """Nothing but the network; on a GPU the whole step is captured as a graph."""
    images, labels = _ready(data, device, 0)
    test_images, test_labels = _ready(data, device, 1)
    torch.manual_seed(0)
    model = network().to(memory_format=torch.channels_last).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)

    def step(batch: torch.Tensor, truth: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            scores = model(batch)
        functional.cross_entropy(scores.float(), truth).backward()
        optimizer.step()

    take = _captured(step, images[:64], labels[:64]) if device.type == "cuda" else step
    while True:
        _wait(device)
        began = time.perf_counter()
        model.train()
        for number, chosen in enumerate(torch.randperm(len(images)).to(device).split(64), 1):
            (take if len(chosen) == 64 else step)(images[chosen], labels[chosen])
            if number % SLICE == 0:
                _wait(device)
                yield _answer(time.perf_counter() - began, device)
                began = time.perf_counter()
        _wait(device)
        trained = time.perf_counter()
        model.eval()
        with torch.inference_mode():
            scores = torch.cat([model(part) for part in test_images.split(500)])
        accuracy = (scores.argmax(1) == test_labels).double().mean().item()
        yield _answer(trained - began, device, time.perf_counter() - trained, accuracy)


def engine(data: Path, device: torch.device) -> Iterator[Answer]:
    """The engine; it pauses in some of its reports until the next request."""
    requests = _requests()
    at: dict[str, float] = {}

    def report(sent: Report) -> None:
        now = time.perf_counter()
        if isinstance(sent, StepMetrics) and sent.batch == at["batches"]:
            at["trained"] = now
        elif isinstance(sent, StepMetrics) and sent.batch % SLICE == 0:
            send_and_wait(_answer(now - at["began"], device))
        elif isinstance(sent, EpochEnd):
            trained = at["trained"] - at["began"]
            send_and_wait(_answer(trained, device, now - at["trained"], sent.test_accuracy))
        elif isinstance(sent, Started):
            at["batches"] = sent.batches

    def send_and_wait(answer: Answer) -> None:
        _send(answer)
        next(requests)
        at["began"] = time.perf_counter()

    changes = {"epochs": EPOCHS, "device": device.type}
    next(requests)
    at["began"] = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        loop.run(
            RunContext(
                spec=resolve("tutorial", changes),
                data=data,
                scratch=Path(scratch),
                device=device,
                report=report,
            )
        )
    yield from ()


def _ready(data: Path, device: torch.device, part: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = datasets.load("mnist", data)[part].to(device)
    return images.batch(torch.arange(len(images), device=device))


def _captured(
    step: Callable[[torch.Tensor, torch.Tensor], None], images: torch.Tensor, labels: torch.Tensor
) -> Callable[[torch.Tensor, torch.Tensor], None]:
    batch, truth = images.clone(), labels.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(batch, truth)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(batch, truth)

    def take(given: torch.Tensor, labels: torch.Tensor) -> None:
        batch.copy_(given)
        truth.copy_(labels)
        graph.replay()

    return take


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _answer(
    train: float, device: torch.device, evaluate: float | None = None, accuracy: float = 0.0
) -> Answer:
    answer = {"train_s": train, "memory_bytes": float(most_taken(device))}
    if evaluate is not None:  # the epoch is over
        answer |= {"evaluate_s": evaluate, "accuracy": accuracy}
    return answer


def _requests() -> Iterator[None]:
    for _ in sys.stdin:
        yield


def _send(answer: Answer) -> None:
    print(json.dumps(answer), flush=True)


CONTENDERS = {"tutorial": tutorial, "bare": bare, "engine": engine}


def main(name: str, data: str, device: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    answers = CONTENDERS[name](Path(data), torch.device(device))
    if name == "engine":
        next(answers, None)
        return
    for _ in _requests():
        _send(next(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
