"""The errors that Trainyard raises on purpose.

TrainyardError
├── InvalidInput        something a person typed is wrong; carries one message a field
├── NotFound            no such job, artifact, preset, dataset; names what there is
├── Gone                what was there is there no longer; says what took its place
├── Unavailable         a service is away; says which, and what to do
│   └── DatabaseUnavailable
├── Conflict            what is asked does not fit the state of the run; says what would
├── Unauthenticated     whoever asks has not said who they are, or not so that it is believed
├── Forbidden           the actor may not do that
├── TooManyRequests     it is asked for too often; says when to ask again
├── BadRequest          a request cannot be read
│   └── UnsupportedMediaType  it is not in the format that is read
├── PreconditionFailed  what a request takes for granted is not so
├── BackupFailed        a backup cannot be made, or not be restored here
├── LeaseLost           the job belongs to another attempt now; stop and leave no trace
└── DataUnavailable     a dataset could be had from none of its sources

Each door (page, API, terminal) turns them into its own answer in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.messages import Message, as_json, message, plain


class TrainyardError(Exception):
    """Any failure with a sentence fit for a person; `reason` is that sentence as a message."""

    def __init__(self, reason: Message | str) -> None:
        self.reason = plain(reason) if isinstance(reason, str) else reason
        super().__init__(self.reason.text)


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a dotted name such as `optimizer.momentum`."""

    field: str
    reason: Message

    @property
    def message(self) -> str:
        """The reason as a sentence."""
        return self.reason.text

    def as_json(self) -> dict[str, Any]:
        """As it is sent: `field`, `message`, and the reason's `code` and `params`."""
        return {"field": self.field, "message": self.message, **as_json(self.reason)}


class InvalidInput(TrainyardError):
    """A request that names values Trainyard cannot accept. Nothing was changed."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors
        problems = [message("input.field", field=e.field, reason=e.reason) for e in errors]
        super().__init__(message("input.wrong_fields", problems=problems))

    @classmethod
    def one(cls, field: str, reason: Message | str) -> InvalidInput:
        """Make the error for a single field."""
        return cls([FieldError(field, plain(reason) if isinstance(reason, str) else reason)])


def refuse_all(*checks: Callable[[], object]) -> None:
    """Raise one `InvalidInput` that names every field which any of some checks refuses."""
    errors: list[FieldError] = []
    for check in checks:
        try:
            check()
        except InvalidInput as error:
            errors += error.errors
    if errors:
        raise InvalidInput(errors)


class NotFound(TrainyardError):
    """The thing that was asked for does not exist."""


class Gone(TrainyardError):
    """What was asked for is of another database than the one that is here now."""


class Conflict(TrainyardError):
    """What was asked for does not fit the state that the run is in. Nothing was changed."""


class Unauthenticated(TrainyardError):
    """Nobody known asks, and only people who are known are answered. Nothing was changed."""


class Forbidden(TrainyardError):
    """The actor may not do what was asked for. Nothing was changed."""


class TooManyRequests(TrainyardError):
    """It was asked for too often. Nothing was changed, or looked at."""

    def __init__(self, reason: Message, retry_after_s: float) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class BadRequest(TrainyardError):
    """A request cannot be read. Nothing was changed."""


class UnsupportedMediaType(BadRequest):
    """A request is not in the format that is read. Nothing was changed."""


class PreconditionFailed(TrainyardError):
    """What a request takes for granted is not so. Nothing was changed."""


class Unavailable(TrainyardError):
    """A service that is needed does not answer."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""


class BackupFailed(TrainyardError):
    """A backup cannot be made, or not be restored here. What was there is as it was."""


class LeaseLost(TrainyardError):
    """This attempt no longer holds the job: every write it tries is refused."""


class DataUnavailable(TrainyardError):
    """A dataset could not be had from any of its sources."""
