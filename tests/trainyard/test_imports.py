"""The public names: each is there, and loads what it needs alone."""

import subprocess
import sys

import pytest

import trainyard

HEAVY = ("torch", "flask", "sqlalchemy", "celery", "core", "worker", "webui", "cli")


def loaded_after(program):
    """Which of the heavy packages a program in a fresh interpreter has loaded."""
    finished = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(finished.stdout.split()).intersection(HEAVY)


def test_importing_the_package_loads_neither_torch_nor_flask_nor_any_of_ours():
    assert loaded_after("import trainyard") == set()


@pytest.mark.parametrize("name", ["TrainingSpec", "preset", "Client"])
def test_a_name_that_trains_nothing_loads_no_torch(name):
    assert {"torch", "flask", "worker"} & loaded_after(f"from trainyard import {name}") == set()


def test_training_loads_no_database_broker_or_web():
    loaded = loaded_after("from trainyard import load, train")

    assert loaded == {"torch", "core", "worker"}


@pytest.mark.parametrize("name", trainyard.__all__)
def test_each_public_name_can_be_had_and_is_listed(name):
    assert getattr(trainyard, name).__module__
    assert name in dir(trainyard)


def test_each_public_name_has_a_home():
    assert sorted(trainyard._HOMES) == sorted(trainyard.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        trainyard.tarin  # noqa: B018


@pytest.mark.parametrize("name", ["load", "train"])
def test_without_torch_a_sentence_says_what_to_install(name):
    program = f"import sys; sys.modules['torch'] = None; from trainyard import {name}"

    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert finished.returncode != 0
    assert f"trainyard.{name} needs PyTorch" in finished.stderr
    assert "trainyard[worker]" in finished.stderr


def test_the_training_package_is_imported_without_torch():
    """The zygote listens for its worker's death before it imports torch."""
    assert "torch" not in loaded_after("import worker.training")
