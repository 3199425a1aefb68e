"""The test images of a dataset that most runs get wrong.

What one run gets wrong says something of the run; what every run gets wrong says something of the
image. Where they all agree on another class, its label may be a mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, request

from core import predictions, queries
from core.database.models import Job
from core.datasets.builtin import DATASETS
from core.datasets.info import DatasetInfo
from core.errors import InvalidInput
from core.messages import message
from core.queries import Selection
from webui.context import current
from webui.pages import pictures
from webui.pages.addressed import number, part_of
from webui.pages.blueprint import blueprint

MOST_RUNS = 50
RUNS = 20
CHOICES = (5, 10, 20, 50)
"""How many runs a reader may choose to look at."""

FEWEST_TO_AGREE = 3
"""Runs that say the same before a label is doubted: two may be one network trained twice."""

AGREEING = 0.8
"""The share of all runs that must say the same other class."""

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hard:
    """A test image that some runs get wrong."""

    index: int
    label: int
    wrong: int
    """Runs that get it wrong."""
    votes: Sequence[tuple[int, int]]
    """Classes that it was predicted as, with how many runs did so, the most frequent first."""

    def is_doubtful(self, runs: int) -> bool:
        """Whether so many runs agree on another class that the label may be a mistake."""
        label, count = self.votes[0]
        return label != self.label and count >= max(FEWEST_TO_AGREE, AGREEING * runs)


@blueprint.get("/hardest")
def hardest() -> str:
    """The test images that the newest finished runs on a dataset get wrong, most often first."""
    name = request.args.get("dataset", "")
    if not name:
        return render_template("evaluation/hardest.html", dataset=None, datasets=_tested())
    dataset = DATASETS.get(name)
    if dataset is None:
        raise InvalidInput.one("dataset", message("input.one_of", choices=list(DATASETS)))
    most = number("runs", MOST_RUNS, least=1) or RUNS
    jobs, contents = _runs(name, most)
    return _shown(dataset, jobs, contents, most)


def _shown(dataset: DatasetInfo, jobs: Sequence[Job], contents: Sequence[JSON], most: int) -> str:
    is_doubtful_only = request.args.get("doubtful") == "1"
    found = find(contents)
    doubtful = [each for each in found if each.is_doubtful(len(contents))]
    chosen = doubtful if is_doubtful_only else found
    part = part_of(chosen)
    return render_template(
        "evaluation/hardest.html",
        dataset=dataset,
        jobs=jobs,
        most=most,
        choices=sorted({*CHOICES, most}),
        count=len(found),
        doubtful_count=len(doubtful),
        is_doubtful_only=is_doubtful_only,
        fewest=FEWEST_TO_AGREE,
        shown=part.items,
        pictures=pictures.of(dataset.name, [each.index for each in part.items], contents),
        first=part.first,
        page=part.page,
        pages=part.pages,
    )


def _tested() -> list[DatasetInfo]:
    """The datasets that a finished run was tested on."""
    with current().database.reading() as session:
        return [
            dataset
            for dataset in DATASETS.values()
            if queries.jobs(session, _finished(dataset.name), 1).items
        ]


def _finished(dataset: str) -> Selection:
    return Selection(states=("succeeded",), dataset=dataset, seen_by=current().seen_by)


def _runs(dataset: str, most: int) -> tuple[list[Job], list[JSON]]:
    """The newest finished runs that were tested on the same images, and their evaluations."""
    with current().database.reading() as session:
        page = queries.jobs(session, _finished(dataset), most)
        jobs = [job for job, _ in page.items]
        evaluations = queries.evaluations(session, [job.id for job in jobs])
        pairs = [
            (job, evaluations[job.id].content)
            for job in jobs
            if job.id in evaluations and "predictions" in evaluations[job.id].content
        ]
    same = [(job, content) for job, content in pairs if content["labels"] == pairs[0][1]["labels"]]
    return [job for job, _ in same], [content for _, content in same]


def find(contents: Sequence[JSON]) -> list[Hard]:
    """The images that some runs get wrong: most often first, and those first that agree most.

    Args:
        contents: evaluations on the same test images.
    """
    if not contents:
        return []
    labels = predictions.unpack(contents[0]["labels"])
    columns = zip(*(predictions.unpack(each["predictions"]) for each in contents), strict=True)
    found = []
    for index, (label, column) in enumerate(zip(labels, columns, strict=True)):
        wrong = len(column) - column.count(label)
        if wrong:
            found.append(Hard(index, label, wrong, Counter(column).most_common()))
    return sorted(found, key=lambda each: (-each.wrong, len(each.votes), each.index))
