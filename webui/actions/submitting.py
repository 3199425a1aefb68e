"""A submit: what is handed in is checked as a whole, and queued as one run or as several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from core.database.models import NAME_LENGTH, Job
from core.errors import FieldError, InvalidInput
from core.jobs import initial, lifecycle
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import refuse_more_than_there_are
from core.jobs.editing import MOST_TAGS
from core.messages import message
from core.spec import presets
from core.spec.spec import TrainingSpec
from webui.actions.options import BulkSubmission, OneRun, Submission, field_error
from webui.context import Context

LONGEST_KEY = 255


KEY = "Idempotency-Key"
"""The name of the header by which a program names a submit."""


def submit(context: Context, values: Mapping[str, Any], key: str | None = None) -> list[Job]:
    """Check what was handed in, queue it and notify the workers.

    Args:
        context: the database, and whom to notify.
        values: what was handed in, as `Submission` names it.
        key: what this submit is known by, where it may be sent more than once: only the first time
            something is queued, and each time the jobs of the first are returned.

    Returns:
        One job, or one for each of the seeds that were asked for.

    Raises:
        InvalidInput: naming every wrong field, or the key, where it was sent with another job;
            nothing was queued.
    """
    asked = _read(values)
    _refuse_more_than_there_are(context, asked)
    jobs = _queued(context, asked, None if key is None else _token(key, context.actor))
    if key is not None:
        _refuse_key_of_another(context, jobs, [asked])
    context.notifier.notify(asked.submission.queue)
    return jobs


def submit_many(context: Context, values: Mapping[str, Any], key: str | None = None) -> list[Job]:
    """Check several runs that were handed in, queue all of them or none, and notify the workers.

    Args:
        context: the database, and whom to notify.
        values: what was handed in, as `BulkSubmission` names it.
        key: as that of `submit`.

    Returns:
        The jobs, in the order of what was handed in.

    Raises:
        InvalidInput: naming every wrong field by the place of its run, such as `jobs.17.name`;
            nothing was queued.
    """
    asked = _read_many(values)
    _refuse_any_of_more_than_there_are(context, asked)
    token = None if key is None else _token(f"bulk {key}", context.actor)
    wanted = [each.wanted() for each in asked]
    jobs = lifecycle.submit_many(context.database, context.actor, wanted, token)
    if key is not None:
        _refuse_key_of_another(context, jobs, asked)
    for queue in dict.fromkeys(each.queue for each in wanted):
        context.notifier.notify(queue)
    return jobs


def check(context: Context, values: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with what would be handed in; nothing is queued."""
    try:
        asked = _read(values)
        _refuse_more_than_there_are(context, asked)
        _refuse_weights_that_do_not_fit(context, asked)
    except InvalidInput as error:
        return list(error.errors)
    return []


@dataclass(frozen=True, slots=True)
class Asked:
    """What was handed in, checked."""

    submission: OneRun
    spec: TrainingSpec

    @property
    def seeds(self) -> list[int]:
        """Those for each of which there is to be a run; none: it is one."""
        return self.submission.seeds if isinstance(self.submission, Submission) else []

    def runs(self) -> list[tuple[str, dict[str, Any]]]:
        """The name and the spec of each run."""
        name, whole = self.submission.name, self.spec.model_dump(mode="json")
        if not self.seeds:
            return [(name, whole)]
        return [
            (lifecycle.name_for_seed(name, seed), whole | {"seed": seed}) for seed in self.seeds
        ]

    def wanted(self) -> lifecycle.Wanted:
        """The one run that it is."""
        of = self.submission
        about = (of.preset, of.priority, of.queue, of.tags, of.cloned_from, of.private)
        return lifecycle.Wanted(of.name, self.spec, *about, of.weights_from)


def _queued(context: Context, asked: Asked, token: str | None) -> list[Job]:
    submission = asked.submission
    about: dict[str, Any] = {
        "name": submission.name,
        "spec": asked.spec,
        "preset": submission.preset,
        "priority": submission.priority,
        "queue": submission.queue,
        "tags": submission.tags,
        "submission_token": token,
        "cloned_from": submission.cloned_from,
        "private": submission.private,
        "weights_from": submission.weights_from,
    }
    if not asked.seeds:
        return [lifecycle.submit(context.database, context.actor, **about)]
    seeded = {**about, "seeds": asked.seeds}
    return lifecycle.submit_for_seeds(context.database, context.actor, **seeded)


def _refuse_more_than_there_are(context: Context, asked: Asked) -> None:
    spec = asked.spec
    refuse_more_than_there_are(context.database, asked.submission.queue, spec.device, spec.devices)


def _refuse_weights_that_do_not_fit(context: Context, asked: Asked) -> None:
    source_id = asked.submission.weights_from
    if source_id is not None:
        with context.database.reading() as session:
            initial.find(session, context.actor, source_id, asked.spec)


def _refuse_key_of_another(context: Context, jobs: Sequence[Job], asked: Sequence[Asked]) -> None:
    """Refuse a key by which something else was submitted before."""
    wanted = [run for each in asked for run in each.runs()]
    weights = [each.submission.weights_from for each in asked for _ in each.runs()]
    with context.database.reading() as session:
        sources = initial.sources(session, [job.id for job in jobs])
    is_same = [(job.name, job.spec) for job in jobs] == wanted
    if not is_same or [sources.get(job.id) for job in jobs] != weights:
        raise InvalidInput.one(KEY, message("input.key_of_another", job_id=jobs[0].id))


def _refuse_any_of_more_than_there_are(context: Context, asked: Sequence[Asked]) -> None:
    known: dict[tuple[str, str, int], Sequence[FieldError]] = {}
    errors = []
    for place, each in enumerate(asked):
        key = each.submission.queue, each.spec.device, each.spec.devices
        if key not in known:
            try:
                _refuse_more_than_there_are(context, each)
                known[key] = ()
            except InvalidInput as error:
                known[key] = error.errors
        errors += [FieldError(f"jobs.{place}.{one.field}", one.reason) for one in known[key]]
    if errors:
        raise InvalidInput(errors)


def _token(key: str, actor: Actor) -> str:
    """What a submit is known by: two people may choose the same key."""
    if not 0 < len(key) <= LONGEST_KEY:
        raise InvalidInput.one(KEY, message("input.key_length", most=LONGEST_KEY))
    text = key if actor == LOCAL_OWNER else f"{actor.name}\n{key}"
    return hashlib.sha256(text.encode()).hexdigest()


def _read(values: Mapping[str, Any]) -> Asked:
    errors: list[FieldError] = []
    submission = None
    try:
        submission = Submission.model_validate(values)
        errors += _too_much_for_seeds(submission)
    except ValidationError as error:
        errors += [field_error(Submission, problem) for problem in error.errors()]
    # the spec is checked even where the name is wrong: a form shows every wrong field
    spec = _spec_of(values, errors)
    if submission is None or spec is None or errors:
        raise InvalidInput(errors)
    return Asked(submission, spec)


def _spec_of(
    values: Mapping[str, Any], errors: list[FieldError], place: str = ""
) -> TrainingSpec | None:
    """The whole spec of a run; None where it, or what it is made of, is wrong."""
    preset, spec = values.get("preset"), values.get("spec") or {}
    if isinstance(preset, str | None) and isinstance(spec, Mapping):
        try:
            return presets.resolve(preset, spec)
        except InvalidInput as error:
            errors += [FieldError(f"{place}{each.field}", each.reason) for each in error.errors]
    return None


def _read_many(values: Mapping[str, Any]) -> list[Asked]:
    errors: list[FieldError] = []
    submissions: Sequence[OneRun] = ()
    try:
        submissions = BulkSubmission.model_validate(values).jobs
    except ValidationError as error:
        errors += [field_error(BulkSubmission, problem) for problem in error.errors()]
    given = values.get("jobs")
    specs = [
        _spec_of(each, errors, f"jobs.{place}.") if isinstance(each, Mapping) else None
        for place, each in enumerate(given if isinstance(given, list) else [])
    ]
    if errors:
        raise InvalidInput(errors)
    return [Asked(each, spec) for each, spec in zip(submissions, specs, strict=True) if spec]


def _too_much_for_seeds(submission: Submission) -> Iterator[FieldError]:
    """Runs for several seeds need room in their names, and for one tag."""
    added = [len(lifecycle.name_for_seed("", seed)) for seed in submission.seeds]
    if not added:
        return
    room = NAME_LENGTH - max(added)
    if len(submission.name) > room:
        yield FieldError("name", message("input.characters", most=room))
    if len(submission.tags) >= MOST_TAGS:
        most = MOST_TAGS - 1
        yield FieldError("tags", message("input.too_many_tags_for_seeds", most=most))
