"""A form with some fields changed beforehand, by an address."""

from __future__ import annotations

import pytest

from webui.forms import reading
from webui.forms.cloning import clone_of, with_changes

FORM = reading.from_preset("digits_seconds")


def test_an_address_names_the_fields_as_people_type_them(app):
    with app.test_request_context():
        address = clone_of(7, {"epochs": 40, "optimizer.learning_rate": 3e-05})

    assert address == "/jobs/new?from=7&epochs=40&optimizer.learning_rate=3e-05"


def test_without_changes_there_is_no_address():
    assert clone_of(7, {}) is None


def test_a_field_of_the_chosen_kind_is_changed():
    changed = with_changes(FORM, {"optimizer.learning_rate": "0.002"})

    assert changed.values["optimizer.adamw.learning_rate"] == "0.002"
    assert (
        changed.values["optimizer.sgd.learning_rate"] == FORM.values["optimizer.sgd.learning_rate"]
    )
    assert changed.changes == ["optimizer.adamw.learning_rate"]


def test_another_kind_is_chosen_with_its_own_fields():
    changed = with_changes(FORM, {"augmentation.kind": "handwriting", "augmentation.shift": "1"})

    assert changed.values["augmentation.kind"] == "handwriting"
    assert changed.values["augmentation.handwriting.shift"] == "1"


@pytest.mark.parametrize("asked", [{"optimizer.kind": "magic"}, {"nonsense": "1"}, {}])
def test_what_there_is_not_changes_nothing(asked):
    assert with_changes(FORM, asked).values == FORM.values


def test_a_value_that_cannot_be_read_stands_there_as_it_was_given():
    assert with_changes(FORM, {"epochs": "<many>"}).values["epochs"] == "<many>"
