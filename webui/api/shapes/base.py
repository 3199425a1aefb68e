"""What all the shapes of the API share: times, reasons, lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from core.messages import Message, as_json
from core.queries import Page

JSON = dict[str, Any]
Row = TypeVar("Row")


def timestamp(value: datetime) -> str:
    """A time as ISO 8601 in UTC, to the microsecond."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(timestamp, return_type=str)]


class Shape(BaseModel):
    """An answer of the API: read from a row by the names of its columns, or given its fields."""

    model_config = ConfigDict(from_attributes=True, frozen=True, extra="forbid")

    def as_json(self) -> JSON:
        """The answer as JSON values: what is sent, and what a page's template is given."""
        return self.model_dump(mode="json", by_alias=True)


class OpenShape(Shape):
    """A part of what a worker wrote down as JSON; what a later worker adds is sent too."""

    model_config = ConfigDict(extra="allow")


class SparseShape(Shape):
    """An answer that lacks the fields that were not given."""

    def as_json(self) -> JSON:
        """The answer as JSON values, of the fields that were given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Reason(Shape):
    """Why something is as it is: a code with its parameters, and the English sentence."""

    code: str
    params: JSON
    text: str

    @classmethod
    def of(cls, message: Message) -> Reason:
        """The shape of a message."""
        return cls(**as_json(message), text=message.text)


Item = TypeVar("Item", bound=Shape)


class Listing(Shape, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next: Annotated[str | None, Field(description="Cursor of the next page; null at the end.")]

    @classmethod
    def of(cls, page: Page[Row], shape: Callable[[Row], Item]) -> Listing[Item]:
        """The shape of a page of rows."""
        return cls(items=[shape(row) for row in page.items], next=page.next)
