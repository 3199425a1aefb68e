"""The model card: what a published network is, how well it does, and how to load it.

One dictionary is written as JSON, for programs, and as Markdown, to be read. It names no time, host
or path, so equal runs have equal cards.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from core import formats, versions
from core.datasets.builtin import DATASETS
from core.datasets.info import DatasetInfo
from core.spec.hyperparameters import Data
from core.spec.shapes import summary
from core.spec.spec import TrainingSpec

FORMAT_VERSION = 1
PACKAGES = ("safetensors", "onnx", "onnxruntime")
"""Those that had a part in the files, besides torch and Trainyard."""

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """How a run went: losses are those of the spec, accuracies shares from 0 to 1."""

    epoch: int
    """The epoch whose weights are published."""
    epochs: int
    """The epochs that were trained."""
    test_loss: float
    test_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    train_loss: float
    device: str
    precision: str
    threads: int
    reason: str | None
    """Why the run ended before its last epoch, or None where it did not."""
    initial_sha256: str | None = None
    """SHA-256 of the published file with whose weights the run began; None: with random ones."""
    last: Content | None = None
    """The metrics of the last epoch, where its weights are not those that are published."""

    def metrics(self) -> dict[str, float | None]:
        """The metrics of the published weights."""
        return {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            "validation_loss": self.validation_loss,
            "validation_accuracy": self.validation_accuracy,
            "test_loss": self.test_loss,
            "test_accuracy": self.test_accuracy,
        }


@dataclass(frozen=True, slots=True)
class Published:
    """A file that is published with the card."""

    format: str
    filename: str
    size: int
    sha256: str


def content(
    spec: TrainingSpec, results: Results, weights_sha256: str, files: Sequence[Published]
) -> Content:
    """The card, as JSON.

    Args:
        spec: what was trained.
        results: how it went.
        weights_sha256: digest of the weights, whatever file they are in.
        files: the other files.
    """
    dataset = DATASETS[spec.dataset]
    return {
        "format_version": FORMAT_VERSION,
        "name": f"{spec.dataset}-{spec.model.kind}",
        "weights_sha256": weights_sha256,
        "metrics": results.metrics(),
        "input": _input(spec.data, dataset),
        "output": {
            "name": "scores",
            "dtype": "float32",
            "shape": ["count", len(dataset.classes)],
            "classes": list(dataset.classes),
        },
        "files": [asdict(file) for file in files],
        "loading": {file.format: _LOADING[file.format](file.filename) for file in files},
        "network": {"kind": spec.model.kind} | asdict(summary(spec.model, dataset)),
        "dataset": _dataset(spec.data, dataset),
        "training": {
            "epochs": results.epochs,
            "last_epoch": results.last,
            "reason": results.reason,
            "device": results.device,
            "precision": results.precision,
            "threads": results.threads,
            "initial_weights": results.initial_sha256,
        },
        "versions": _versions(),
        "spec": spec.model_dump(mode="json"),
    }


def _input(data: Data, dataset: DatasetInfo) -> Content:
    normalization = {"mean": list(dataset.mean), "std": list(dataset.std)}
    return {
        "name": "images",
        "dtype": "float32",
        "shape": ["count", dataset.channels, dataset.size, dataset.size],
        "range": [0.0, 1.0],
        "largest_pixel": dataset.largest_pixel,
        # the network begins with it: whoever did it too would do it twice
        "normalization_inside": normalization if data.normalize else None,
    }


def _dataset(data: Data, dataset: DatasetInfo) -> Content:
    count = data.subset or dataset.train_count
    validation_count = round(count * data.validation)
    return {
        "name": dataset.name,
        "title": dataset.title,
        "description": dataset.description,
        "source": dataset.source,
        "license": dataset.license,
        "train_count": count - validation_count,
        "validation_count": validation_count,
        "test_count": dataset.test_count,
        "mean": list(dataset.mean),
        "std": list(dataset.std),
    }


def _versions() -> dict[str, str]:
    # torch's own word, which names its build too
    first = {"python": platform.python_version(), "torch": str(torch.__version__)}
    first["trainyard"] = versions.own()
    return first | {name: versions.of_package(name) or versions.NOT_INSTALLED for name in PACKAGES}


def _load(filename: str) -> str:
    return f"""\
from trainyard import load
network = load("{filename}")
scores = network(images)  # images: a tensor
"""


def _load_onnx(filename: str) -> str:
    return f"""\
import onnxruntime
session = onnxruntime.InferenceSession("{filename}", providers=["CPUExecutionProvider"])
[scores] = session.run(None, {{"images": images}})  # images: a NumPy array
"""


_LOADING = {"pt": _load, "safetensors": _load, "onnx": _load_onnx}


def markdown(card: Content) -> str:
    """The card as Markdown.

    Args:
        card: as `content` returned it.
    """
    parts = (
        f"# {card['name']}",
        *_headline(card),
        "## What goes in, what comes out",
        _list(_interface(card)),
        "## How to load it",
        *_loading(card),
        "## How well it does",
        _measured(card["metrics"], card["dataset"], card["spec"]["loss"]),
        "## Files",
        _table(
            ("File", "Bytes", "SHA-256"),
            ((f["filename"], formats.whole(f["size"]), f"`{f['sha256']}`") for f in card["files"]),
        ),
        f"SHA-256 of the weights, whatever file they are in: `{card['weights_sha256']}`",
        "## The network",
        _network(card["network"]),
        "## The images",
        _list(_images(card["dataset"])),
        "## How it was trained",
        _list(_training(card)),
        _code("json", json.dumps(card["spec"], indent=2) + "\n"),
    )
    return "\n\n".join(parts) + "\n"


def _headline(card: Content) -> Iterator[str]:
    dataset, metrics = card["dataset"], card["metrics"]
    parameters = formats.whole(card["network"]["parameters"])
    yield (
        f"A network (`{card['network']['kind']}`, {parameters} parameters) "
        f"that tells the {len(card['output']['classes'])} classes of {dataset['title']} apart. "
        f"It finds the class of {formats.percent(metrics['test_accuracy'])} of the "
        f"{formats.whole(dataset['test_count'])} test images."
    )


def _interface(card: Content) -> Iterator[str]:
    taken, given = card["input"], card["output"]
    yield (
        f"`{taken['name']}`: {taken['dtype']} {_shape(taken['shape'])}, with pixels from 0 to 1: "
        f"divide those of the dataset, from 0 to {taken['largest_pixel']}, by "
        f"{taken['largest_pixel']}."
    )
    if inside := taken["normalization_inside"]:
        yield (
            f"The network itself subtracts the mean {_numbers(inside['mean'])} and divides by the "
            f"standard deviation {_numbers(inside['std'])}: do not do it before."
        )
    else:
        yield "There is no other normalization."
    yield (
        f"`{given['name']}`: {given['dtype']} {_shape(given['shape'])}, one for each class. The "
        "highest names the class"
        # scores of a hinge loss are no logarithms of probabilities
        + (
            ", and the softmax of all gives probabilities."
            if card["spec"]["loss"] == "cross_entropy"
            else "."
        )
    )
    classes = ", ".join(f"{place} {name}" for place, name in enumerate(given["classes"]))
    if given["classes"] == [str(place) for place in range(len(given["classes"]))]:
        classes = f"the digits 0 to {len(given['classes']) - 1}"
    yield f"Classes, in their order: {classes}."


def _loading(card: Content) -> Iterator[str]:
    for file in card["files"]:
        yield f"### {file['filename']}"
        yield _code("python", card["loading"][file["format"]])


def _measured(metrics: Content, dataset: Content, loss_name: str) -> str:
    rows = [
        ("Test", dataset["test_count"], metrics["test_accuracy"], metrics["test_loss"]),
        (
            "Validation",
            dataset["validation_count"],
            metrics["validation_accuracy"],
            metrics["validation_loss"],
        ),
        ("Training, as the weights changed", dataset["train_count"], None, metrics["train_loss"]),
    ]
    return _table(
        ("Images", "Count", "Accuracy", f"Loss ({loss_name})"),
        (
            (
                name,
                formats.whole(count),
                "" if accuracy is None else formats.percent(accuracy),
                formats.number(loss),
            )
            for name, count, accuracy, loss in rows
            if loss is not None
        ),
    )


def _network(network: Content) -> str:
    total = ("**Total**", "", network["parameters"], network["multiply_adds"])
    blocks = [
        (b["name"], _shape(b["shape"]), b["parameters"], b["multiply_adds"])
        for b in network["blocks"]
    ]
    return _table(
        ("Layer", "What comes out", "Parameters", "MACs"),
        (
            (name, shape, formats.whole(size), formats.whole(work))
            for name, shape, size, work in [*blocks, total]
        ),
    )


def _images(dataset: Content) -> Iterator[str]:
    yield f"{dataset['title']}: {dataset['description']}"
    kept = dataset["validation_count"]
    yield (
        f"Trained on {formats.whole(dataset['train_count'])} images, "
        + (f"with {formats.whole(kept)} kept apart as a validation split, " if kept else "")
        + f"tested on {formats.whole(dataset['test_count'])}."
    )
    yield (
        f"Mean {_numbers(dataset['mean'])}, standard deviation {_numbers(dataset['std'])}, of the "
        "training images' pixels from 0 to 1."
    )
    yield f"Source: {dataset['source']}"
    yield f"License: {dataset['license']}"


def _training(card: Content) -> Iterator[str]:
    training, planned = card["training"], card["spec"]["epochs"]
    yield (
        f"The weights are those of epoch {card['metrics']['epoch']}; {training['epochs']} of "
        f"{planned} epochs were done."
    )
    if last := training["last_epoch"]:
        yield (
            f"The last one, epoch {last['epoch']}, is not published: its test accuracy was "
            f"{formats.percent(last['test_accuracy'])}, that of the published weights is "
            f"{formats.percent(card['metrics']['test_accuracy'])}."
        )
    if training["initial_weights"]:
        yield (
            "It began with the weights of another run, not with random ones; SHA-256 of their "
            f"file: `{training['initial_weights']}`."
        )
    if training["reason"]:
        yield f"Why it ended there: {training['reason']}"
    yield (
        f"On {training['device']}, in {training['precision']}, with {training['threads']} CPU "
        f"thread{'s' if training['threads'] > 1 else ''}."
    )
    yield "Versions: " + ", ".join(f"{name} {of}" for name, of in card["versions"].items()) + "."
    yield "By this spec:"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right, as numbers are."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}```"


def _shape(shape: Sequence[int | str]) -> str:
    return f"({', '.join(str(size) for size in shape)})"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(formats.number(value) for value in values)
