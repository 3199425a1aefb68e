"""A form as commands: what is to be copied submits the same run."""

from __future__ import annotations

import json
import subprocess

import pytest
from click.testing import CliRunner

import trainyard
from cli.client import Client
from cli.main import main
from core.spec import presets
from core.spec.presets import PRESETS
from webui.forms.commands import commands

URL = "http://127.0.0.1:9"

ASKED = [
    {"name": "plain", "preset": "quick", "spec": {}},
    {"name": 'it\'s "quoted" $HOME', "preset": None, "spec": {"epochs": 3}},
    {"name": "-x", "preset": "best", "spec": {"model": {"channels": [8]}, "seed": 7}},
    {
        "name": "all of it",
        "preset": "tutorial",
        "spec": {
            "optimizer": {"kind": "adam", "learning_rate": 0.0005},
            "data": {"validation": 0.1, "subset": 1000, "normalize": True},
            "stopping": {"patience": 3},
            "schedule": {"kind": "one_cycle", "shape": "linear"},
        },
        "priority": -3,
        "queue": "night",
        "tags": ["a tag", "-b"],
        "seeds": ["0-4", 7],
    },
    {
        "name": "without",
        "preset": "best",
        "spec": {"regularization": {"gradient_clip": None, "ema": 0.0}, "model": {"kind": "mlp"}},
    },
]


@pytest.fixture
def sent(monkeypatch):
    """What the client of the API was asked to post."""
    bodies = []

    def post(_self, path, body=None):
        assert path == "/jobs"
        bodies.append(body)
        job = {"id": 1, "tags": ["seeds-1"]}
        return {"items": [job]} if body.get("seeds") else job

    monkeypatch.setattr(Client, "post", post)
    return bodies


def words_of(command):
    """The words of a command, as a shell reads them."""
    read = subprocess.run(
        ["bash", "-c", f"set -- {command}\nprintf '%s\\0' \"$@\""], capture_output=True, check=True
    )
    return read.stdout.decode().split("\0")[:-1]


def made(asked):
    spec = presets.resolve(asked["preset"], asked["spec"])
    return spec, commands(asked, spec, URL)


def same_run(body, asked, spec):
    assert presets.resolve(body.get("preset"), body.get("spec")) == spec
    assert body["name"] == asked["name"]
    for name, default in (("priority", 0), ("queue", "default"), ("tags", []), ("seeds", "")):
        given, wanted = body.get(name, default), asked.get(name, default)
        if name == "seeds" and isinstance(given, str):
            wanted = ",".join(str(each) for each in wanted)
        assert given == wanted


@pytest.mark.parametrize("asked", ASKED)
def test_the_terminal_command_submits_the_same_run(asked, sent, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    spec, shown = made(asked)
    program, *arguments = words_of(shown.terminal)
    assert program == "trainyard"

    answer = CliRunner().invoke(main, [*arguments, "--url", URL])

    assert answer.exit_code == 0, answer.output
    same_run(sent[0], asked, spec)


@pytest.mark.parametrize("asked", ASKED)
def test_the_python_submits_the_same_run(asked, sent):
    spec, shown = made(asked)

    exec(shown.python)

    same_run(sent[0], asked, spec)


@pytest.mark.parametrize("asked", ASKED)
def test_the_notebook_trains_the_same_spec(asked, monkeypatch):
    spec, shown = made(asked)
    trained = []
    monkeypatch.setattr(trainyard, "train", trained.append, raising=False)

    exec(shown.notebook, {})

    assert trained == [spec]


@pytest.mark.parametrize("asked", ASKED)
def test_curl_sends_the_same_run(asked):
    spec, shown = made(asked)
    words = words_of(shown.curl)

    assert words[1] == f"{URL}/api/v1/jobs"
    same_run(json.loads(words[words.index("-d") + 1]), asked, spec)


def test_only_what_differs_is_said():
    for name, preset in PRESETS.items():
        shown = commands({"name": "x", "preset": name}, preset.spec, URL)
        assert shown.terminal == f"trainyard submit \\\n  --preset {name} \\\n  --name=x"
