"""What is stored or sent as a reason: a code with its parameters.

What happened is stored as a `Message`. The sentence is made where a person reads it, in the
language that this person has chosen, and no code ever has to read a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.languages import ENGLISH, speaking
from core.messages.english import CATALOG
from core.messages.template import Params, fill, places


@dataclass(frozen=True, slots=True)
class Message:
    """Something to say: a code of the catalog and its parameters, JSON values or messages."""

    code: str
    params: Params = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether this release has a sentence for its code and its parameters."""
        return self.code in CATALOG and places(CATALOG[self.code]) == set(self.params)

    @property
    def text(self) -> str:
        """The sentence in the chosen language; a message of another release with its parameters."""
        try:
            return fill(CATALOG[self.code], self.params)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return f"{self.code} {json.dumps(as_json(self)['params'])}"

    @property
    def english(self) -> str:
        """The English sentence, whoever asks: for logs."""
        with speaking(ENGLISH):
            return self.text

    def __str__(self) -> str:
        return self.text

    def timeless(self) -> Message:
        """The same without how long it is still true for: parameters that end in `_s`."""
        kept = {name: each for name, each in self.params.items() if not name.endswith("_s")}
        return Message(self.code, {name: _timeless(each) for name, each in kept.items()})


def message(code: str, **params: Any) -> Message:
    """Make a message.

    Raises:
        KeyError: the catalog has no such code.
        TypeError: the template's places are others than the parameters, or a parameter can be no
            JSON.
    """
    expected = places(CATALOG[code])
    if expected != set(params):
        raise TypeError(f"{code} takes {sorted(expected)}, not {sorted(params)}")
    if odd := [name for name, value in params.items() if not _can_be_json(value)]:
        raise TypeError(f"{code} takes JSON values and messages; {odd} are none")
    return Message(code, params)


def _can_be_json(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_can_be_json, value))
    return value is None or isinstance(value, str | int | float | Message)


def plain(text: str) -> Message:
    """A sentence that has no code: of an earlier release, or of another program."""
    return Message("text", {"text": text})


def as_json(message: Message) -> dict[str, Any]:
    """A message as it is stored and sent: `code` and `params`."""
    return {
        "code": message.code,
        "params": {name: _json(value) for name, value in message.params.items()},
    }


def _json(value: Any) -> Any:
    """A parameter as JSON. NUL, which PostgreSQL refuses and pages cannot show, is its symbol."""
    if isinstance(value, Message):
        return as_json(value)
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value


def from_json(value: Mapping[str, Any]) -> Message:
    """The message that `as_json` wrote."""
    return Message(value["code"], {name: _param(each) for name, each in value["params"].items()})


def _param(value: Any) -> Any:
    if isinstance(value, list):
        return [_param(each) for each in value]
    return from_json(value) if isinstance(value, Mapping) and "code" in value else value


def _timeless(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_timeless(each) for each in value]
    return value.timeless() if isinstance(value, Message) else value


def stored(message: Message) -> str:
    """A message as the text of a column."""
    return json.dumps(as_json(message), separators=(",", ":"))


def from_stored(text: str) -> Message:
    """The message of a column's text; a sentence that an earlier release stored stays one."""
    if text.startswith('{"code":'):
        try:
            return from_json(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
    return plain(text)
