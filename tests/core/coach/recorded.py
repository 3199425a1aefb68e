"""The recorded runs, as the coach is given them; `bench/coached.py` made their curves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from core.coach import Advice, Epochs, Run, Samples, Sibling, advise

RUNS = Path(__file__).parent / "runs"
THROWN_BY_RATE = "too_high"
"""What is wrong with a run whose learning rate is too large, whichever rule says so."""


@dataclass(frozen=True)
class Recorded:
    """A run that was really made, and what is wrong with it by how it was built."""

    name: str
    truth: frozenset[str]
    tolerated: frozenset[str]
    run: Run

    def advices(self) -> list[Advice]:
        return advise(self.run)

    def spoken(self) -> set[str]:
        """What the coach says is wrong, in the words of the plan."""
        return {_in_words_of_the_plan(each, self.run) for each in self.advices()}


def _in_words_of_the_plan(given: Advice, run: Run) -> str:
    rate = given.changes.get("optimizer.learning_rate", run.rate)
    if given.rule in ("unstable", "not_learning", "guessing") and rate < run.rate:
        return THROWN_BY_RATE
    return "not_learning" if given.rule == "guessing" and rate > run.rate else given.rule


@cache
def recorded() -> dict[str, Recorded]:
    """All of them by name."""
    return {path.stem: _read(path) for path in sorted(RUNS.glob("*.json"))}


def _read(path: Path) -> Recorded:
    content = json.loads(path.read_text())
    run = Run(
        job_id=1,
        state=content["state"],
        stored_spec=content["spec"],
        error_kind=content["error_kind"],
        batches=content["batches"],
        epochs=_epochs(content["epochs"]),
        samples=Samples(*(content["samples"][name] for name in ("step", "train_loss"))),
        published_epoch=content["published_epoch"],
        evaluation=_evaluation(content["evaluation"]),
    )
    return Recorded(path.stem, frozenset(content["truth"]), frozenset(content["tolerated"]), run)


def _epochs(columns: dict[str, Any]) -> Epochs:
    return Epochs(**{name: each for name, each in columns.items() if name != "gradient_norm"})


def _evaluation(content: dict[str, Any] | None) -> dict[str, Any] | None:
    if content is None:
        return None
    names = ("index", "label", "predicted", "confidence")
    mistakes = [dict(zip(names, each, strict=True)) for each in content["mistakes"]]
    return {**content, "mistakes": mistakes}


def sibling(name: str, job_id: int = 2) -> Sibling:
    """A run as one that another is compared with."""
    run = recorded()[name].run
    assert run.evaluation is not None
    return Sibling(job_id, run.stored_spec, run.evaluation)
