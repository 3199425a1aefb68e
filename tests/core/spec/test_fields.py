"""The fields of a spec as a form and the terminal show them, read from the model alone."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from core.spec import presets, spec
from core.spec.fields import every_field, plain_fields, sections, spec_fields
from core.spec.presets import PRESETS
from core.spec.spec import TrainingSpec

EVERY = list(every_field())
FIELDS = [field for _section, _variant, field in EVERY]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_has_a_label_a_help_text_and_a_default(field):
    assert field.title
    assert field.help
    assert field.default or field.optional
    assert not field.required


@pytest.mark.parametrize(
    ("section", "variant", "field"), EVERY, ids=[field.name for field in FIELDS]
)
def test_a_default_that_is_typed_back_is_accepted(section, variant, field):
    kind = {section.kind_name: variant.kind} if section.has_kinds else {}
    kind["dataset"] = "cifar10"  # the one whose images have colors to change
    untouched = presets.resolve(None, spec.nest(kind))

    typed = presets.resolve(None, spec.nest(kind | {field.path: field.value(field.default)}))

    if field.path == "dataset":
        assert typed.dataset == TrainingSpec().dataset
    else:
        assert typed == untouched


@pytest.mark.parametrize("preset", PRESETS)
def test_a_whole_spec_survives_being_typed(preset):
    values = PRESETS[preset].spec.model_dump(mode="json")
    typed = {}
    for section, variant, field in EVERY:
        part = section.part(values)
        if not section.has_kinds or variant.kind == part["kind"]:
            typed[field.path] = field.value(field.text(part[field.key]))
    for section in sections():
        if section.has_kinds:
            typed[section.kind_name] = section.part(values)["kind"]

    assert spec.parse(spec.nest(typed)) == PRESETS[preset].spec


def test_the_paths_are_those_of_the_spec_and_no_others():
    def leaves(values, path=""):
        for name, value in values.items():
            inner = f"{path}.{name}" if path else name
            if isinstance(value, dict):
                yield from leaves(value, inner)
            else:
                yield inner

    chosen = (
        [{"model": {"kind": kind}} for kind in ("cnn", "resnet", "resnet18", "mlp")]
        + [{"optimizer": {"kind": kind}} for kind in ("sgd", "adam", "adamw", "rmsprop", "muon")]
        + [
            {"schedule": {"kind": kind}}
            for kind in ("constant", "step", "cosine", "one_cycle", "plateau")
        ]
        + [
            {"dataset": "cifar10", "augmentation": {"kind": kind}}
            for kind in ("none", "handwriting", "clothes", "photos")
        ]
    )

    found = {
        leaf
        for changes in chosen
        for leaf in leaves(presets.resolve(None, changes).model_dump(mode="json"))
    }

    assert found == set(spec_fields())


def test_names_are_unique_though_variants_share_paths():
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert [field.name for field in spec_fields()["optimizer.learning_rate"]] == [
        "optimizer.sgd.learning_rate",
        "optimizer.adam.learning_rate",
        "optimizer.adamw.learning_rate",
        "optimizer.rmsprop.learning_rate",
        "optimizer.muon.learning_rate",
    ]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("epochs", ("epochs",)),
        ("micro_batches", ("micro_batches", "accumulation")),
        ("compute.tf32", ("compute.tf32",)),
        ("regularization.mixup_alpha", ("regularization.mixup_alpha", "regularization.mix_alpha")),
        (
            "optimizer.alpha",
            (
                "optimizer.rmsprop.alpha",
                "optimizer.alpha",
                "optimizer.rmsprop.smoothing",
                "optimizer.smoothing",
            ),
        ),
    ],
)
def test_a_field_is_posted_by_its_names_of_today_and_of_earlier_releases(path, names):
    assert spec_fields()[path][0].names == names


def test_a_kind_is_a_choice_of_the_variants():
    [kind] = spec_fields()["optimizer.kind"]

    assert [choice.text for choice in kind.choices] == ["sgd", "adam", "adamw", "rmsprop", "muon"]
    assert (kind.widget, kind.default) == ("choice", "sgd")


def test_every_kind_has_a_name_that_a_person_would_write():
    titles = {s.path: [v.title for v in s.variants] for s in sections() if s.has_kinds}

    assert titles == {
        "model": ["CNN", "ResNet", "ResNet-18", "MLP"],
        "optimizer": ["SGD", "Adam", "AdamW", "RMSprop", "Muon"],
        "schedule": ["Constant", "Step decay", "Cosine", "One cycle", "Reduce on plateau"],
        "augmentation": ["None", "Handwriting", "Clothes", "Photos"],
    }


def test_a_dataset_comes_with_its_facts():
    [dataset] = spec_fields()["dataset"]
    facts = {choice.value: dict(choice.facts) for choice in dataset.choices}

    assert facts["mnist"]["Images"] == "60,000 to train on, 10,000 to test on"
    assert facts["fashion_mnist"]["Classes"].startswith("10: T-shirt/top, Trouser, ")
    assert facts["cifar10"]["Pixels"] == "32 × 32, color"
    assert all(each["License"] and each["Source"] for each in facts.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (10.0, "10"),
        (0.0005, "0.0005"),
        (1e-05, "1e-05"),
        (3, "3"),
        (True, "true"),
        (None, ""),
        ((8, 16), "8, 16"),
        ((0.5, 1.0), "0.5, 1"),
    ],
)
def test_a_value_is_written_as_a_person_would_type_it(value, text):
    assert spec_fields()["optimizer.momentum"][0].text(value) == text


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("dataset", "mnist", "MNIST"),
        ("compute.tf32", True, "yes"),
        ("compute.tf32", False, "no"),
        ("stopping.patience", None, "none"),
        ("stopping.patience", 3, "3"),
        ("model.kernel_size", 5, "5"),
        ("dataset", "gone", "gone"),
    ],
)
def test_a_value_has_a_label_for_a_person(path, value, words):
    assert spec_fields()[path][0].label(value) == words


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
        ("schedule.warmup", "0 to below 1"),
        ("schedule.factor", "between 0 and 1"),
        ("stopping.patience", "1 to 1000"),
        ("regularization.gradient_clip", "above 0"),
        ("model.channels", "comma-separated, each 1 to 512"),
        ("dataset", ""),
    ],
)
def test_bounds_are_told_in_words(path, hint):
    assert spec_fields()[path][0].hint == hint


class Round(BaseModel):
    """A circle."""

    model_config = ConfigDict(title="Circle")

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
    assert [variant.title for variant in shape.variants] == ["Circle", "Square"]
    assert shape.variant("triangle") is None


def test_needed_optional_and_negative_are_told_apart():
    name, note, lowest = plain_fields(Made)

    assert (name.required, name.default) == (True, "")
    assert (note.optional, note.value("  ")) == (True, None)
    assert lowest.keyboard == "text"  # a phone's number pad has no minus
    assert spec_fields()["epochs"][0].keyboard == "numeric"
    assert spec_fields()["optimizer.momentum"][0].keyboard == "decimal"


@given(st.text())
def test_any_text_is_read_as_a_value_of_its_field_or_stays_as_it_was_typed(text):
    for field in FIELDS:
        value = field.value(text)

        if field.optional and not text.strip():
            assert value is None
        elif field.many:
            assert all(isinstance(item, str | field.kind) for item in value)
        elif field.choices and value != text.strip():
            assert value in [choice.value for choice in field.choices]
        else:
            assert value == text.strip() or isinstance(value, field.kind)
