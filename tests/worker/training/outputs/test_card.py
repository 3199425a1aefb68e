"""The model card: it describes the files beside it truly, and how to load them."""

import hashlib
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.datasets.builtin import DATASETS
from core.spec.hyperparameters import Data
from core.spec.presets import resolve
from tests.worker.training.outputs.test_exports import RESULTS, images_of, scores_of, trained, write
from worker.training.data import datasets
from worker.training.outputs import card

FORMATS = ["pt", "safetensors", "onnx"]
NORMALIZED = {"data": {"normalize": True, "validation": 0.1, "subset": 1000}}


def cards(files):
    """The card of written files, as JSON and as Markdown."""
    texts = {file.format: Path(file.path).read_text() for file in files if "card" in file.format}
    return json.loads(texts["card.json"]), texts["card.md"]


def code_of(markdown, filename):
    """The Python under the heading of a file."""
    [code] = re.findall(
        rf"^### {re.escape(filename)}\n\n```python\n(.*?)```", markdown, re.DOTALL | re.MULTILINE
    )
    return code


def flat(markdown):
    return " ".join(markdown.split())


@pytest.mark.parametrize("changes", [{}, NORMALIZED], ids=["plain", "normalized"])
def test_its_digests_and_sizes_are_those_of_the_files(tmp_path, changes):
    sha256, files = write(resolve("tutorial", changes), tmp_path)

    content, markdown = cards(files)

    assert content["weights_sha256"] == sha256
    assert content["files"] == [
        {
            "format": file.format,
            "filename": file.filename,
            "size": Path(file.path).stat().st_size,
            "sha256": hashlib.sha256(Path(file.path).read_bytes()).hexdigest(),
        }
        for file in files
        if "card" not in file.format
    ]
    assert all(file["sha256"] in markdown for file in content["files"])
    assert sha256 in markdown


@pytest.mark.parametrize(
    "changes",
    [
        {},
        NORMALIZED,
        {"dataset": "cifar10", "model": {"kind": "resnet", "width": 4}},
        {"dataset": "digits", "model": {"kind": "mlp"}},
    ],
    ids=["the tutorial's", "normalized", "resnet", "mlp"],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_the_lines_that_load_a_file_do_so(tmp_path, monkeypatch, changes, kind):
    spec = resolve("tutorial", changes)
    network = trained(spec)
    _, files = write(spec, tmp_path, network)
    content, markdown = cards(files)
    images = images_of(spec, 3).contiguous()
    monkeypatch.chdir(tmp_path)

    code = code_of(markdown, f"{content['name']}.{kind}")
    names = {"images": images.numpy() if kind == "onnx" else images}
    exec(code, names)

    assert code == content["loading"][kind]
    assert len(code.splitlines()) <= 6
    scores = torch.as_tensor(names["scores"])
    torch.testing.assert_close(scores.detach(), scores_of(network, images), rtol=1e-4, atol=1e-4)


def test_it_tells_of_no_file_that_is_not_there(tmp_path):
    spec = resolve("tutorial", {"publishing": {"safetensors": False, "onnx": False}})

    content, markdown = cards(write(spec, tmp_path)[1])

    assert list(content["loading"]) == ["pt"]
    assert "mnist-cnn.safetensors" not in markdown
    assert "mnist-cnn.onnx" not in markdown


def test_it_holds_what_the_run_was(tmp_path):
    spec = resolve("tutorial", NORMALIZED)
    results = replace(RESULTS, validation_loss=0.5, validation_accuracy=0.8, reason="Time was up.")

    content, markdown = cards(write(spec, tmp_path, results=results)[1])

    assert content["spec"] == spec.model_dump(mode="json")
    assert content["metrics"] == results.metrics()
    assert content["training"] == {
        "epochs": 3,
        "last_epoch": None,
        "reason": "Time was up.",
        "device": "CPU",
        "precision": "fp32",
        "threads": 1,
        "initial_weights": None,
    }
    assert content["versions"]["torch"] == torch.__version__
    assert list(content["versions"])[:3] == ["python", "torch", "trainyard"]
    assert "| Validation | 100 | 80.00% | 0.5000 |" in markdown
    assert "| Test | 10,000 | 92.50% | 0.2500 |" in markdown
    assert "The weights are those of epoch 2; 3 of 10 epochs were done." in markdown
    assert "Why it ended there: Time was up." in markdown
    assert json.loads(re.search(r"```json\n(.*?)```", markdown, re.DOTALL)[1]) == content["spec"]


def test_it_tells_how_the_last_epoch_did_where_another_is_published(tmp_path):
    last = RESULTS.metrics() | {"epoch": 3, "test_accuracy": 0.9}
    results = replace(RESULTS, epoch=2, last=last)

    content, markdown = cards(write(resolve("tutorial", {}), tmp_path, results=results)[1])

    assert content["metrics"]["epoch"] == 2
    assert content["training"]["last_epoch"] == last
    assert (
        "The last one, epoch 3, is not published: its test accuracy was 90.00%, that of the "
        "published weights is 92.50%." in flat(markdown)
    )


def test_what_was_not_measured_is_not_in_its_table(tmp_path):
    content, markdown = cards(write(resolve("tutorial", {}), tmp_path)[1])

    assert content["metrics"]["validation_loss"] is None
    assert "Validation" not in markdown
    assert "Why it ended there" not in markdown


def test_it_calls_scores_probabilities_only_where_they_are(tmp_path):
    for loss, is_stated in (("cross_entropy", True), ("multi_margin", False)):
        markdown = cards(write(resolve("tutorial", {"loss": loss}), tmp_path)[1])[1]

        assert ("gives probabilities" in markdown) is is_stated
        assert f"Loss ({loss})" in markdown


def test_it_counts_the_weights_that_are_trained(tmp_path):
    spec = resolve("tutorial", {"model": {"batch_norm": True}})
    network = trained(spec)

    content, markdown = cards(write(spec, tmp_path, network)[1])

    count = sum(weight.numel() for weight in network.parameters())
    assert content["network"]["parameters"] == count
    assert f"{count:,} parameters" in markdown


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_it_says_what_the_images_are_and_how_they_must_look(dataset):
    spec = resolve("tutorial", {"dataset": dataset.name, "model": {"channels": [4]}})

    content = card.content(spec, RESULTS, "0" * 64, [])
    markdown = flat(card.markdown(content))

    assert content["input"] == {
        "name": "images",
        "dtype": "float32",
        "shape": ["count", dataset.channels, dataset.size, dataset.size],
        "range": [0.0, 1.0],
        "largest_pixel": dataset.largest_pixel,
        "normalization_inside": None,
    }
    assert content["output"]["classes"] == list(dataset.classes)
    for fact in (dataset.title, dataset.description, dataset.license, dataset.source):
        assert fact in markdown
    assert all(name in markdown for name in dataset.classes if not name.isdigit())
    assert f"by {dataset.largest_pixel}." in markdown
    assert "There is no other normalization." in markdown


def test_it_says_that_the_network_normalizes_by_itself():
    spec = resolve("tutorial", {"dataset": "cifar10", **NORMALIZED})
    dataset = DATASETS["cifar10"]

    content = card.content(spec, RESULTS, "0" * 64, [])

    assert content["input"]["normalization_inside"] == {
        "mean": list(dataset.mean),
        "std": list(dataset.std),
    }
    assert "do not do it before" in card.markdown(content)


@pytest.mark.parametrize("data", [Data(), Data(subset=101), Data(subset=101, validation=0.5)])
def test_it_counts_the_images_that_were_trained_on(data_folder, data):
    changes = {"dataset": "digits", "data": data.model_dump(), "batch_size": 10}
    spec = resolve("tutorial", changes)
    images, _ = datasets.load("digits", data_folder)
    train, validation = datasets.split(
        images, subset=data.subset, validation=data.validation, seed=0, classes=10
    )

    described = card.content(spec, RESULTS, "0" * 64, [])["dataset"]

    assert described["train_count"] == len(train)
    assert described["validation_count"] == len(validation or ())


def test_a_package_that_is_not_installed_is_called_so(monkeypatch):
    monkeypatch.setattr(card.versions, "of_package", lambda name: None)
    content = card.content(resolve("tutorial", {}), RESULTS, "0" * 64, [])

    assert content["versions"]["trainyard"] == "not installed"
    assert content["versions"]["onnx"] == "not installed"


def test_it_names_no_folder_and_its_tables_are_whole(tmp_path):
    spec = resolve("tutorial", {})

    content, markdown = cards(write(spec, tmp_path)[1])

    assert str(tmp_path) not in json.dumps(content) + markdown
    lines = markdown.splitlines()
    for before, line in itertools.pairwise(lines):
        if line.startswith("|") and before.startswith("|"):
            assert line.count(" | ") == before.count(" | ")
