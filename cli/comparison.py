"""Runs beside each other: what differs, what was measured, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.client import Client
from core import formats, statistics
from core.errors import NotFound
from core.spec.facts import flat
from core.statistics import Interval

JSON = dict[str, Any]

FEWEST, MOST = 2, 12
"""Runs that are compared at once."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A run in a comparison, as the API says it, and on how many images it was evaluated."""

    job: JSON
    evaluation: JSON | None

    @property
    def interval(self) -> Interval | None:
        """Where its true accuracy lies, by the images of the test set; None: not evaluated."""
        if not self.evaluation:
            return None
        count = int(self.evaluation["count"])
        return statistics.share_interval(round(self.evaluation["accuracy"] * count), count)


def fetch(client: Client, job_ids: Sequence[int]) -> list[Compared]:
    """The runs with their evaluations.

    Raises:
        NotFound: one of them is not there.
    """
    found = []
    for job_id in job_ids:
        job = client.get(f"/jobs/{job_id}")
        try:
            evaluation = client.get(f"/jobs/{job_id}/evaluation")
        except NotFound:
            evaluation = None
        found.append(Compared(job, evaluation))
    return found


def differences(specs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The fields that have not the same value everywhere, by their dotted paths."""
    columns = [flat(spec) for spec in specs]
    paths = dict.fromkeys(path for column in columns for path in column)
    rows = [(path, [_written(column.get(path, "")) for column in columns]) for path in paths]
    return [row for row in rows if len(set(row[1])) > 1]


def measurements(compared: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """What was measured, a row for each that some run has."""
    rows = [
        ("state", [each.job["state"] for each in compared]),
        ("epoch", [_epoch(each.job) for each in compared]),
        *((title, [_of(each.job, key, write) for each in compared]) for title, key, write in _OF),
        ("95% interval", [_interval(each.interval) for each in compared]),
    ]
    return [row for row in rows if any(row[1])]


def verdict(compared: Sequence[Compared]) -> str:
    """What the intervals say of the best two; nothing where fewer were evaluated on the same."""
    rated = sorted(
        (each for each in compared if each.interval),
        key=lambda each: each.evaluation["accuracy"] if each.evaluation else 0,
        reverse=True,
    )
    if len(rated) < FEWEST or len({_tested_on(each) for each in rated}) > 1:
        return ""
    first, second = rated[:2]
    assert first.interval is not None
    assert second.interval is not None
    names = f"run {first.job['id']} and the next, run {second.job['id']}"
    if first.interval.low > second.interval.high:
        return (
            f"The 95% intervals of the best, {names}, lie apart: it is better by more than chance."
        )
    return f"The 95% intervals of the best, {names}, overlap: the difference may be noise."


_OF = (
    ("train loss", "train_loss", formats.number),
    ("validation loss", "validation_loss", formats.number),
    ("test loss", "test_loss", formats.number),
    ("validation accuracy", "validation_accuracy", formats.percent),
    ("test accuracy", "test_accuracy", formats.percent),
)


def _of(job: JSON, key: str, write: Any) -> str:
    return "" if job.get(key) is None else str(write(job[key]))


def _epoch(job: JSON) -> str:
    return f"{job['progress']['epoch']}/{job['progress']['epochs']}"


def _tested_on(each: Compared) -> tuple[str, int]:
    return each.job["spec"]["dataset"], each.evaluation["count"] if each.evaluation else 0


def _interval(found: Interval | None) -> str:
    return f"{formats.percent(found.low)} to {formats.percent(found.high)}" if found else ""


def _written(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
