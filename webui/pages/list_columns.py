"""The columns that a list of runs can have: which there are, and what stands in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from core import formats
from core.database.models import MEASURED
from core.languages import gettext
from core.queries import OF_THE_END, OLDEST_FIRST
from core.spec.fields import Field, Section, every_field, sections
from core.spec.migrate import migrate
from webui.filters import seconds_between

Kind = Literal["part", "number", "percent", "whole", "duration", "since", "name", "hyperparameter"]
"""`part`: the template has a cell of its own for it."""

DEFAULT = ("progress", "curve", "test_accuracy", "train_loss", "created", "worker")
DEFAULT_OF_SEVERAL = ("progress", "curve", "test_accuracy", "created", "worker", "owner")
"""Where there are accounts: whose a run is, is asked of each; the curve has its loss."""
_CHOOSE, _STATE, _NAME = "2.5rem", "8rem", "minmax(19rem, 1fr)"
_PARTS_REM = {"progress": 10.0, "curve": 7.5, "notes": 16.0, "owner": 6.0}
_KINDS_REM: Mapping[Kind, float] = {
    "percent": 6.0, "number": 5.75, "whole": 5.75, "duration": 6.5, "since": 7.0,
    "name": 8.0, "hyperparameter": 6.5,
}  # fmt: skip
_LETTER_REM, _BESIDE_REM = 0.45, 2.25
"""How wide a letter of a heading is, and what stands beside: the padding, and the arrow."""
SPREAD = {"test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_loss"}
"""Columns that have the mean and the standard deviation of a group of runs."""
_SPREAD_REM = 11.0
_CLASSES = {"test_accuracy": "accuracy", "train_loss": "loss"}
LARGEST_FIRST = ("percent", "since")
"""What is wanted from its largest value first, by whoever sorts by it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list."""

    name: str
    """In the address."""
    title: str
    kind: Kind
    is_sortable: bool = False
    field: Field | None = None
    """Of a hyperparameter."""

    @property
    def is_number(self) -> bool:
        """Whether its values stand at the right."""
        if self.field is not None:
            return self.field.is_number and not self.field.many
        return self.kind in ("number", "percent", "whole", "duration")

    @property
    def is_written(self) -> bool:
        """Whether a text alone stands in it; else the template makes its cells."""
        return self.kind not in ("part", "since", "name")

    @property
    def classes(self) -> str:
        """The classes of its cells."""
        name = _CLASSES.get(self.name) or self.name.replace(".", "-")
        of_kind = (" number" if self.is_number else "") + (" since" if self.kind == "since" else "")
        return name + of_kind

    def sort(self, now: str) -> str:
        """What the heading sorts by when it is pressed, where the list is sorted by `now`."""
        if self.name == OLDEST_FIRST:
            return OLDEST_FIRST if now != OLDEST_FIRST else ""
        falling = f"-{self.name}"
        first, second = (falling, self.name) if self.kind in LARGEST_FIRST else (self.name, falling)
        return second if now == first else first

    def order(self, now: str) -> str:
        """The value of `aria-sort`, where the list is sorted by `now`; empty: by another."""
        if self.name == OLDEST_FIRST and now in ("", "-created"):
            return "descending"
        return {self.name: "ascending", f"-{self.name}": "descending"}.get(now, "")


@dataclass(frozen=True, slots=True)
class Choice:
    """Columns that are offered together."""

    title: str
    columns: Sequence[Column]


def choices() -> list[Choice]:
    """All columns that there are, in the language of the request."""
    return [
        Choice(gettext("Measurements"), _measured()),
        Choice(gettext("Run"), _of_runs()),
        *(Choice(gettext(each.title), _of_section(each)) for each in sections()),
    ]


def always() -> tuple[Column, Column]:
    """The columns that every list has."""
    return (
        Column("state", gettext("State"), "name", is_sortable=True),
        Column("name", gettext("Name"), "name", is_sortable=True),
    )


def _of_runs() -> list[Column]:
    return [
        Column("owner", gettext("Owner"), "name"),
        Column("created", gettext("Created"), "since", is_sortable=True),
        Column("finished", gettext("Finished"), "since", is_sortable=True),
        Column("duration", gettext("Duration"), "duration", is_sortable=True),
        Column("worker", gettext("Worker"), "name"),
        Column("queue", gettext("Queue"), "name"),
        Column("preset", gettext("Preset"), "name"),
        Column("priority", gettext("Priority"), "whole"),
        Column("attempt", gettext("Attempts"), "whole"),
        Column("notes", gettext("Notes"), "name"),
    ]


def _measured() -> list[Column]:
    titles = {
        "test_accuracy": gettext("Test accuracy"),
        "test_loss": gettext("Test loss"),
        "validation_accuracy": gettext("Validation accuracy"),
        "validation_loss": gettext("Validation loss"),
        "train_loss": gettext("Train loss"),
        "images_per_s": gettext("Images/s"),
        "published_epoch": gettext("Published epoch"),
    }
    return [
        Column("progress", gettext("Progress"), "part"),
        Column("curve", gettext("Loss curve"), "part"),
        *(
            Column(name, title, _kind(name), is_sortable=name in (*MEASURED, *OF_THE_END))
            for name, title in titles.items()
        ),
    ]


def _kind(name: str) -> Kind:
    if name.endswith("accuracy"):
        return "percent"
    return "number" if name.endswith("loss") else "whole"


def _of_section(section: Section) -> list[Column]:
    """A column for each hyperparameter of a section; one that several kinds have comes once."""
    found: dict[str, Column] = {}
    if section.has_kinds:
        path = section.kind_name
        found[path] = Column(path, gettext(section.title), "hyperparameter", is_sortable=True)
    twice = _titles_of_several()
    for of_section, _, each in every_field():
        if of_section is section and each.path not in found:
            title = gettext(each.title)
            if each.title in twice:
                title = gettext(
                    "%(title)s, %(section)s", title=title, section=gettext(section.title)
                )
            found[each.path] = Column(each.path, title, "hyperparameter", True, each)
    return list(found.values())


@cache
def _titles_of_several() -> frozenset[str]:
    """Titles that fields of several paths have: a heading stands without its section."""
    paths = {each.path: each.title for _, _, each in every_field()}
    return frozenset(title for title, count in Counter(paths.values()).items() if count > 1)


def chosen(names: Sequence[str]) -> list[Column]:
    """The columns of some names, in the order in which they are offered; unknown ones not."""
    return [each for choice in choices() for each in choice.columns if each.name in names]


def widths(columns: Sequence[Column], *, is_grouped: bool = False) -> str:
    """The columns of the list as a grid of CSS has them.

    They hang on what the columns are and not on what stands in them, so a row is laid out without
    a look at the others. A heading may have a line for each of its words.
    """
    found = [
        _SPREAD_REM if is_grouped and each.name in SPREAD else _width(each) for each in columns
    ]
    return " ".join([_CHOOSE, _STATE, _NAME, *(f"{each}rem" for each in found)])


def _width(column: Column) -> float:
    longest = max(map(len, column.title.split()), default=0)
    least = _PARTS_REM.get(column.name) or _KINDS_REM[column.kind]
    return round(max(least, longest * _LETTER_REM + _BESIDE_REM), 2)


def cells(columns: Sequence[Column], job: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the columns of a run, as it is read; those that are a `part` not.

    Args:
        columns: the columns.
        job: the run as the API shows it.
    """
    spec = migrate(job["spec"]) if any(each.kind == "hyperparameter" for each in columns) else {}
    return {each.name: _cell(each, job, spec) for each in columns if each.kind != "part"}


def _cell(column: Column, job: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    if column.kind == "hyperparameter":
        return _hyperparameter(column, spec)
    if column.name == "duration":
        started, finished = job["started_at"], job["finished_at"]
        return formats.duration(
            seconds_between(started, finished) if finished and started else None
        )
    if column.name == "images_per_s":
        return formats.whole(_rounded(job["progress"]["images_per_s"]))
    value = job.get(column.name)
    if column.kind in ("number", "percent", "whole"):
        return str(getattr(formats, column.kind)(value))
    return str(value or "")


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _hyperparameter(column: Column, spec: Mapping[str, Any]) -> str:
    value = value_at(spec, column.name)
    if value is None:
        return formats.NOTHING
    if column.field is None:  # the kind of a section
        return str(value)
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, float):
        return formats.short(value)
    return column.field.label(value)


def value_at(spec: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of a spec; None where there is none."""
    value: Any = spec
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
