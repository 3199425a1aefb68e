"""The form is made from the model: what is in the model is in the form, and comes back from it."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from werkzeug.datastructures import MultiDict

from core.database.models import Job
from core.errors import FieldError, InvalidInput
from core.messages import plain
from core.spec import fields as spec_fields
from core.spec import presets, spec
from core.spec.fields import sections
from core.spec.presets import PRESETS
from core.spec.spec import TrainingSpec
from webui.actions import Submission
from webui.forms import describing, reading
from webui.forms.form import Form, run_fields


def leaves(values: dict, path: str = "") -> set[str]:
    """The dotted paths of a spec."""
    found = set()
    for name, value in values.items():
        inner = f"{path}.{name}" if path else name
        found |= leaves(value, inner) if isinstance(value, dict) else {inner}
    return found


def as_post(texts: dict[str, str], **changes: str) -> MultiDict[str, str]:
    return MultiDict({"name": "a run", **texts, **changes})


def all_fields(model: type[BaseModel] = TrainingSpec) -> dict[str, spec_fields.Field]:
    return {
        field.name: field
        for section in sections(model)
        for variant in section.variants
        for field in variant.fields
    }


class Leaky(BaseModel):
    """Leaks below zero."""

    kind: Literal["leaky_relu"] = "leaky_relu"
    slope: float = Field(0.01, gt=0, lt=1, title="Slope", description="How much leaks.")


class Rectified(BaseModel):
    """Nothing below zero."""

    kind: Literal["relu"] = "relu"


class GrownSpec(BaseModel):
    """A spec with what the real one does not have yet."""

    patience: int | None = Field(None, ge=1, title="Patience", description="Epochs to wait.")
    mixes: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.1, 0.5)
    color: bool = True
    activation: Annotated[
        Rectified | Leaky, Field(discriminator="kind", title="Activation", description="Bends.")
    ] = Field(default_factory=Leaky)


def test_every_field_of_the_spec_is_in_the_form():
    in_form = {field.path for field in all_fields().values()}
    kinds = {section.kind_name for section in sections() if section.has_kinds}
    for preset in PRESETS.values():
        assert leaves(preset.spec.model_dump(mode="json")) <= in_form | kinds


def test_every_field_of_every_variant_is_in_the_form():
    fields = all_fields()
    assert {"optimizer.sgd.momentum", "optimizer.adam.learning_rate"} <= set(fields)
    assert fields["optimizer.adamw.weight_decay"].default == "0.01"
    assert fields["optimizer.sgd.weight_decay"].default == "0"
    assert fields["optimizer.sgd.learning_rate"].path == "optimizer.learning_rate"


def test_labels_help_and_bounds_come_from_the_model():
    field = all_fields()["batch_size"]
    info = TrainingSpec.model_fields["batch_size"]
    assert (field.title, field.help) == (info.title, info.description)
    assert field.hint == "1 to 8192"
    assert field.default == "64"


def test_every_input_has_a_name_of_its_own():
    names = [
        field.name
        for section in sections()
        for variant in section.variants
        for field in variant.fields
    ]
    assert len(names) == len(set(names))


def test_a_new_field_and_a_new_variant_appear_by_themselves():
    plain, activation = sections(GrownSpec)
    fields = {field.name: field for field in plain.variants[0].fields}
    assert fields["patience"].optional
    assert fields["patience"].hint == "at least 1"
    assert fields["mixes"].many
    assert fields["mixes"].hint == "comma-separated, each 0 to 1"
    assert fields["mixes"].default == "0.1, 0.5"
    assert fields["color"].widget == "checkbox"
    assert activation.default_kind == "leaky_relu"
    assert [variant.title for variant in activation.variants] == ["Relu", "Leaky relu"]
    assert activation.variants[1].help == "Leaks below zero."
    assert activation.variants[1].fields[0].hint == "between 0 and 1"


def test_the_run_fields_are_those_of_a_submission_without_its_spec():
    names = {field.name for field in run_fields()}
    assert names == set(Submission.model_fields) - {"spec", "preset", "cloned_from"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_goes_through_the_form_unchanged(name):
    post = as_post(describing.preset_texts()[name], preset=name)
    asked = reading.submission(post)
    assert presets.resolve(None, asked["spec"]) == PRESETS[name].spec
    assert asked["preset"] == name


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_fields_of_kinds_that_were_not_chosen_are_ignored(kind):
    post = as_post(
        describing.preset_texts()["quick"],
        **{
            "optimizer.kind": kind,
            "optimizer.sgd.learning_rate": "0.1",
            "optimizer.adam.learning_rate": "0.2",
            "optimizer.adamw.learning_rate": "0.3",
        },
    )
    optimizer = spec.parse(reading.submission(post)["spec"]).optimizer
    assert optimizer.kind == kind
    assert optimizer.learning_rate == {"sgd": 0.1, "adam": 0.2, "adamw": 0.3}[kind]


def test_the_plain_path_of_a_field_is_understood_as_well():
    post = MultiDict({"optimizer.kind": "adam", "optimizer.learning_rate": "0.5"})
    assert reading.submission(post)["spec"] == {"optimizer": {"kind": "adam", "learning_rate": 0.5}}


def test_a_page_of_an_earlier_release_may_still_be_posted():
    post = MultiDict(
        {"accumulation": "4", "optimizer.kind": "rmsprop", "optimizer.rmsprop.smoothing": "0.5"}
    )

    assert reading.submission(post)["spec"] == {
        "micro_batches": 4,
        "optimizer": {"kind": "rmsprop", "alpha": 0.5},
    }


def test_fields_that_are_not_posted_are_left_to_the_preset():
    assert reading.submission(MultiDict({"name": "x", "epochs": "3"})) == {
        "name": "x",
        "preset": None,
        "spec": {"epochs": 3},
    }


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("batch_size", " 128 ", 128),
        ("batch_size", "many", "many"),
        ("batch_size", "", ""),
        ("model.cnn.dropout", "0.25", 0.25),
        ("model.cnn.dropout", "0,25", 0.25),
        ("model.cnn.dropout", "1,250", "1,250"),
        ("epochs", "1.000", "1.000"),
        ("epochs", "1_0", "1_0"),
        ("model.cnn.kernel_size", "7", 7),
        ("model.cnn.kernel_size", "4", "4"),
        ("model.cnn.channels", "8, 16,32 ,", [8, 16, 32]),
        ("model.cnn.channels", "8, x", [8, "x"]),
        ("model.cnn.channels", "", []),
        ("model.cnn.batch_norm", "true", "true"),
        ("seed", "9" * 5000, "9" * 5000),
        ("stopping.patience", " ", None),
        ("stopping.patience", "3", 3),
    ],
)
def test_texts_become_values_where_they_can(field, text, value):
    assert all_fields()[field].value(text) == value


def test_a_ticked_box_counts_and_an_unticked_one_is_false():
    ticked = MultiDict([("model.cnn.batch_norm", "false"), ("model.cnn.batch_norm", "true")])
    unticked = MultiDict([("model.cnn.batch_norm", "false")])
    assert reading.submission(ticked)["spec"] == {"model": {"batch_norm": "true"}}
    assert reading.submission(unticked)["spec"] == {"model": {"batch_norm": "false"}}
    assert presets.resolve(None, reading.submission(ticked)["spec"]).model.batch_norm is True
    assert presets.resolve(None, reading.submission(unticked)["spec"]).model.batch_norm is False


def test_an_empty_optional_field_means_none():
    patience = all_fields(GrownSpec)["patience"]
    assert patience.value("") is None
    assert patience.value("5") == 5


def refused(post: MultiDict[str, str], *errors: tuple[str, str]) -> Form:
    return reading.refused(post, [FieldError(name, plain(text)) for name, text in errors])


def test_a_message_lands_at_the_input_of_the_chosen_kind():
    post = as_post({}, **{"optimizer.kind": "adam"})
    form = refused(post, ("optimizer.learning_rate", "too high"))
    assert form.errors("optimizer.adam.learning_rate") == ["too high"]
    assert form.errors("optimizer.sgd.learning_rate") == []


def test_a_message_about_one_member_lands_at_its_list():
    form = refused(as_post({}), ("model.channels.2", "too many"))
    assert form.errors("model.cnn.channels") == ["too many"]


def test_a_message_about_no_field_is_kept_for_the_summary():
    form = refused(as_post({}), ("spec", "is strange"), ("bogus", "there is no such field"))
    assert [(m.name, m.title) for m in form.mistakes] == [("", "spec"), ("", "bogus")]


def test_an_unknown_kind_is_told_at_its_select():
    post = as_post({}, **{"optimizer.kind": "magic"})
    with pytest.raises(InvalidInput) as caught:
        presets.resolve(None, reading.submission(post)["spec"])
    form = reading.refused(post, caught.value.errors)
    assert len(form.errors("optimizer.kind")) == 1


def test_what_was_typed_is_kept_also_for_kinds_that_were_not_chosen():
    post = as_post({}, **{"optimizer.kind": "adam", "optimizer.sgd.momentum": "lots"})
    form = refused(post, ("name", "is needed"))
    assert form.values["optimizer.sgd.momentum"] == "lots"
    assert form.values["optimizer.kind"] == "adam"
    assert form.values["epochs"] == all_fields()["epochs"].default


def test_an_old_run_fills_the_form_even_where_its_spec_is_of_another_version():
    old = {"epochs": 7, "gone": 1, "optimizer": {"kind": "adam", "learning_rate": 0.5}}
    form = reading.from_run(Job(id=1, name="again", spec=old, priority=3, queue="night"))
    assert form.values["epochs"] == "7"
    assert form.values["optimizer.adam.learning_rate"] == "0.5"
    assert form.values["optimizer.sgd.learning_rate"] == "0.1"
    assert form.values["batch_size"] == "64"
    assert (form.values["name"], form.values["priority"], form.values["queue"]) == (
        "again",
        "3",
        "night",
    )


def test_an_unknown_preset_is_refused():
    with pytest.raises(InvalidInput, match="quick"):
        reading.from_preset("bogus")


def test_a_spec_is_described_with_the_labels_of_the_form():
    groups = dict(describing.described(PRESETS["quick"].spec.model_dump(mode="json"))[0])
    assert dict(groups["Optimizer: SGD"])["Nesterov"] == "yes"
    assert dict(groups["Network: CNN"])["Batch norm"] == "yes"
    assert dict(groups["Training"])["Dataset"] == "MNIST"


def test_of_the_folded_sections_what_stands_at_its_default_is_told_apart():
    values = presets.resolve(None, {"regularization": {"ema": 0.99}}).model_dump(mode="json")
    first, rest = (dict(groups) for groups in describing.described(values))
    assert first["Regularization"] == [("Weight averaging", "0.99")]
    assert ("Gradient clipping", "none") in rest["Regularization"]
    assert "Stopping early" not in first
    assert len(rest["Stopping early"]) == 3


def test_a_spec_of_an_unknown_kind_can_still_be_described():
    first, rest = describing.described({"optimizer": {"kind": "magic"}, "model": "odd"})
    assert dict(first)["Optimizer: magic"] == []
    assert rest == []


# folded sections


def section(path: str) -> list[spec_fields.Field]:
    [found] = [each for each in sections() if each.path == path]
    assert describing.is_folded(found)
    return list(found.variants[0].fields)


def names_of(path: str) -> list[str]:
    return [each.name for each in section(path)]


def test_a_folded_section_tells_in_few_words_what_is_set_in_it():
    values = describing.preset_texts()["tutorial"] | {
        "regularization.label_smoothing": "0.10",
        "regularization.gradient_clip": "5",
        "regularization.mixup_alpha": "0.40",
        "compute.tf32": "true",
        "publishing.onnx": "false",
    }
    form = Form(values, preset="tutorial")
    assert form.summary(section("regularization")) == [
        "label smoothing 0.10",
        "gradient clipping 5",
    ]
    assert form.summary(section("compute")) == ["TF32"]
    assert form.summary(section("publishing")) == ["no ONNX"]
    assert form.summary(section("stopping")) == []


def test_a_folded_section_opens_where_it_differs_from_its_preset_or_has_an_error():
    tutorial = reading.from_preset("tutorial")
    assert not any(tutorial.is_open(names_of(path)) for path in ("regularization", "stopping"))

    changed = Form({**tutorial.values, "stopping.patience": "3"}, preset="tutorial")
    assert changed.is_open(names_of("stopping"))
    assert not changed.is_open(names_of("regularization"))

    wrong = refused(as_post({}), ("stopping.patience", "needs a validation split"))
    assert wrong.is_open(names_of("stopping"))


def test_an_old_run_does_not_open_what_was_set_in_it():
    values = presets.resolve(None, {"regularization": {"ema": 0.99}}).model_dump(mode="json")
    form = reading.from_run(Job(id=1, name="old", spec=values, priority=0, queue="default"))
    assert form.summary(section("regularization")) == ["weight averaging 0.99"]
    assert not form.is_open(names_of("regularization"))


def test_what_differs_is_counted_for_the_kinds_that_are_chosen_alone():
    form = reading.from_preset("quick")
    typed = dict(form.values) | {"epochs": "9", "schedule.kind": "constant"}
    typed["schedule.one_cycle.warmup"] = "0.9"  # of a kind that is not chosen any more
    changed = dataclasses.replace(form, values=typed)
    assert changed.changes == ["epochs", "schedule.kind"]
    assert changed.start == PRESETS["quick"].title


def test_the_clone_of_a_run_is_compared_with_that_run():
    form = reading.from_run(Job(id=7, name="old", spec={"epochs": 7}, priority=0, queue="night"))
    assert (form.changes, form.start) == ([], "old")
    changed = dataclasses.replace(form, values={**form.values, "epochs": "8"})
    assert changed.changes == ["epochs"]


# the network


def test_the_network_of_a_form_is_its_dataset_and_the_chosen_kind():
    form = reading.as_typed(as_post({}, dataset="digits", **{"model.kind": "mlp"}))
    asked = reading.network_of(form)
    assert asked == {
        "dataset": "digits",
        "model": {"kind": "mlp", "hidden": [256, 128], "dropout": 0.0},
    }
