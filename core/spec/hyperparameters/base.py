"""What the sections of a spec have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the spec. Frozen, strict about names, and made of JSON values only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Description:
    """What a person sees of a value before choosing it."""

    label: str
    facts: tuple[tuple[str, str], ...]
    """Labels and texts."""


@dataclass(frozen=True, slots=True)
class DescribedBy:
    """The mark of a field whose values are names of something with a description."""

    describe: Callable[[Any], Description]
