"""Reading `--set field=value`, and the options that are made from the spec."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.commands import options
from cli.main import main
from core.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("3", 3),
        ("1e-3", 0.001),
        ("true", True),
        ("True", True),
        ("yes", True),
        ("no", False),
        ("8,16", [8, 16]),
        ("8,", [8]),
        ("8, x", [8, "x"]),
        ("[8]", [8]),
        ("null", None),
        ("adam", "adam"),
        ("", ""),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
    ],
)
def test_a_value_is_read_as_a_person_means_it(text, value):
    assert options.read_value(text) == value


@given(st.text())
def test_any_text_is_read_as_a_value_that_json_can_hold(text):
    value = options.read_value(text)

    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_assignments_come_after_options_and_may_hold_an_equals_sign():
    spec = options.read_spec(["epochs = 3", "name=a=b"], {"epochs": "2", "model.dropout": "0.5"})

    assert spec == {"epochs": 3, "name": "a=b", "model": {"dropout": 0.5}}


@pytest.mark.parametrize("assignment", ["epochs", "=3", " =3", ""])
def test_what_is_no_assignment_is_refused(assignment):
    with pytest.raises(InvalidInput, match="field=value"):
        options.read_spec([assignment], {})


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("stopping.patience", "none", None),
        ("stopping.patience", "", None),
        ("stopping.patience", "3", 3),
        ("stopping.patience", "null", None),
        ("regularization.mix", "none", "none"),
        ("optimizer.learning_rate", "0,05", 0.05),
        ("epochs", "1.000", "1.000"),
        ("epochs", "1_0", "1_0"),
        ("epochs", "1e1", 10),
        ("optimizer.learning_rate", "1e999", "1e999"),
        ("model.channels", "8,16", [8, 16]),
        ("model.channels", "8; 16", [8, 16]),
        ("model.channels", "[8, 16]", [8, 16]),
        ("model.kernel_size", "5", 5),
        ("epochs", "", ""),
        ("nonsense", "none", "none"),
    ],
)
def test_only_a_field_that_may_be_empty_is_emptied_by_none(path, text, value):
    assert options.read_field(path, text) == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("model.depth", "(of resnet; 8, 14, 20, 32) [default: 8]"),
        ("model.dropout", "(of cnn, mlp; 0 to below 1) [default: 0]"),
        ("optimizer.weight_decay", "[default: 0 for sgd, adam, rmsprop, muon; 0.01 for adamw]"),
        ("optimizer.kind", "(sgd, adam, adamw, rmsprop, muon) [default: sgd]"),
        ("stopping.patience", "are trained (1 to 1000) [default: none]"),
    ],
)
def test_the_help_of_a_field_tells_whose_it_is_its_bounds_and_its_default(path, words):
    help_text = CliRunner().invoke(main, ["submit", "--help"], terminal_width=10_000).stdout

    [line] = [line for line in help_text.splitlines() if line.strip().startswith(f"--{path} ")]
    assert line.endswith(words)


def test_all_runs_of_a_file_are_queued_or_none(trainyard, tmp_path):
    runs = [{"name": name, "preset": "quick"} for name in ("a", "b")]
    as_list, as_lines = json.dumps(runs), "\n".join(map(json.dumps, runs)) + "\n"
    (tmp_path / "runs.json").write_text(as_list)

    queued = trainyard("submit", "--file", str(tmp_path / "runs.json"))

    assert queued.exit_code == 0, queued.output
    assert queued.stdout.startswith("runs 1 to 2 are queued")
    made = json.loads(trainyard("submit", "--file", "-", "--json", input=as_lines).stdout)
    assert made == {"ids": [3, 4]}
    wrong = json.dumps([*runs, {"name": "c", "preset": "nothing"}])
    refused = trainyard("submit", "--file", "-", input=wrong)
    assert refused.exit_code == 2
    assert "jobs.2.preset" in refused.stderr
    assert len(json.loads(trainyard("jobs", "--json").stdout)["items"]) == 4


@pytest.mark.parametrize("content", ["[{", "{]\n", "1\n2", ""])
def test_a_file_that_holds_no_runs_is_refused_with_a_sentence(trainyard, content):
    refused = trainyard("submit", "--file", "-", input=content)

    assert refused.exit_code == 2
    assert "Traceback" not in refused.output
    assert refused.stderr.strip()


def test_nothing_else_is_said_beside_a_file_of_runs(trainyard):
    refused = trainyard("submit", "--file", "-", "--preset", "quick", input="[]")

    assert refused.exit_code == 2
    assert "leave --preset out" in refused.stderr
