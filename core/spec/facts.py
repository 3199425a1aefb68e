"""What the rest of the platform must know of a spec, without knowing the names of its fields.

They read stored specs, which may be of an earlier version and lack fields that came later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def summary(spec: Mapping[str, Any]) -> str:
    """What a run trains, in the few words that a list has room for."""
    return str(spec.get("dataset", ""))


def has_validation(spec: Mapping[str, Any]) -> bool:
    """Whether a run keeps a validation split apart."""
    return bool(spec.get("data", {}).get("validation"))
