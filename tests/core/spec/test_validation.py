"""What pydantic finds wrong, as messages."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import FieldError, InvalidInput
from core.messages import message, plain
from core.spec import presets, spec
from core.spec.fields import spec_fields
from core.spec.validation import Incompatible, WrongValue, explain


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    coat: Literal["long", "short"] = "long"


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Toy(BaseModel):
    color: Annotated[Literal["red", "blue"], Field()] = "red"


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=3)
    count: int = Field(1, ge=1, le=9)
    share: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    is_open: bool = False
    size: Literal[3, 5, 7] = 3
    places: Annotated[tuple[int, ...], Field(min_length=1, max_length=2)] = (1,)
    labels: dict[str, int] = {}
    animal: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat()
    pet: Cat | Dog | None = Field(None, discriminator="kind")
    words: Literal["this or that", "it's, well"] | None = None
    steps: Annotated[tuple[Literal["a", "b"], ...], Field()] = ()
    shelf: dict[str, Toy] = {}
    animals: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    folder: Path = Path()
    day: date | None = None
    even: int = 2
    odd: int = 1

    @field_validator("even")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise WrongValue(message("input.at_least", bound=value + 1))
        return value

    @field_validator("odd")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if not value % 2:
            raise ValueError("an odd number")
        return value


COATS = ["long", "short"]


def reason_of(**values):
    with pytest.raises(ValidationError) as caught:
        Request.model_validate({"name": "a"} | values)
    [problem] = caught.value.errors()
    return explain(Request, problem)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": ""}, message("input.required")),
        ({"name": "long"}, message("input.characters", most=3)),
        ({"name": 3}, message("input.text")),
        ({"other": 3}, message("input.unknown_field")),
        ({"count": "x"}, message("input.whole_number")),
        ({"count": 1.5}, message("input.whole_number")),
        ({"count": None}, message("input.whole_number")),
        ({"count": "9" * 5000}, message("input.number_too_large")),
        ({"count": 0}, message("input.at_least", bound=1)),
        ({"count": 10}, message("input.at_most", bound=9)),
        ({"share": "x"}, message("input.number")),
        ({"share": []}, message("input.number")),
        ({"share": float("nan")}, message("input.finite_number")),
        ({"share": 0}, message("input.more_than", bound=0)),
        ({"share": 1}, message("input.less_than", bound=1)),
        ({"is_open": "x"}, message("input.true_or_false")),
        ({"is_open": []}, message("input.true_or_false")),
        ({"size": 4}, message("input.one_of", choices=["3", "5", "7"])),
        ({"places": 5}, message("input.numbers")),
        ({"places": []}, message("input.too_few", least=1)),
        ({"places": [1, 2, 3]}, message("input.too_many", most=2)),
        ({"labels": 5}, message("input.fields")),
        ({"animal": 5}, message("input.fields")),
        ({"animal": {}}, message("input.required")),
        ({"animal": {"kind": "cow"}}, message("input.one_of", choices=["cat", "dog"])),
        ({"animal": {"coat": "x", "kind": "cat"}}, message("input.one_of", choices=COATS)),
        ({"pet": {"kind": "cow"}}, message("input.one_of", choices=["cat", "dog"])),
        ({"pet": {"coat": "x", "kind": "cat"}}, message("input.one_of", choices=COATS)),
        ({"animals": [{}, {"kind": 3}][1:]}, message("input.one_of", choices=["cat", "dog"])),
        ({"animals": [{"kind": "cat", "coat": 1}]}, message("input.one_of", choices=COATS)),
        ({"words": "x"}, message("input.one_of", choices=["this or that", "it's, well"])),
        ({"steps": ["a", "c"]}, message("input.one_of", choices=["a", "b"])),
        ({"shelf": {"top": {"color": 3}}}, message("input.one_of", choices=["red", "blue"])),
        ({"name": "\ud800"}, message("input.unicode")),
        ({"folder": 3}, message("input.text")),
        ({"even": 3}, message("input.at_least", bound=4)),
        (
            {"odd": 2},
            message("input.invalid", kind="value_error", detail="an odd number"),
        ),
    ],
)
def test_each_problem_has_its_message(values, reason):
    assert reason_of(**values) == reason


def test_what_has_no_code_of_its_own_is_told_by_its_type_and_in_its_words():
    reason = reason_of(day="yesterday")

    assert (reason.code, reason.params["kind"]) == ("input.invalid", "date_from_datetime_parsing")
    assert reason.params["detail"] in reason.text
    assert reason.params["kind"] in reason.text


def test_a_wrong_value_reads_as_its_reason():
    assert str(WrongValue(message("input.text"))) == "write text"


def test_the_choices_of_every_field_of_the_spec_are_found():
    asked = {each.path: each for each in every_path() if each.choices}
    assert len(asked) > 10

    for path, each in asked.items():
        section = path.rpartition(".")[0]
        kind = each.name.removeprefix(f"{section}.").rpartition(".")[0]
        values = {path: "?"} | ({f"{section}.kind": kind} if section and kind else {})
        with pytest.raises(InvalidInput) as caught:
            spec.parse(spec.nest(values))

        known = [str(choice.value) for choice in each.choices]
        assert caught.value.errors == [FieldError(path, message("input.one_of", choices=known))]


def every_path():
    return (each for fields in spec_fields().values() for each in fields)


def test_a_missing_field_is_required():
    with pytest.raises(ValidationError) as caught:
        Request.model_validate({})

    assert [explain(Request, problem) for problem in caught.value.errors()] == [
        message("input.required")
    ]


def test_every_problem_of_the_spec_has_a_code_of_its_own():
    """No field of the spec can be wrong in a way that pydantic alone has words for."""
    with pytest.raises(InvalidInput) as caught:
        presets.resolve(None, {name: object() for name in spec.schema()["properties"]})

    assert {error.reason.code for error in caught.value.errors} <= {
        "input.one_of",
        "input.whole_number",
        "input.fields",
    }


def test_a_section_names_its_own_fields_and_the_spec_says_where_they_are():
    with pytest.raises(InvalidInput) as caught:
        presets.resolve(None, {"optimizer": {"nesterov": True}, "epochs": 0})

    assert caught.value.errors == [
        FieldError("epochs", message("input.at_least", bound=1)),
        FieldError("optimizer.nesterov", message("spec.nesterov_needs_momentum")),
    ]


def test_incompatible_fields_are_all_in_the_sentence():
    error = Incompatible([FieldError("a", plain("one")), FieldError("b", plain("two"))])

    assert str(error) == "a: one; b: two"
