"""The page on which several runs stand beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flask import render_template, request
from sqlalchemy.orm import Session

from core import queries
from core.database.models import Evaluation, Job
from core.errors import InvalidInput, NotFound
from core.formats import percent
from core.languages import gettext
from core.messages import message
from core.queries import EpochsOfRun, Extent
from core.spec import facts
from webui.api.shapes import JSON
from webui.context import current
from webui.filters import run_name, seconds_between
from webui.pages import comparison
from webui.pages.blueprint import blueprint
from webui.pages.choice import MOST_COMPARED
from webui.pages.comparison import Contestant, Difference
from webui.pages.drawn import rounded
from webui.pages.mistakes import Mistake
from webui.pages.parallel import Parallel, parallel

LONGEST_NUMBER = 30
"""Digits that are read of a run's number: there is none so large."""
POINTS = 8000
"""In all curves of a page together, about."""
MOST_BUCKETS = 400
MOST_BY_CLASS = 8
"""Runs whose classes are shown beside each other: more are not read across."""
FEWEST_LINES = 3
MOST_IMAGES = 24
"""Of each run, that it alone gets wrong."""
TRAIN_LOSS = "train_loss"
OF_EPOCHS = ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy")

TURN = 137.508
"""Degrees from one color to the next: of however many, no two are alike."""
FIRST_HUE = 250


@blueprint.get("/compare")
def compare() -> str:
    """Runs beside each other, in the order of the address."""
    if "run" not in request.args:
        return render_template("compare/empty.html")
    job_ids = _job_ids()
    parts = current()
    with parts.database.reading(repeatable=True) as session:
        by_id = {job.id: job for job in queries.jobs_by_id(session, job_ids, parts.seen_by)}
        for job_id in job_ids:
            if job_id not in by_id:
                raise NotFound(message("run.unknown", job_id=job_id))
        jobs = [by_id[job_id] for job_id in job_ids]
        evaluations = queries.evaluations(session, job_ids)
        curves = _curves(session, jobs)
    contestants = [_contestant(job, evaluations.get(job.id)) for job in jobs]
    verdicts = comparison.verdicts(contestants)
    differences = comparison.differences([job.spec for job in jobs])
    return render_template(
        "compare/page.html",
        rows=[
            _row(job, contestant, place)
            for place, (job, contestant) in enumerate(zip(jobs, contestants, strict=True))
        ],
        differences=differences,
        parallel=_parallel(differences, jobs),
        groups=[each for each in comparison.groups(contestants) if len(each.accuracies) > 1],
        verdicts=[str(each) for each in verdicts if comparison.is_of_a_pair(each)],
        remarks=[str(each) for each in verdicts if not comparison.is_of_a_pair(each)],
        has_chance=any("chance" in each.params for each in verdicts),
        summary=comparison.summary(verdicts),
        disagreements=_disagreements(contestants) if len(jobs) == 2 else [],
        classes=_classes(contestants) if len(jobs) <= MOST_BY_CLASS else [],
        validated=any(facts.has_validation(job.spec) for job in jobs),
        data={
            "runs": [
                {
                    "id": job.id,
                    "name": run_name(job),
                    "hue": _hue(place),
                    "batches": job.batches,
                    "images": job.spec.get("batch_size"),
                    **curves[job.id],
                }
                for place, job in enumerate(jobs)
            ]
        },
    )


def _parallel(differences: Sequence[Difference], jobs: Sequence[Job]) -> Parallel | None:
    """What came of what differs; nothing for two runs, whose table says it all."""
    accuracies = ["" if job.test_accuracy is None else percent(job.test_accuracy) for job in jobs]
    if len(jobs) < FEWEST_LINES or not differences or not any(accuracies):
        return None
    return parallel(differences, Difference(gettext("Test accuracy"), accuracies))


def _job_ids() -> list[int]:
    """The runs of the address, each once."""
    texts = [text for each in request.args.getlist("run") for text in each.split(",")]
    numbers = [text for text in texts if text.isascii() and text.isdigit()]
    ids = dict.fromkeys(int(text[:LONGEST_NUMBER]) for text in numbers)
    if not 2 <= len(ids) <= MOST_COMPARED:
        raise InvalidInput.one("run", message("comparison.number_of_runs", most=MOST_COMPARED))
    return list(ids)


def _contestant(job: Job, evaluation: Evaluation | None) -> Contestant:
    content = evaluation.content if evaluation else None
    accuracy = content["accuracy"] if content else None
    return Contestant(job.id, job.name, job.spec, accuracy, content)


def _row(job: Job, contestant: Contestant, place: int) -> JSON:
    return {
        "job": job,
        "hue": _hue(place),
        "interval": contestant.interval,
        "summary": facts.summary(job.spec),
        "took_s": seconds_between(job.started_at, job.finished_at)
        if job.started_at and job.finished_at
        else None,
    }


def _hue(place: int) -> float:
    return round((FIRST_HUE + place * TURN) % 360, 1)


def _curves(session: Session, jobs: Sequence[Job]) -> dict[int, JSON]:
    """What of each run is drawn, and how long it had trained at the end of each epoch."""
    points = max(40, min(MOST_BUCKETS, POINTS // len(jobs)))
    lengths = {job.id: job.progress.epoch for job in jobs}
    measured = queries.epochs_of_runs(session, lengths, points, OF_EPOCHS)
    return {job.id: _curve(session, job.id, points, measured[job.id]) for job in jobs}


def _curve(session: Session, job_id: int, points: int, epochs: EpochsOfRun) -> JSON:
    samples = queries.metrics_curve(session, job_id, Extent(points), [TRAIN_LOSS])
    return {
        "samples": {
            "at": list(samples.at),
            TRAIN_LOSS: _rounded(samples.values[TRAIN_LOSS]["last"]),
        },
        "epochs": {
            "at": epochs.at,
            "seconds": _rounded(epochs.seconds),
            **{name: _rounded(values) for name, values in epochs.values.items()},
        },
    }


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [rounded(each) for each in values]


def _disagreements(contestants: list[Contestant]) -> list[list[Mistake]]:
    """For each of two runs, images that it alone gets wrong; empty where there are none."""
    one, other = contestants
    found = [
        comparison.only_wrong(one, other, MOST_IMAGES),
        comparison.only_wrong(other, one, MOST_IMAGES),
    ]
    return found if any(found) else []


def _classes(contestants: list[Contestant]) -> list[dict[str, Any]]:
    """The recall of each class by each run, where all were tested on the same images."""
    contents = [each.content for each in contestants if each.content]
    if len(contents) < len(contestants) or len({each.tested_on[:2] for each in contestants}) > 1:
        return []
    names = [row["name"] for row in contents[0]["classes"]]
    rows = [
        {
            "name": name,
            "recalls": [content["classes"][place]["recall"] for content in contents],
            "support": contents[0]["classes"][place]["support"],
        }
        for place, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: max(row["recalls"]) - min(row["recalls"]), reverse=True)
