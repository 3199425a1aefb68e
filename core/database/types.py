"""Column types that both databases take, and the base of the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase

from core.messages import Message, from_stored, stored
from core.roles import Role, Scope
from core.states import Desired, EventKind, Outcome, State

ArtifactKind = Literal["checkpoint", "export", "card"]
"""checkpoint: the weights (.pt, .safetensors); export: the same for other runtimes (.onnx)."""

NAME_LENGTH = 120
QUEUE_LENGTH = 60
TAG_LENGTH = 60
KIND_LENGTH = 60
TOKEN_LENGTH = 64
VALUE_LENGTH = 120
QUERY_LENGTH = 2000
LARGEST_KEY = 2**63 - 1
"""What a database can look up; whoever asks for more asks for what does not exist."""

BigKey = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER keys up


class UTCDateTime(TypeDecorator[datetime]):
    """A moment. PostgreSQL keeps the zone; SQLite keeps UTC without saying so."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class StoredMessage(TypeDecorator[Message]):
    """A message as text: code and parameters. A sentence of an earlier release is read as well."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Message | None, _dialect: Dialect) -> str | None:
        return None if value is None else stored(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Message | None:
        return None if value is None else from_stored(value)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can drop it on either database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UTCDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        State: String(20),
        Desired: String(20),
        Outcome: String(20),
        ArtifactKind: String(20),
        EventKind: String(20),
        Role: String(20),
        Scope: String(20),
        Message: StoredMessage,
    }


def one_of(column: str, values: tuple[str, ...]) -> str:
    """The condition that a column has one of some values."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
