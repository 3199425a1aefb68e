"""`load` rebuilds the network of a file that a run published, and refuses every other file."""

import json

import pytest
import safetensors.torch
import torch

from core.spec.presets import resolve
from tests.worker.training.outputs.test_exports import (
    NETWORKS,
    images_of,
    scores_of,
    trained,
    write,
)
from trainyard import NotACheckpoint, load

KINDS = ["pt", "safetensors"]


@pytest.fixture
def published(tmp_path):
    """The files of the tutorial's network, by format."""
    _, files = write(resolve("tutorial", {"model": {"channels": [4]}}), tmp_path)
    return {file.format: tmp_path / file.filename for file in files}


@pytest.mark.parametrize("changes", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_network_gives_the_scores_of_the_one_that_was_trained(tmp_path, changes, kind):
    spec = resolve("tutorial", changes)
    network = trained(spec)
    _, files = write(spec, tmp_path, network)
    [path] = [tmp_path / file.filename for file in files if file.format == kind]

    loaded = load(path)

    images = images_of(spec, 5).contiguous()
    assert not loaded.training
    torch.testing.assert_close(
        loaded(images).detach(), scores_of(network, images), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_known_by_its_content_and_may_be_named_by_text(published, kind):
    renamed = published[kind].rename(published[kind].with_name("weights.download"))

    assert not load(str(renamed)).training


def test_a_file_whose_spec_has_the_names_of_an_earlier_release_is_loaded(published):
    saved = torch.load(published["pt"], weights_only=True)
    saved["spec"]["accumulation"] = saved["spec"].pop("micro_batches")
    torch.save(saved, published["pt"])

    assert not load(published["pt"]).training


@pytest.mark.parametrize(
    ("kind", "words"),
    [("onnx", "Run it with onnxruntime"), ("card.json", "no checkpoint"), ("card.md", "no check")],
)
def test_the_other_files_of_a_run_are_refused(published, kind, words):
    with pytest.raises(NotACheckpoint, match=words):
        load(published[kind])


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", b"PK\x03\x04" + b"x" * 100])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "other.pt").write_bytes(content)

    with pytest.raises(NotACheckpoint, match=r"no checkpoint|damaged"):
        load(tmp_path / "other.pt")


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_file_is_refused(published, kind):
    whole = published[kind].read_bytes()
    published[kind].write_bytes(whole[: len(whole) // 2])

    with pytest.raises(NotACheckpoint, match="damaged"):
        load(published[kind])


@pytest.mark.parametrize("content", [torch.zeros(1), {"state_dict": {}}, [1, 2]])
def test_another_file_of_pytorch_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")

    with pytest.raises(NotACheckpoint, match="not of a run of Trainyard's"):
        load(tmp_path / "other.pt")


class Pickled:
    """What no file of ours holds."""


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"state_dict": {}, "spec": Pickled()}, tmp_path / "code.pt")

    with pytest.raises(NotACheckpoint, match="no checkpoint of Trainyard's"):
        load(tmp_path / "code.pt")


def test_other_weights_as_safetensors_are_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(safetensors.torch.save({"w": torch.zeros(1)}))

    with pytest.raises(NotACheckpoint, match="not of a run"):
        load(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda saved: saved.update(format_version=99), "later release"),
        (lambda saved: saved["spec"].update(of_a_later_release=1), "later one"),
        (lambda saved: saved["spec"].update(dataset="of a later release"), "later one"),
        (lambda saved: saved["spec"]["model"].update(channels=[5]), "do not fit"),
        (lambda saved: next(iter(saved["state_dict"].values())).add_(1), "not those that were"),
    ],
)
def test_a_file_that_was_changed_or_is_of_a_later_release_says_which(published, change, words):
    saved = torch.load(published["pt"], weights_only=True)
    change(saved)
    torch.save(saved, published["pt"])

    with pytest.raises(NotACheckpoint, match=words):
        load(published["pt"])


def test_the_spec_in_a_safetensors_file_may_be_of_a_later_release(published):
    weights = safetensors.torch.load_file(published["safetensors"])
    facts = {"spec": json.dumps({"of_a_later_release": 1}), "weights_sha256": "0" * 64}
    published["safetensors"].write_bytes(safetensors.torch.save(weights, facts))

    with pytest.raises(NotACheckpoint, match="later one"):
        load(published["safetensors"])


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.pt")
