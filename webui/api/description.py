"""What an address takes and answers, said beside it: the source of the OpenAPI document.

Only that stands here which the rest does not say: what an address is called, its places, who may
come to it and what all of them refuse alike are read from the routes (`document.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

JSON = "application/json"
STREAM = "text/event-stream"

Schema = Mapping[str, Any]
Model = type[BaseModel]
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value in the query of an address, or in a header."""

    name: str
    schema: Schema
    about: str
    place: Literal["query", "header"] = "query"
    is_needed: bool = False
    is_repeated: bool = False
    """Whether several values are given one by one, instead of with commas between them."""


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON object that a request may, or must, have."""

    model: Model | None = None
    parts: Sequence[str] = ()
    """Where it is no model: the parts of a spec that it may have."""
    is_needed: bool = True
    example: Schema = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error."""

    models: tuple[Model, ...] = ()
    """Its shape is one of these; none: it is no JSON."""
    media: str = JSON
    """Empty: it has no body."""
    status: int = HTTPStatus.OK
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What an address takes and answers."""

    answers: Sequence[Answer]
    body: Body | None = None
    parameters: Sequence[Parameter] = ()
    problems: Sequence[int] = ()
    """The statuses of its errors besides those that all such addresses have."""
    is_former: bool = False
    """Whether it is kept for programs of an earlier version alone."""


_OF: dict[Callable[..., Any], Description] = {}


def describe(
    *answers: Answer | Model, body: Body | None = None, **more: Any
) -> Callable[[View], View]:
    """Say what an address takes and answers; it stands below the route.

    Args:
        answers: what it answers where nothing is wrong; a model alone is JSON with status 200.
        body: the object that it takes.
        more: `parameters`, `problems` and `is_former` of a `Description`.
    """
    whole = [each if isinstance(each, Answer) else Answer((each,)) for each in answers]

    def keep(view: View) -> View:
        _OF[view] = Description(whole, body, **more)
        return view

    return keep


def description_of(view: Callable[..., Any]) -> Description | None:
    """What was said of an address, by the function that answers it; None: nothing."""
    return _OF.get(view)
