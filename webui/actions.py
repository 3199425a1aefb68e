"""Checks what a person sends, and asks `core.jobs` for it: the same for the pages and the API."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from core.database.models import NAME_LENGTH, QUEUE_LENGTH, TAG_LENGTH, Job
from core.errors import FieldError, InvalidInput
from core.jobs import lifecycle, rests
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import refuse_more_than_there_are
from core.messages import message
from core.spec import presets
from core.spec.validation import WrongValue, explain
from webui.context import Context

LARGEST_PRIORITY = 1000
MOST_TAGS = 20


class Submission(BaseModel):
    """A run to be queued: a name, a spec, and where it is queued."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
        Field(title="Name", description="What to call the run; need not be unique."),
    ]
    preset: Annotated[str | None, Field(title="Preset", description="Spec to start from.")] = None
    spec: Annotated[
        dict[str, Any],
        Field(title="Spec", description="Single fields laid over the preset."),
    ] = {}
    priority: Annotated[
        int,
        Field(
            ge=-LARGEST_PRIORITY,
            le=LARGEST_PRIORITY,
            title="Priority",
            description="Higher runs first; equal ones in the order they came.",
        ),
    ] = 0
    queue: Annotated[
        str,
        StringConstraints(max_length=QUEUE_LENGTH, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"),
        Field(title="Queue", description="Which workers may run it: those that serve this queue."),
    ] = "default"
    tags: Annotated[
        list[Annotated[str, StringConstraints(strip_whitespace=True, max_length=TAG_LENGTH)]],
        Field(
            max_length=MOST_TAGS,
            title="Tags",
            description="Words to find the run by, with commas between them. Empty: none.",
        ),
    ] = []

    @field_validator("name")
    @classmethod
    def _printable(cls, value: str) -> str:
        return _without_controls(value)

    @field_validator("tags")
    @classmethod
    def _single(cls, value: list[str]) -> list[str]:
        if any("," in tag or _has_controls(tag) for tag in value):
            raise WrongValue(message("input.tag_characters"))
        return [tag for tag in value if tag]


class ActionOptions(BaseModel):
    """The body of a pause, a resume or a cancel."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: Annotated[str | None, StringConstraints(strip_whitespace=True, max_length=NAME_LENGTH)] = (
        None
    )
    """Accepted for programs of version 0.1, and ignored."""

    @field_validator("by")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        return value and _without_controls(value)


class RetryOptions(ActionOptions):
    """The body of a retry."""

    from_scratch: Annotated[
        bool, Field(validation_alias=AliasChoices("from_scratch", "from_nothing"))
    ] = False
    """Whether it starts over, instead of resuming from its last snapshot. Version 0.1 called it
    `from_nothing`."""


def _has_controls(value: str) -> bool:
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def _without_controls(value: str) -> str:
    if _has_controls(value):
        raise WrongValue(message("input.control_characters"))
    return value


Options = TypeVar("Options", bound=BaseModel)
NOTHING: Mapping[str, Any] = {}


def submit(context: Context, values: Mapping[str, Any]) -> Job:
    """Check what was handed in, queue it and notify the workers.

    Raises:
        InvalidInput: naming every wrong field; nothing was queued.
    """
    errors: list[FieldError] = []
    submission = None
    try:
        submission = Submission.model_validate(values)
    except ValidationError as error:
        errors += [_field_error(Submission, problem) for problem in error.errors()]
    # the spec is checked even where the name is wrong: a form shows every wrong field
    preset, spec = values.get("preset"), values.get("spec") or {}
    checked = None
    if isinstance(preset, str | None) and isinstance(spec, Mapping):
        try:
            checked = presets.resolve(preset, spec)
        except InvalidInput as error:
            errors += error.errors
    if submission is None or checked is None or errors:
        raise InvalidInput(errors)
    refuse_more_than_there_are(context.database, submission.queue, checked.device, checked.devices)
    job = lifecycle.submit(
        context.database,
        LOCAL_OWNER,
        name=submission.name,
        spec=checked,
        preset=submission.preset,
        priority=submission.priority,
        queue=submission.queue,
        tags=submission.tags,
    )
    context.notifier.notify(job.queue)
    return job


def cancel(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Ask that a job be cancelled, and wake its worker and its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
    """
    _checked(ActionOptions, values)
    return _announced(context, lifecycle.cancel(context.database, job_id, LOCAL_OWNER))


def pause(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Ask that a job be paused, and wake its worker and its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it has ended, or is being cancelled.
    """
    _checked(ActionOptions, values)
    return _announced(context, lifecycle.pause(context.database, job_id, LOCAL_OWNER))


def resume(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Let a paused job resume, notify the workers, and wake its worker and its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it has ended, or is being cancelled.
    """
    _checked(ActionOptions, values)
    return _announced(context, lifecycle.resume(context.database, job_id, LOCAL_OWNER), notify=True)


def retry(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Give a failed job another try, notify the workers, and wake its viewers.

    One that waits for the device that it is pinned to may be started from scratch as well.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it is neither.
    """
    asked = _checked(RetryOptions, values)
    job = lifecycle.retry(context.database, job_id, LOCAL_OWNER, from_scratch=asked.from_scratch)
    return _announced(context, job, notify=True)


def resume_worker(context: Context, worker_id: int) -> None:
    """End every rest of a worker, and notify it of what waits.

    Raises:
        NotFound: there is no such worker.
    """
    for queue in rests.resume(context.database, worker_id, LOCAL_OWNER):
        context.notifier.notify(queue)


def _checked(model: type[Options], values: Mapping[str, Any]) -> Options:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidInput([_field_error(model, problem) for problem in error.errors()]) from None


def _announced(context: Context, job: Job, *, notify: bool = False) -> Job:
    """Notify workers and viewers of a change of a job."""
    if notify:
        context.notifier.notify(job.queue)
    context.wakeups.announce("asked", job.id)
    context.wakeups.announce("changed", job.id)
    return job


def _field_error(model: type[BaseModel], problem: Any) -> FieldError:
    reason = explain(model, problem)
    if problem["type"] == "string_pattern_mismatch":
        reason = message("input.name_characters")
    return FieldError(".".join(str(part) for part in problem["loc"]) or "body", reason)
