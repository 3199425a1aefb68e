"""Specs by the names of earlier releases: read everywhere, and never silently dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.messages import message
from core.spec import presets, spec
from core.spec.fields import spec_fields
from core.spec.migrate import RENAMED, migrate
from core.spec.presets import PRESETS
from core.spec.spec import TrainingSpec

RMSPROP = {"optimizer": {"kind": "rmsprop"}}
RENAMES = [
    (f"{section}.{old}" if section else old, f"{section}.{new}" if section else new)
    for section, names in RENAMED.items()
    for old, new in names.items()
]
VALUES = {"micro_batches": 4, "optimizer.alpha": 0.5, "regularization.mixup_alpha": 0.7}
"""For each of today's names a value that is not its default."""


def at(path, value):
    """A spec with one value at a dotted path."""
    return spec.nest({path: value})


def value_at(values, path):
    for part in path.split("."):
        values = values[part]
    return values


def whole(path, value):
    """A whole spec of an optimizer that has every renamed field, with one value of its own."""
    return presets.resolve(None, spec.merge(RMSPROP, at(path, value))).model_dump(mode="json")


def by_old_name(values, old, new):
    """The same spec as an earlier release wrote it, keeping the order of its fields."""
    *sections, name = old.split(".")
    if sections:
        part = by_old_name(values[sections[0]], name, new.rpartition(".")[2])
        return values | {sections[0]: part}
    return {old if field == new else field: value for field, value in values.items()}


def test_every_rename_leads_to_a_field_of_today_and_has_a_value_to_try():
    assert {new for _, new in RENAMES} == set(VALUES)
    assert {new for _, new in RENAMES} <= set(spec_fields())
    assert not {old for old, _ in RENAMES} & set(spec_fields())


@pytest.mark.parametrize(("old", "new"), RENAMES)
def test_a_whole_spec_by_an_old_name_is_the_spec_of_today(old, new):
    today = whole(new, VALUES[new])
    stored = by_old_name(today, old, new)
    assert stored != today

    assert spec.parse(stored) == spec.parse(today)
    assert TrainingSpec.model_validate(stored) == spec.parse(today)
    assert migrate(stored) == today
    assert list(migrate(stored)) == list(today)


@pytest.mark.parametrize(("old", "new"), RENAMES)
@pytest.mark.parametrize("preset", [None, "best"])
def test_a_single_field_by_an_old_name_is_laid_over_a_preset(preset, old, new):
    made = presets.resolve(preset, spec.merge(RMSPROP, at(old, VALUES[new])))

    assert value_at(made.model_dump(mode="json"), new) == VALUES[new]


@pytest.mark.parametrize(("old", "new"), RENAMES)
def test_a_dotted_old_name_is_understood(old, new):
    posted = spec.nest({"optimizer.kind": "rmsprop", old: VALUES[new]})

    made = presets.resolve(None, posted)

    assert value_at(made.model_dump(mode="json"), new) == VALUES[new]


@pytest.mark.parametrize(("old", "new"), RENAMES)
def test_a_stored_base_by_an_old_name_takes_changes_by_the_new_one(old, new):
    base = by_old_name(whole(new, VALUES[new]), old, new)
    default = value_at(whole("seed", 0), new)

    merged = spec.parse(spec.merge(base, at(new, default)))

    assert merged == spec.parse(whole("seed", 0))


@pytest.mark.parametrize(("old", "new"), RENAMES)
def test_both_names_at_once_are_refused_by_the_old_one(old, new):
    values = spec.merge(RMSPROP, spec.nest({old: VALUES[new], new: VALUES[new]}))

    with pytest.raises(InvalidInput) as caught:
        presets.resolve(None, values)

    [error] = caught.value.errors
    assert (error.field, error.reason) == (old, message("input.unknown_field"))


@pytest.mark.parametrize("name", PRESETS)
def test_a_spec_of_today_is_left_as_it_is(name):
    today = PRESETS[name].spec.model_dump(mode="json")

    assert migrate(today) == today
    assert list(migrate(today)) == list(today)


def test_what_is_given_is_not_changed():
    given = {"accumulation": 2, "regularization": {"mix_alpha": 0.3}}

    assert migrate(given) == {"micro_batches": 2, "regularization": {"mixup_alpha": 0.3}}
    assert given == {"accumulation": 2, "regularization": {"mix_alpha": 0.3}}


NAMES = st.sampled_from(sorted({name.rpartition(".")[2] for pair in RENAMES for name in pair}))
PARTS = st.dictionaries(NAMES | st.text(max_size=3), st.integers(), max_size=5)
SPECS = st.dictionaries(
    NAMES | st.sampled_from(["optimizer", "regularization"]), st.integers() | PARTS, max_size=5
)


@given(SPECS)
def test_nothing_is_lost_and_a_second_time_changes_nothing(values):
    migrated = migrate(values)

    assert migrate(migrated) == migrated
    assert len(migrated) == len(values)
    for name, part in values.items():
        if isinstance(part, dict) and name in RENAMED:
            assert sorted(migrated[name].values()) == sorted(part.values())
