"""An advice: what is seen, what to do, why, the evidence, and what a corrected clone changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.messages import Message, message


@dataclass(frozen=True, slots=True)
class Series:
    """One curve of the evidence."""

    value: str
    """What was measured: a column of the epochs or of the metric samples."""
    at: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Curves:
    """Evidence that is seen in curves, and in which part of them."""

    by: Literal["epoch", "step"]
    series: Sequence[Series]
    first: int
    """Where the part that shows it begins, by epoch or step."""
    last: int
    level: float | None = None
    """A loss to compare with: that of guessing."""
    rate: Series | None = None
    """The learning rate, where it is a part of the evidence: on a scale of its own."""


@dataclass(frozen=True, slots=True)
class Bar:
    """An accuracy and where its true value lies, with 95% confidence."""

    job_id: int
    epoch: int | None
    """None: of the published weights."""
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """Evidence that is two accuracies and their intervals."""

    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Errors:
    """Evidence that is test images which are predicted wrong with great confidence."""

    indexes: Sequence[int]
    """Their places in the test set."""


Evidence = Curves | Intervals | Errors


@dataclass(frozen=True, slots=True)
class Advice:
    """What is to be said about a run."""

    rule: str
    seen: Message
    action: Message
    why: Message
    evidence: Evidence
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What a corrected clone changes, by dotted names of the spec; empty: there is none."""

    @property
    def title(self) -> Message:
        """What is wrong, in a few words."""
        return message(f"coach.{self.rule}.title")


def advice(
    rule: str,
    evidence: Evidence,
    seen: Mapping[str, Any],
    action: Mapping[str, Any],
    changes: Mapping[str, Any],
    *,
    variant: str = "",
) -> Advice:
    """An advice in the words of the catalog.

    Args:
        rule: whose.
        evidence: where it is seen.
        seen: the parameters of the sentence that says what is seen.
        action: those of the sentence that says what to do.
        changes: what a corrected clone changes.
        variant: which sentence says what to do, where the rule has several.
    """
    return Advice(
        rule=rule,
        seen=message(f"coach.{rule}.seen", **seen),
        action=message(f"coach.{rule}.action{variant and f'_{variant}'}", **action),
        why=message(f"coach.{rule}.why"),
        evidence=evidence,
        changes=changes,
    )
