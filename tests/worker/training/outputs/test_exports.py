"""The published files: each loads back, and does what the network does."""

import hashlib
import json
import os
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import torch
from safetensors.torch import load_file, save

from core.datasets.builtin import DATASETS
from core.spec.presets import resolve
from worker.training.model.network import build, digest
from worker.training.outputs import exports
from worker.training.outputs.exports import Results, rebuild, write_all

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
RESULTS = Results(
    epoch=2,
    epochs=3,
    test_loss=0.25,
    test_accuracy=0.925,
    validation_loss=None,
    validation_accuracy=None,
    train_loss=0.125,
    device="CPU",
    precision="fp32",
    threads=1,
    reason=None,
)
NETWORKS = {
    "the tutorial's": {},
    "batch norm and dropout": {
        "model": {"channels": [4, 6, 8], "batch_norm": True, "dropout": 0.5, "stem": "stride"}
    },
    "normalized inside": {"data": {"normalize": True}, "model": {"channels": [4]}},
    "color": {"dataset": "cifar10", "model": {"kind": "resnet", "width": 4}},
    "small images": {"dataset": "digits", "model": {"kind": "mlp", "hidden": [16]}},
}


def trained(spec, seed=0):
    """A network whose batch norms have seen images, left in training mode."""
    dataset = DATASETS[spec.dataset]
    torch.manual_seed(seed)
    network = build(spec.model, dataset, normalize=spec.data.normalize)
    network = network.to(memory_format=torch.channels_last).train()
    for _ in range(3):
        network(images_of(spec, 16))
    return network


def images_of(spec, count):
    dataset = DATASETS[spec.dataset]
    shape = (count, dataset.channels, dataset.size, dataset.size)
    return torch.rand(shape).contiguous(memory_format=torch.channels_last)


def scores_of(network, images):
    network.eval()
    with torch.inference_mode():
        return network(images)


def write(spec, folder, network=None, results=RESULTS, warn=pytest.fail):
    folder.mkdir(exist_ok=True)
    network = trained(spec) if network is None else network
    return write_all(network, spec, folder, results, images_of(spec, 20), warn)


def written_but_for_onnx(spec, folder, network=None):
    """Why there was no ONNX file; all others must be there."""
    warnings = []
    _, files = write(spec, folder, network, warn=warnings.append)
    assert [file.format for file in files] == ["pt", "safetensors", "card.json", "card.md"]
    [why] = warnings
    return why


@pytest.fixture(params=NETWORKS)
def published(request, tmp_path):
    """A spec, its network, and its files by format."""
    spec = resolve("tutorial", NETWORKS[request.param])
    network = trained(spec)
    _, files = write(spec, tmp_path, network)
    return spec, network, {file.format: Path(file.path) for file in files}


def test_every_wanted_format_has_a_file_of_its_own(tmp_path):
    _, files = write(resolve("tutorial", {}), tmp_path)

    assert {file.format: file.filename for file in files} == {
        "pt": "mnist-cnn.pt",
        "safetensors": "mnist-cnn.safetensors",
        "onnx": "mnist-cnn.onnx",
        "card.json": "mnist-cnn.card.json",
        "card.md": "mnist-cnn.card.md",
    }
    assert {file.path for file in files} == {str(path) for path in tmp_path.iterdir()}
    assert all(file.path == str(tmp_path / file.filename) for file in files)


def test_what_is_not_wanted_is_not_written(tmp_path):
    spec = resolve("tutorial", {"publishing": {"safetensors": False, "onnx": False}})

    _, files = write(spec, tmp_path)

    assert [file.format for file in files] == ["pt", "card.json", "card.md"]
    assert len(list(tmp_path.iterdir())) == 3


def test_every_file_reaches_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor)))

    _, files = write(resolve("tutorial", {"dataset": "digits"}), tmp_path)

    assert [(stat.st_ino, stat.st_size) for stat in synced] == [
        (Path(file.path).stat().st_ino, Path(file.path).stat().st_size) for file in files
    ]


def test_a_pt_loads_without_running_code_and_gives_the_same_scores(published):
    spec, network, files = published

    saved = torch.load(files["pt"], weights_only=True)

    assert saved["format_version"] == 1
    assert saved["spec"] == spec.model_dump(mode="json")
    assert saved["weights_sha256"] == digest(saved["state_dict"])
    assert saved["metrics"] == {
        "epoch": 2,
        "train_loss": 0.125,
        "validation_loss": None,
        "validation_accuracy": None,
        "test_loss": 0.25,
        "test_accuracy": 0.925,
    }
    loaded = rebuild(saved["spec"])
    loaded.load_state_dict(saved["state_dict"])
    images = images_of(spec, 5).contiguous()
    torch.testing.assert_close(loaded(images), scores_of(network, images))


def test_safetensors_hold_the_same_weights_and_say_what_they_are(published):
    spec, network, files = published

    weights = load_file(files["safetensors"])

    torch.testing.assert_close(weights, dict(network.state_dict()), rtol=0, atol=0)
    with safetensors.safe_open(files["safetensors"], "pt") as file:
        facts = file.metadata()
    assert json.loads(facts["spec"]) == spec.model_dump(mode="json")
    assert json.loads(facts["classes"]) == list(DATASETS[spec.dataset].classes)
    in_order = {name: weights[name] for name in network.state_dict()}
    assert facts["weights_sha256"] == digest(in_order)
    loaded = rebuild(facts["spec"])
    loaded.load_state_dict(weights)
    images = images_of(spec, 5).contiguous()
    torch.testing.assert_close(loaded(images), scores_of(network, images))


@pytest.mark.parametrize("count", [1, 7])
def test_onnx_gives_the_same_scores_for_any_number_of_images(published, count):
    spec, network, files = published
    images = images_of(spec, count)

    session = onnxruntime.InferenceSession(files["onnx"], providers=["CPUExecutionProvider"])
    [scores] = session.run(["scores"], {"images": images.numpy()})

    torch.testing.assert_close(
        torch.from_numpy(scores), scores_of(network, images), rtol=1e-4, atol=1e-4
    )


def test_onnx_is_well_formed_and_says_what_it_is(published):
    spec, _, files = published

    model = onnx.load(files["onnx"])

    onnx.checker.check_model(model, full_check=True)
    facts = {each.key: each.value for each in model.metadata_props}
    assert json.loads(facts["spec"]) == spec.model_dump(mode="json")
    pt = torch.load(files["pt"], weights_only=True)
    assert facts["weights_sha256"] == pt["weights_sha256"]
    [taken], [given] = model.graph.input, model.graph.output
    assert (taken.name, given.name) == ("images", "scores")
    dataset = DATASETS[spec.dataset]
    sizes = [size.dim_value for size in taken.type.tensor_type.shape.dim]
    assert sizes == [0, dataset.channels, dataset.size, dataset.size]  # 0: any
    assert [size.dim_value for size in given.type.tensor_type.shape.dim] == [
        0,
        len(dataset.classes),
    ]


def test_torchvisions_network_is_exported_too(tmp_path):
    spec = resolve("tutorial", {"dataset": "digits", "model": {"kind": "resnet18"}})

    sha256, files = write(spec, tmp_path)

    assert files[0].filename == "digits-resnet18.pt"
    assert torch.load(files[0].path, weights_only=True)["weights_sha256"] == sha256


def test_the_network_stays_as_it_was(published, tmp_path):
    spec, network, _ = published
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layouts = [value.stride() for value in network.parameters()]
    random_state = torch.random.get_rng_state()
    examples = images_of(spec, 20)
    torch.random.set_rng_state(random_state)

    write_all(network, spec, tmp_path, RESULTS, examples, pytest.fail)

    assert all(module.training for module in network.modules())
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)
    assert [value.stride() for value in network.parameters()] == layouts
    assert all(value.requires_grad for value in network.parameters())
    assert torch.equal(torch.random.get_rng_state(), random_state)


def test_equal_runs_write_equal_bytes(tmp_path):
    spec = resolve("tutorial", {"dataset": "digits"})

    digests = {
        tuple(
            hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
            for file in write(spec, tmp_path / str(number))[1]
        )
        for number in range(5)
    }

    assert len(digests) == 1


def test_a_rewritten_header_leaves_the_tensors_where_the_library_expects_them():
    weights = {"a": torch.arange(3, dtype=torch.uint8), "b": torch.rand(5, 2)}
    for length in range(9):  # of the padding
        facts = {"spec": "x" * length}

        written = exports._safetensors(weights, facts)

        assert int.from_bytes(written[:8], "little") % 8 == 0
        torch.testing.assert_close(safetensors.torch.load(written), weights)
        assert written.endswith(save(weights)[-40:])


def test_an_export_that_gives_other_scores_is_refused(tmp_path, monkeypatch):
    spec = resolve("tutorial", {"dataset": "digits"})
    traced = exports.traced
    monkeypatch.setattr(
        exports, "traced", lambda _network, *given: traced(trained(spec, seed=1).eval(), *given)
    )

    why = written_but_for_onnx(spec, tmp_path)

    assert "away from the network's own, where 0.0001 is allowed" in why


def test_an_export_that_gives_scores_of_another_shape_is_refused(tmp_path, monkeypatch):
    spec = resolve("tutorial", {"dataset": "digits"})
    headless = trained(spec)[:-1].eval()
    traced = exports.traced
    monkeypatch.setattr(exports, "traced", lambda _network, *given: traced(headless, *given))

    assert "another shape" in written_but_for_onnx(spec, tmp_path)


def test_an_export_of_a_broken_network_is_refused(tmp_path):
    spec = resolve("tutorial", {"dataset": "digits"})
    network = trained(spec)
    network[0].weight.data.fill_(torch.nan)

    assert "nan away" in written_but_for_onnx(spec, tmp_path, network)


@pytest.mark.parametrize(("scale", "factor"), [(1e-3, 1.0), (1e3, 1000.0)])
def test_scores_above_1_may_differ_by_a_share_of_the_largest(tmp_path, monkeypatch, scale, factor):
    """What is allowed is 1e-4 for small scores, and 1e-4 of the largest for large ones."""
    spec = resolve("tutorial", {"dataset": "digits", "model": {"kind": "mlp", "hidden": [4]}})
    network = trained(spec)
    last = network[-1]
    largest = scores_of(network, images_of(spec, 20)).abs().max()
    last.weight.data *= scale / largest
    last.bias.data *= scale / largest
    traced = exports.traced

    def off(share):
        def shifted(given, *others):
            given[-1].bias.data += share * 1e-4 * factor
            data = traced(given, *others)
            given[-1].bias.data -= share * 1e-4 * factor
            return data

        return shifted

    monkeypatch.setattr(exports, "traced", off(0.5))
    write(spec, tmp_path, network)
    monkeypatch.setattr(exports, "traced", off(2))
    assert "away" in written_but_for_onnx(spec, tmp_path, network)


def test_an_exporter_that_breaks_costs_its_file_alone(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("an operator is unknown")

    monkeypatch.setattr(exports, "traced", broken)

    why = written_but_for_onnx(resolve("tutorial", {"dataset": "digits"}), tmp_path)

    assert "an operator is unknown" in why


def test_only_the_exporters_own_warning_is_hushed(tmp_path, monkeypatch):
    export = torch.onnx.export

    def loud(*given, **named):
        warnings.warn("another thing will be removed", DeprecationWarning, stacklevel=2)
        export(*given, **named)

    monkeypatch.setattr(torch.onnx, "export", loud)

    why = written_but_for_onnx(resolve("tutorial", {"dataset": "digits"}), tmp_path)

    assert "another thing" in why  # which the tests make an error


def test_a_disk_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    spec = resolve("tutorial", {"dataset": "digits"})

    with pytest.raises(OSError, match="No such file"):
        write_all(
            trained(spec), spec, tmp_path / "missing", RESULTS, images_of(spec, 4), pytest.fail
        )


@pytest.fixture
def mnist(tmp_path):
    """A folder with a few images in the place and shape of MNIST's."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part, count in (("train", 1), ("t10k", 40)):
        pixels = generator.integers(256, size=(count, 28, 28), dtype=np.uint8)
        labels = generator.integers(10, size=count, dtype=np.uint8)
        for kind, values in (("images-idx3", pixels), ("labels-idx1", labels)):
            sizes = np.array(values.shape, ">i4").tobytes()
            header = bytes([0, 0, 8, values.ndim]) + sizes
            (raw / f"{part}-{kind}-ubyte").write_bytes(header + values.tobytes())
    return raw.parents[1], torch.from_numpy(pixels), torch.from_numpy(labels)


@pytest.mark.parametrize("kind", ["onnx", "checkpoint"])
def test_the_examples_of_the_documentation_measure_the_files(
    tmp_path, mnist, monkeypatch, capsys, kind
):
    folder, pixels, labels = mnist
    spec = resolve("tutorial", {})
    network = trained(spec)
    _, files = write(spec, tmp_path / "files", network)
    [path] = [file.path for file in files if file.format == {"checkpoint": "pt"}.get(kind, kind)]
    found = scores_of(network, pixels[:, None] / 255).argmax(1)
    # as many as it finds, and some that it does not: no accuracy of chance
    labels = torch.where(torch.arange(40) < 31, found, (found + 1) % 10).byte()
    target = folder / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    target.write_bytes(target.read_bytes()[:8] + labels.numpy().tobytes())
    monkeypatch.setattr(sys, "argv", ["example", path, str(folder)])

    runpy.run_path(str(EXAMPLES / f"load_{kind}.py"))

    assert capsys.readouterr().out == "test accuracy 77.50%\n"
