"""Training without the platform."""

import re
import textwrap
from pathlib import Path

import pytest
import torch

from core.errors import InvalidInput
from core.spec.presets import PRESETS
from trainyard import TrainingSpec, preset, train, training
from worker.training.data import datasets

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.md"
QUICK = {"dataset": "digits", "model": {"channels": [4]}, "epochs": 2}


@pytest.fixture
def spec():
    return preset("quick", QUICK)


def test_five_lines_train_a_network(spec, data_folder):
    result = train(spec, data=data_folder, progress=False)

    assert len(result.epochs) == 2
    assert result.test_accuracy == result.epochs[-1].test_accuracy
    assert {path.suffix for path in result.folder.iterdir()} >= {".pt", ".onnx", ".safetensors"}


def test_the_lines_in_the_documentation_train_a_network_that_has_learned(data_folder, monkeypatch):
    monkeypatch.setenv("TRAINYARD_DATA", str(data_folder))
    found = re.search(r"(?m)^    from trainyard .*\n(?:(?:    .*)?\n)+", DOCUMENTATION.read_text())
    names = {}

    exec(textwrap.dedent(found[0]), names)

    assert names["result"].test_accuracy > 0.9


def test_a_preset_may_be_taken_as_it_is():
    assert preset("quick") == PRESETS["quick"].spec


def test_the_network_that_comes_back_is_the_one_that_was_measured(spec, data_folder):
    result = train(spec, data=data_folder, progress=False)

    _, test = datasets.load("digits", data_folder)
    images, labels = test.batch(torch.arange(len(test)))
    probabilities = result.predict(images)
    assert not result.network.training
    assert torch.allclose(probabilities.sum(1), torch.ones(len(test)))
    assert (probabilities.argmax(1) == labels).double().mean() == result.test_accuracy


def test_a_run_resumes_from_a_snapshot_to_the_same_bytes(spec, data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(training.loop, "SAVE_EPOCHS_EVERY_S", 0.0)
    undisturbed = train(spec, data=data_folder, folder=tmp_path / "undisturbed", progress=False)
    [first, *_] = sorted((tmp_path / "undisturbed").glob("resume-*.pt"))

    resumed = train(spec, data=data_folder, resume_from=first, progress=False)

    assert resumed.weights_sha256 == undisturbed.weights_sha256
    assert [end.epoch for end in resumed.epochs] == [2]


def test_the_progress_is_shown_or_not(spec, data_folder, capsys):
    train(spec, data=data_folder)
    shown = capsys.readouterr().out
    train(spec, data=data_folder, progress=False)
    hidden = capsys.readouterr().out

    assert "epoch 2/2 done" in shown
    assert hidden == ""


def test_what_is_not_here_is_refused_with_a_sentence(data_folder):
    with pytest.raises(InvalidInput, match="submit the run to a worker"):
        train(TrainingSpec(devices=2), data=data_folder)
    if not torch.cuda.is_available():
        with pytest.raises(InvalidInput, match="no CUDA GPU here"):
            train(TrainingSpec(device="cuda"), data=data_folder)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, "~/.trainyard/data"),
        ({"TRAINYARD_HOME": "/home"}, "/home/data"),
        ({"TRAINYARD_HOME": "/home", "TRAINYARD_DATA": "/sets"}, "/sets"),
    ],
)
def test_the_data_is_looked_for_where_the_platform_keeps_it(monkeypatch, variables, place):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert training._data_folder() == training.Path(place).expanduser()
