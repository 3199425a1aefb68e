"""The bodies of requests, as they are checked: what a person or a program may send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from core import characters
from core.database.models import LARGEST_KEY, NAME_LENGTH, QUERY_LENGTH, QUEUE_LENGTH, TAG_LENGTH
from core.errors import FieldError, InvalidInput
from core.jobs.editing import MOST_TAGS
from core.messages import message
from core.spec import seeds
from core.spec.validation import WrongValue, explain

QUEUE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

LARGEST_PRIORITY = 1000


MOST_AT_ONCE = 1000
"""Runs that one request may be about."""


LONGEST_NOTES = 10_000


def _single(tags: list[str]) -> list[str]:
    """Tags that can be told apart where they stand beside each other."""
    if any("," in tag or characters.has_controls(tag) for tag in tags):
        raise WrongValue(message("input.tag_characters"))
    return [readable(tag) for tag in tags if tag]


def _text(value: str) -> str:
    """Several lines of text; browsers end them in another way."""
    lines = value.replace("\r\n", "\n").split("\n")
    if any(characters.has_controls(line.replace("\t", " ")) for line in lines):
        raise WrongValue(message("input.control_characters"))
    return "\n".join(lines)


def readable(value: str) -> str:
    """A word that is seen in a list, and leaves what stands beside it alone."""
    if characters.has_controls(value):
        raise WrongValue(message("input.control_characters"))
    if characters.turns_text(value):
        raise WrongValue(message("input.direction_characters"))
    if characters.is_blank(value):
        raise WrongValue(message("input.invisible"))
    return value


def _seeds(value: Any) -> Any:
    """Seeds and ranges of them, as a list or as one text."""
    if isinstance(value, str):
        return seeds.read(seeds.parts(value))
    return seeds.read(value) if isinstance(value, list) else value


RunName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
    AfterValidator(readable),
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
    Field(title="Notes", description="What you want to remember about the run. Plain text."),
]


Private = Annotated[
    bool | None,
    Field(title="Private", description="Only you and administrators see the run."),
]


class OneRun(BaseModel):
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
        StringConstraints(max_length=QUEUE_LENGTH, pattern=QUEUE_PATTERN),
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
    private: Private = None
    """None: where the run that this one is a copy of is."""
    weights_from: Annotated[
        int | None,
        Field(
            ge=1,
            title="Weights of run",
            description="The number of a run with the same network, whose published weights it "
            "begins with. Empty: random weights.",
        ),
    ] = None


class Submission(OneRun):
    """A run to be queued, or one for each of some seeds."""

    seeds: Annotated[
        list[int],
        BeforeValidator(_seeds, json_schema_input_type=str | list[int | str]),
        Field(
            title="Seeds",
            description="A run for each of them, such as 0-4. Empty: one run, with the seed of the "
            "spec.",
        ),
    ] = []


class BulkSubmission(BaseModel):
    """Several runs to be queued, all or none of them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    jobs: Annotated[list[OneRun], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Edit(BaseModel):
    """What is to be changed of a run that is there; what is absent stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: RunName | None = None
    tags: Tags | None = None
    notes: Notes | None = None
    private: Private = None


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
        return value and readable(value)


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


def _on_one_line(value: str) -> str:
    """An address, which holds no control characters."""
    if not value.isprintable():
        raise WrongValue(message("input.address_characters"))
    return value


class FilterOptions(BaseModel):
    """The body of a request that saves a filter."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
        AfterValidator(readable),
    ]
    query: Annotated[str, StringConstraints(max_length=QUERY_LENGTH), AfterValidator(_on_one_line)]


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


class Owner(BaseModel):
    """Of whom a request is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    owner: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
        AfterValidator(readable),
    ]


class LimitOptions(BaseModel):
    """The body of a request to limit what somebody may use; null, or absent, is no limit."""

    model_config = ConfigDict(extra="forbid", strict=True)

    most_running: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    most_queued: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    device_hours_a_week: Annotated[float | None, Field(ge=0, le=1e9)] = None
    storage_bytes: Annotated[int | None, Field(ge=0, le=10**18)] = None


class QueueName(BaseModel):
    """Of which queue a request is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    queue: Annotated[str, StringConstraints(max_length=QUEUE_LENGTH, pattern=QUEUE_PATTERN)]


class QueueOptions(BaseModel):
    """The body of a request to say what holds for a queue."""

    model_config = ConfigDict(extra="forbid", strict=True)

    preempts: bool
    """Whether runs of a higher priority may preempt others."""


Options = TypeVar("Options", bound=BaseModel)


NOTHING: Mapping[str, Any] = {}


def checked(model: type[Options], values: Mapping[str, Any]) -> Options:
    """A body, checked.

    Raises:
        InvalidInput: naming every wrong field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidInput([field_error(model, problem) for problem in error.errors()]) from None


def field_error(model: type[BaseModel], problem: Any) -> FieldError:
    """What pydantic finds wrong with a field, as an error of ours."""
    reason = explain(model, problem)
    if problem["type"] == "string_pattern_mismatch":
        reason = message("input.name_characters")
    return FieldError(".".join(str(part) for part in problem["loc"]) or "body", reason)
