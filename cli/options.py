"""The options of `submit`, made from the spec, and the reading of `--set field=value`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click

from core import spec
from core.errors import InvalidInput
from core.fields import Field, spec_fields
from core.presets import PRESETS

Command = Callable[..., Any]


def preset_names() -> str:
    """The presets, for a help text."""
    return ", ".join(PRESETS)


def of_the_spec(command: Command) -> Command:
    """Give a command one option a field of the spec; it gets those given as `spec_fields`."""
    fields = spec_fields()
    by_parameter = {_parameter(path): path for path in fields}

    @wraps(command)
    def wrapped(**arguments: Any) -> Any:
        given = {
            path: value
            for parameter, path in by_parameter.items()
            if (value := arguments.pop(parameter)) is not None
        }
        return command(spec_fields=given, **arguments)

    decorated: Command = wrapped
    for path, variants in reversed(fields.items()):
        decorated = click.option(
            f"--{path}", _parameter(path), metavar="VALUE", help=_help(variants)
        )(decorated)
    return decorated


def read_spec(assignments: Sequence[str], given: dict[str, Any]) -> dict[str, Any]:
    """The spec that the options ask for; the server checks it.

    Raises:
        InvalidInput: an assignment is not `field=value`.
    """
    values = {path: read_value(text) for path, text in given.items()}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise InvalidInput.one("--set", f"write field=value, not {assignment!r}")
        values[path.strip()] = read_value(text.strip())
    return spec.nest(values)


def read_value(text: str) -> Any:
    """A value as JSON where it is JSON (`0.1`, `true`, `[8, 16]`), a list of `8,16`, else text."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # NaN cannot be sent: the server refuses it as text
    except (ValueError, RecursionError):
        pass
    else:
        return value
    if "," in text:
        return [read_value(part.strip()) for part in text.split(",") if part.strip()]
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)


def _parameter(path: str) -> str:
    return "spec_" + path.replace(".", "_")


def _help(variants: Sequence[Field]) -> str:
    """One line about a field; a field of several kinds tells each kind's default."""
    field = variants[0]
    bounds = ", ".join(choice.text for choice in field.choices) or field.hint
    defaults = {variant.name.rpartition(".")[0]: variant.default for variant in variants}
    if len(set(defaults.values())) == 1:
        told = field.default
    else:
        told = ", ".join(
            f"{default} for {kind.rpartition('.')[2]}" for kind, default in defaults.items()
        )
    parts = [field.help.rstrip(".") or field.title]
    if bounds:
        parts.append(f"({bounds})")
    parts.append(f"[default: {told}]")
    return " ".join(parts)
