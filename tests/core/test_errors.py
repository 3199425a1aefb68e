"""Errors that are raised on purpose: their message for a person and their fields for a program."""

from __future__ import annotations

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
