"""Specs as earlier releases wrote them, brought to today's names.

A stored spec, one inside a snapshot or one in a request may be older than the fields it names. A
field that was added since has its default; a field that was renamed is listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED: dict[str, dict[str, str]] = {
    "": {"accumulation": "micro_batches"},
    "optimizer": {"smoothing": "alpha"},
    "regularization": {"mix_alpha": "mixup_alpha"},
}
"""By section (the empty name is the spec itself): a field's earlier name, and today's."""


def migrate(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a spec today's names; one that has them already keeps its content."""
    migrated = _renamed(spec, RENAMED[""])
    for section, names in RENAMED.items():
        part = migrated.get(section)
        if section and isinstance(part, Mapping):
            migrated[section] = _renamed(part, names)
    return migrated


def earlier_keys(path: str) -> list[str]:
    """What the last part of a field's dotted path was called in earlier releases."""
    section, _, key = path.rpartition(".")
    return [old for old, new in RENAMED.get(section, {}).items() if new == key]


def _renamed(part: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Rename fields in their places; where both names are given, the refusal is the validator's."""
    return {
        names[name] if name in names and names[name] not in part else name: value
        for name, value in part.items()
    }
