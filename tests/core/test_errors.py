"""Errors that are raised on purpose: their message for a person and their fields for a program."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from core.errors import Conflict, FieldError, InvalidInput
from core.messages import message, plain


def test_every_wrong_field_is_in_the_sentence_and_in_the_list():
    error = InvalidInput(
        [
            FieldError("epochs", message("input.at_least", bound=1)),
            FieldError("name", message("input.required")),
        ]
    )

    assert str(error) == "epochs: must be at least 1; name: Required"
    assert [each.as_json() for each in error.errors] == [
        {
            "field": "epochs",
            "message": "must be at least 1",
            "code": "input.at_least",
            "params": {"bound": 1},
        },
        {"field": "name", "message": "Required", "code": "input.required", "params": {}},
    ]


def test_a_reason_is_a_message_or_words_that_have_no_code():
    reason = message("run.unknown", job_id=7)

    assert Conflict(reason).reason == reason
    assert str(Conflict(reason)) == reason.text
    assert Conflict("The stack is up.").reason == plain("The stack is up.")
    assert InvalidInput.one("x", "words").errors == [FieldError("x", plain("words"))]
    assert InvalidInput.one("x", reason).errors == [FieldError("x", reason)]


ROOT = Path(__file__).parents[2]
BY_CODE = ["core", "worker", "webui", "trainyard", "cli/commands", "cli/client.py"]
"""What raises errors that are stored, or that reach a person through page, API or terminal."""

FILES = [
    file
    for name in BY_CODE
    for file in sorted((ROOT / name).rglob("*.py") if (ROOT / name).is_dir() else [ROOT / name])
]
TREES = {file: ast.parse(file.read_text()) for file in FILES}


@cache
def error_names() -> set[str]:
    """The names of the errors of ours: `TrainyardError`, and the classes that are made from it."""
    bases = {
        node.name: {ast.unparse(base) for base in node.bases}
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    names = {"TrainyardError"}
    while more := {name for name, each in bases.items() if each & names} - names:
        names |= more
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_an_error_is_raised_with_a_code_and_not_with_a_sentence(file):
    takes_a_reason = error_names() | {"InvalidInput.one", "FieldError"}

    by_sentence = [
        f"line {call.lineno}: {ast.unparse(call)}"
        for call in ast.walk(TREES[file])
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in takes_a_reason
        and any(isinstance(each, ast.JoinedStr | ast.Constant) for each in call.args[-1:])
    ]

    assert by_sentence == []
