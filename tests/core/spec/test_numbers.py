"""Numbers as people type them: read as they were meant, or refused with a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.spec import numbers, spec
from core.spec.validation import WrongValue


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", int, 3),
        (" +3 ", int, 3),
        ("007", int, 7),
        ("3.0", int, 3),
        ("3,0", int, 3),
        ("1e3", int, 1000),
        ("1234567", int, 1234567),
        ("\uff13\uff10", int, 30),
        ("\u0663", int, 3),
        ("\u22125", int, -5),
        ("0.05", float, 0.05),
        ("0,05", float, 0.05),
        (",5", float, 0.5),
        ("5,", float, 5.0),
        ("1e-3", float, 0.001),
        ("1,5E-3", float, 0.0015),
        ("0,001", float, 0.001),
        ("-0,125", float, -0.125),
        ("1.125", float, 1.125),
        ("1.000", float, 1.0),
        ("1,25", float, 1.25),
        ("1234,567", float, 1234.567),
        ("\u0660\u066b\u0665", float, 0.5),
    ],
)
def test_a_number_is_read_as_it_was_meant(text, kind, value):
    found = numbers.read(text, kind)

    assert (found, type(found)) == (value, kind)


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("1.000", int, "input.thousands"),
        ("1,000", int, "input.thousands"),
        ("1,000", float, "input.thousands"),
        ("12,345e2", float, "input.thousands"),
        ("1.000.000", float, "input.thousands"),
        ("1.000,5", float, "input.thousands"),
        ("1,000.5", float, "input.thousands"),
        ("10 000", int, "input.thousands"),
        ("10\u00a0000", float, "input.thousands"),
        ("10'000", int, "input.thousands"),
        ("1_0", int, "input.underscores"),
        ("0.0_5", float, "input.underscores"),
        ("1.5", int, "input.whole_number"),
        ("many", int, "input.whole_number"),
        ("", int, "input.whole_number"),
        ("", float, "input.number"),
        (".", float, "input.number"),
        ("0x10", float, "input.number"),
        ("1.2.3", float, "input.number"),
        ("1,2,3", float, "input.number"),
        ("nan", float, "input.finite_number"),
        ("-Infinity", float, "input.finite_number"),
        ("1e999", float, "input.number_too_large"),
        ("1e99", int, "input.number_too_large"),
        ("9" * 5000, int, "input.number_too_large"),
    ],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_refused_with_a_sentence(text, kind, code):
    with pytest.raises(WrongValue) as refused:
        numbers.read(text, kind)

    assert refused.value.reason.code == code


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_the_form_writes_is_read_back(value):
    assert numbers.read(repr(value), float) == value


@given(st.text())
def test_any_text_is_a_finite_number_or_refused(text):
    for kind in (int, float):
        try:
            assert abs(numbers.read(text, kind)) < float("inf")
        except WrongValue:
            continue


def test_a_spec_takes_a_text_for_a_number_as_the_form_does():
    changes = {
        "epochs": "3",
        "batch_size": 16,
        "optimizer": {"kind": "sgd", "learning_rate": "0,05"},
        "model": {"kind": "cnn", "channels": ["8", 16]},
        "stopping": {"time_limit_s": "90,5"},
    }

    parsed = spec.parse(changes)

    assert (parsed.epochs, parsed.optimizer.learning_rate) == (3, 0.05)
    assert parsed.model.channels == (8, 16)
    assert parsed.stopping.time_limit_s == 90.5


def test_a_spec_names_every_text_that_it_cannot_read():
    changes = {
        "epochs": "1.000",
        "batch_size": "1_0",
        "seed": True,
        "optimizer": {"kind": "sgd", "learning_rate": "1,000", "momentum": 2},
        "model": {"kind": "cnn", "channels": [8, "1_6", "x"]},
    }

    with pytest.raises(InvalidInput) as refused:
        spec.parse(changes)

    assert {each.field: each.reason.code for each in refused.value.errors} == {
        "epochs": "input.thousands",
        "batch_size": "input.underscores",
        "optimizer.learning_rate": "input.thousands",
        "optimizer.momentum": "input.less_than",
        "model.channels.1": "input.underscores",
        "model.channels.2": "input.whole_number",
    }
