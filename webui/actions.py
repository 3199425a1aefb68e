"""Checks what a person sends, and asks `core.jobs` for it: the same for the pages and the API."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from core import characters, queries, saved_filters
from core.database.models import (
    LARGEST_KEY,
    NAME_LENGTH,
    QUERY_LENGTH,
    QUEUE_LENGTH,
    TAG_LENGTH,
    Job,
    SavedFilter,
)
from core.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound, TrainyardError
from core.jobs import deletion, drains, editing, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import refuse_more_than_there_are
from core.jobs.editing import MOST_TAGS
from core.messages import message
from core.retention import cleaning, policy
from core.retention.cleaning import Piece
from core.retention.policy import DAY_S, Policy
from core.spec import presets
from core.spec.spec import TrainingSpec
from core.spec.validation import WrongValue, explain
from core.states import FINAL
from webui.context import Context

LARGEST_PRIORITY = 1000
MOST_AT_ONCE = 500
"""Runs that one request may be about."""
CLEANING_S = 10.0
"""After so many seconds a request that removes things answers, and says where to continue."""
LONGEST_NOTES = 10_000
LONGEST_KEY = 255
KEY = "Idempotency-Key"
"""The name of the header by which a program names a submit."""


def _single(tags: list[str]) -> list[str]:
    """Tags that can be told apart where they stand beside each other."""
    if any("," in tag or characters.has_controls(tag) for tag in tags):
        raise WrongValue(message("input.tag_characters"))
    return [_readable(tag) for tag in tags if tag]


def _text(value: str) -> str:
    """Several lines of text; browsers end them in another way."""
    lines = value.replace("\r\n", "\n").split("\n")
    if any(characters.has_controls(line.replace("\t", " ")) for line in lines):
        raise WrongValue(message("input.control_characters"))
    return "\n".join(lines)


def _readable(value: str) -> str:
    """A word that is seen in a list, and leaves what stands beside it alone."""
    if characters.has_controls(value):
        raise WrongValue(message("input.control_characters"))
    if characters.turns_text(value):
        raise WrongValue(message("input.direction_characters"))
    if characters.is_blank(value):
        raise WrongValue(message("input.invisible"))
    return value


RunName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
    AfterValidator(_readable),
    Field(title="Name", description="What to call the run; need not be unique."),
]
Tags = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, max_length=TAG_LENGTH)]],
    AfterValidator(_single),
    Field(
        max_length=MOST_TAGS,
        title="Tags",
        description="Words to find the run by, with commas between them. Empty: none.",
    ),
]
Notes = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=LONGEST_NOTES),
    AfterValidator(_text),
    Field(title="Notes", description="What you want to remember of it. Plain text."),
]


class Submission(BaseModel):
    """A run to be queued: a name, a spec, and where it is queued."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: RunName
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
    tags: Tags = []
    cloned_from: Annotated[
        int | None,
        Field(
            ge=1,
            le=LARGEST_KEY,
            title="Cloned from",
            description="The number of the run whose spec this one began as a copy of.",
        ),
    ] = None


class Edit(BaseModel):
    """What is to be changed of a run that is there; what is absent stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: RunName | None = None
    tags: Tags | None = None
    notes: Notes | None = None


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
        return value and _readable(value)


class RetryOptions(ActionOptions):
    """The body of a retry."""

    from_scratch: Annotated[
        bool, Field(validation_alias=AliasChoices("from_scratch", "from_nothing"))
    ] = False
    """Whether it starts over, instead of resuming from its last snapshot. Version 0.1 called it
    `from_nothing`."""


class ManyOptions(ActionOptions):
    """The body of a request that is about several runs."""

    ids: Annotated[
        list[Annotated[int, Field(ge=1, le=LARGEST_KEY)]],
        Field(min_length=1, max_length=MOST_AT_ONCE),
    ]


Days = Annotated[float | None, Field(ge=0, le=36_500)]


class TagOptions(ManyOptions):
    """The body of a request that tags several runs."""

    add: Tags = []
    remove: Tags = []


class FilterOptions(BaseModel):
    """The body of a request that saves a filter."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
        AfterValidator(_readable),
    ]
    query: Annotated[str, StringConstraints(max_length=QUERY_LENGTH)]


class CleanOptions(ActionOptions):
    """The body of a request to remove what is kept no longer."""

    dry_run: bool = True
    """Whether it is only said what would be removed."""
    snapshots_days: Days = None
    artifacts_days: Days = None
    logs_days: Days = None
    workers_days: Days = None
    previews_days: Days = None
    """What is removed that is older; null: none of that kind."""
    deleted: bool = False
    """Whether deleted runs are removed at once, so that they cannot be restored."""
    position: Annotated[int, Field(ge=0, le=LARGEST_KEY)] = 0
    """`next` of the last answer."""


Options = TypeVar("Options", bound=BaseModel)
NOTHING: Mapping[str, Any] = {}


def submit(context: Context, values: Mapping[str, Any], key: str | None = None) -> Job:
    """Check what was handed in, queue it and notify the workers.

    Args:
        context: the database, and whom to notify.
        values: what was handed in, as `Submission` names it.
        key: what this submit is known by, where it may be sent more than once: only the first time
            something is queued, and each time the job of the first is returned.

    Raises:
        InvalidInput: naming every wrong field, or the key, where it was sent with another job;
            nothing was queued.
    """
    submission, checked = _read(values)
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
        submission_token=None if key is None else _token(key),
        cloned_from=submission.cloned_from,
    )
    asked = submission.name, checked.model_dump(mode="json")
    if key is not None and (job.name, job.spec) != asked:
        raise InvalidInput.one(KEY, message("input.key_of_another", job_id=job.id))
    context.notifier.notify(job.queue)
    return job


def _token(key: str) -> str:
    if not 0 < len(key) <= LONGEST_KEY:
        raise InvalidInput.one(KEY, message("input.key_length", most=LONGEST_KEY))
    return hashlib.sha256(key.encode()).hexdigest()


def _read(values: Mapping[str, Any]) -> tuple[Submission, TrainingSpec]:
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
    return submission, checked


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


def drain_worker(context: Context, which: str, values: Mapping[str, Any] = NOTHING) -> int:
    """Let the workers of a name claim nothing new.

    Returns:
        The id of the worker that was named, by its number or its name.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such worker.
    """
    _checked(ActionOptions, values)
    return drains.drain(context.database, which, LOCAL_OWNER)


def resume_worker(context: Context, which: str, values: Mapping[str, Any] = NOTHING) -> int:
    """Let the workers of a name claim again, end every rest of theirs, and notify them.

    Returns:
        The id of the worker that was named, by its number or its name.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such worker.
    """
    _checked(ActionOptions, values)
    worker_id, queues = drains.resume(context.database, which, LOCAL_OWNER)
    for queue in queues:
        context.notifier.notify(queue)
    return worker_id


def edit(context: Context, job_id: int, values: Mapping[str, Any]) -> Job:
    """Change a run's name, tags or notes, and wake its viewers.

    Raises:
        InvalidInput: naming every wrong field; nothing was changed.
        NotFound: there is no such job.
        Conflict: it was deleted.
    """
    asked = _checked(Edit, values)
    job = editing.edit(
        context.database,
        job_id,
        LOCAL_OWNER,
        name=asked.name,
        tags=asked.tags,
        notes=asked.notes,
    )
    return _announced(context, job)


def delete(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Delete a run, so that it can be restored for a while, and wake its viewers.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it is running.
    """
    _checked(ActionOptions, values)
    return _deleted(context, job_id)


def restore(context: Context, job_id: int, values: Mapping[str, Any] = NOTHING) -> Job:
    """Undo a delete, notify the workers, and wake the viewers of the run.

    Raises:
        InvalidInput: naming every wrong field.
        NotFound: there is no such job.
        Conflict: it was deleted too long ago.
    """
    _checked(ActionOptions, values)
    return _restored(context, job_id)


@dataclass(frozen=True, slots=True)
class Many:
    """What became of a request that is about several runs."""

    done: Sequence[int]
    refused: Sequence[tuple[int, TrainyardError]]
    pending: Sequence[int] = ()
    """Those of `done` that still run: it takes effect when their processes have ended."""


def delete_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Delete several runs; one that cannot be deleted keeps no other from it.

    Raises:
        InvalidInput: naming every wrong field; nothing was deleted.
    """
    return _each(context, values, _deleted)


def restore_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Restore several runs; one that cannot be restored keeps no other from it.

    Raises:
        InvalidInput: naming every wrong field; nothing was restored.
    """
    return _each(context, values, _restored)


def cancel_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Ask that several runs be cancelled; those that had ended already are named as refused.

    Raises:
        InvalidInput: naming every wrong field; nothing was cancelled.
    """
    return _each(context, values, _cancelled)


def retry_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Give several failed runs another try; one that has not failed keeps no other from it.

    Raises:
        InvalidInput: naming every wrong field; nothing was retried.
    """
    return _each(context, values, retry)


def tag_many(context: Context, values: Mapping[str, Any]) -> Many:
    """Give several runs some tags, and take others away.

    Raises:
        InvalidInput: naming every wrong field; nothing was changed.
    """
    asked = _checked(TagOptions, values)
    if not (asked.add or asked.remove):
        raise InvalidInput.one("add", message("input.no_tag"))

    def tag(context: Context, job_id: int) -> Job:
        tags = {"add": asked.add, "remove": asked.remove}
        return _announced(context, editing.retag(context.database, job_id, LOCAL_OWNER, **tags))

    return _each(context, {"ids": asked.ids}, tag)


def _cancelled(context: Context, job_id: int) -> Job:
    with context.database.reading() as session:
        before, _ = queries.job(session, job_id)
    job = cancel(context, job_id)
    if before.state in FINAL or job.state in FINAL - {"cancelled"}:
        raise Conflict(message("run.had_ended", job_id=job_id, state=job.state))
    return job


def save_filter(context: Context, values: Mapping[str, Any]) -> SavedFilter:
    """Keep a view of the list under a name; one that has the name already is replaced.

    Raises:
        InvalidInput: naming every wrong field; nothing was saved.
        Conflict: there are too many.
    """
    asked = _checked(FilterOptions, values)
    return saved_filters.save(context.database, LOCAL_OWNER.name, asked.name, asked.query)


def remove_filter(context: Context, filter_id: int) -> SavedFilter:
    """Forget a saved filter.

    Raises:
        NotFound: there is no such filter.
    """
    return saved_filters.remove(context.database, LOCAL_OWNER.name, filter_id)


def _each(
    context: Context, values: Mapping[str, Any], action: Callable[[Context, int], Job]
) -> Many:
    done: list[int] = []
    pending: list[int] = []
    refused: list[tuple[int, TrainyardError]] = []
    for job_id in dict.fromkeys(_checked(ManyOptions, values).ids):
        try:
            job = action(context, job_id)
            done.append(job.id)
            pending += [job.id] if job.state == "running" else []
        except (NotFound, Conflict, Forbidden) as error:
            refused.append((job_id, error))
    return Many(done, refused, pending)


def _deleted(context: Context, job_id: int) -> Job:
    undo_s = context.settings.undo_hours * 3600.0
    return _announced(context, deletion.delete(context.database, job_id, LOCAL_OWNER, undo_s))


def _restored(context: Context, job_id: int) -> Job:
    job = deletion.restore(context.database, job_id, LOCAL_OWNER)
    return _announced(context, job, notify=job.state == "queued")


def clean(context: Context, values: Mapping[str, Any]) -> tuple[CleanOptions, Piece]:
    """Remove what is asked for, or only say what that would be; for some seconds at most.

    Raises:
        InvalidInput: naming every wrong field; nothing was removed.
    """
    asked = _checked(CleanOptions, values)
    whole = Piece()
    deadline = time.monotonic() + CLEANING_S
    if asked.deleted and not asked.position:
        whole.merge(cleaning.purge_now(context.database, LOCAL_OWNER, dry_run=asked.dry_run))
        # what is left by then, the housekeeping removes
        while (
            not asked.dry_run and time.monotonic() < deadline and deletion.purge(context.database)
        ):
            pass
    rules, position = _rules(context, asked), asked.position
    while True:
        part = cleaning.clean(context.database, rules, LOCAL_OWNER, position, dry_run=asked.dry_run)
        whole.merge(part)
        if part.next is None or time.monotonic() > deadline:
            return asked, whole
        position = part.next


def _rules(context: Context, asked: CleanOptions) -> Policy:
    """What is to be removed: by the days that are asked for, else by those of the settings."""
    own = policy.of(context.settings)
    by_hand = Policy(
        snapshots_s=_seconds(asked.snapshots_days),
        artifacts_s=_seconds(asked.artifacts_days),
        logs_s=_seconds(asked.logs_days),
        workers_s=_seconds(asked.workers_days),
        previews_s=_seconds(asked.previews_days),
        keep_tag=own.keep_tag,
    )
    return by_hand if asked.deleted or by_hand != Policy(keep_tag=own.keep_tag) else own


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * DAY_S


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
