"""The errors that Trainyard raises on purpose.

TrainyardError
├── InvalidInput        something a person typed is wrong; carries one message a field
├── NotFound            no such job, checkpoint, preset, dataset; names what there is
├── Unavailable         a service is away; says which, and what to do
│   └── DatabaseUnavailable
├── Conflict            what is asked does not fit the state of the run; says what would
├── LeaseLost           the job belongs to another attempt now; stop and leave no trace
└── DataUnavailable     a dataset could be had from none of its sources

Each door (page, API, terminal) turns them into its own answer in one place.
"""

from __future__ import annotations

from dataclasses import dataclass


class TrainyardError(Exception):
    """Any failure with a sentence fit for a person."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a dotted name such as `optimizer.momentum`."""

    field: str
    message: str


class InvalidInput(TrainyardError):
    """A request that names values Trainyard cannot accept. Nothing was changed."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))

    @classmethod
    def one(cls, field: str, message: str) -> InvalidInput:
        """Make the error for a single field."""
        return cls([FieldError(field, message)])


class NotFound(TrainyardError):
    """The thing that was asked for does not exist."""


class Conflict(TrainyardError):
    """What was asked for does not fit the state that the run is in. Nothing was changed."""


class Unavailable(TrainyardError):
    """A service that is needed does not answer."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""


class LeaseLost(TrainyardError):
    """This attempt no longer holds the job: every write it tries is refused."""


class DataUnavailable(TrainyardError):
    """A dataset could not be had from any of its sources."""
