"""The fields of a spec as a form and the terminal show them, read from the model alone."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from core import presets, spec
from core.fields import every_field, plain_fields, sections, spec_fields
from core.presets import PRESETS

EVERY = list(every_field())
FIELDS = [field for _section, _variant, field in EVERY]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_has_a_label_a_help_text_and_a_default(field):
    assert field.title
    assert field.help
    assert field.default
    assert not field.required


@pytest.mark.parametrize(
    ("section", "variant", "field"), EVERY, ids=[field.name for field in FIELDS]
)
def test_a_default_that_is_typed_back_is_accepted(section, variant, field):
    kind = {section.kind_name: variant.kind} if section.path else {}

    presets.resolve(None, spec.nest(kind | {field.path: field.value(field.default)}))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_whole_spec_survives_being_typed(preset):
    values = PRESETS[preset].spec.model_dump(mode="json")
    typed = {}
    for section, variant, field in EVERY:
        part = section.part(values)
        if not section.path or variant.kind == part["kind"]:
            typed[field.path] = field.value(field.text(part[field.key]))
    for section in sections()[1:]:
        typed[section.kind_name] = section.part(values)["kind"]

    assert spec.parse(spec.nest(typed)) == PRESETS[preset].spec


def test_the_paths_are_those_of_the_spec_and_no_others():
    found = set(spec_fields())

    assert found == {
        *("dataset", "batch_size", "epochs", "seed", "device"),
        *("model.kernel_size", "model.channels", "model.batch_norm", "model.dropout"),
        *("optimizer.kind", "optimizer.learning_rate", "optimizer.momentum"),
        *("optimizer.nesterov", "optimizer.weight_decay"),
        *("schedule.kind", "schedule.warmup"),
    }


def test_names_are_unique_though_variants_share_paths():
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert [field.name for field in spec_fields()["optimizer.learning_rate"]] == [
        "optimizer.sgd.learning_rate",
        "optimizer.adam.learning_rate",
        "optimizer.adamw.learning_rate",
    ]


def test_a_kind_is_a_choice_of_the_variants():
    [kind] = spec_fields()["optimizer.kind"]

    assert [choice.text for choice in kind.choices] == ["sgd", "adam", "adamw"]
    assert (kind.widget, kind.default) == ("choice", "sgd")


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("epochs", " 3 ", 3),
        ("epochs", "many", "many"),
        ("epochs", "1.5", "1.5"),
        ("optimizer.learning_rate", "1e-3", 0.001),
        ("model.channels", "8, 16,32", [8, 16, 32]),
        ("model.channels", "8", [8]),
        ("model.channels", "8,x", [8, "x"]),
        ("model.channels", "", []),
        ("model.kernel_size", "5", 5),
        ("model.kernel_size", "4", "4"),
        ("dataset", "digits", "digits"),
    ],
)
def test_text_is_read_as_the_fields_type_or_left_for_the_model_to_refuse(path, text, value):
    assert spec_fields()[path][0].value(text) == value


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("epochs", "1 to 1000"),
        ("optimizer.learning_rate", "above 0, at most 10"),
        ("optimizer.momentum", "0 to below 1"),
        ("schedule.warmup", "between 0 and 1"),
        ("model.channels", "comma-separated, each 1 to 512"),
        ("dataset", ""),
    ],
)
def test_bounds_are_told_in_words(path, hint):
    assert spec_fields()[path][0].hint == hint


class Round(BaseModel):
    """A circle."""

    kind: Literal["round"] = "round"
    radius: float = Field(1.0, gt=0, title="Radius", description="Half its width.")


class Square(BaseModel):
    """A square."""

    kind: Literal["square"] = "square"


class Made(BaseModel):
    shape: Annotated[Round | Square, Field(discriminator="kind")] = Square()
    name: str
    note: str | None = None
    lowest: int = Field(0, ge=-5)


def test_a_model_that_is_not_the_spec_is_read_the_same_way():
    plain, shape = sections(Made)

    assert [field.path for field in plain.variants[0].fields] == ["name", "note", "lowest"]
    assert (shape.path, shape.default_kind) == ("shape", "square")
    assert shape.variant("round").fields[0].name == "shape.round.radius"
    assert shape.variant("round").help == "A circle."
    assert shape.variant("triangle") is None


def test_needed_optional_and_negative_are_told_apart():
    name, note, lowest = plain_fields(Made)

    assert (name.required, name.default) == (True, "")
    assert (note.optional, note.value("  ")) == (True, None)
    assert lowest.keyboard == "text"  # a phone's number pad has no minus
    assert spec_fields()["epochs"][0].keyboard == "numeric"
    assert spec_fields()["optimizer.momentum"][0].keyboard == "decimal"


@given(st.text())
def test_no_text_makes_a_field_raise(text):
    for field in FIELDS:
        field.value(text)
