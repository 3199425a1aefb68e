"""The options of `submit`, made from the spec, and the reading of `--set field=value`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import IO, Any

import click
from click.core import ParameterSource

from core.errors import InvalidInput
from core.messages import message
from core.spec import spec
from core.spec.fields import Field, Section, sections, spec_fields
from core.spec.presets import PRESETS
from core.spec.validation import KIND

Command = Callable[..., Any]

WIDTH = 100
"""Columns of a help text, where the terminal has them."""


def preset_names() -> str:
    """The presets, for a help text."""
    return ", ".join(PRESETS)


class SpecOption(click.Option):
    """An option for a field of the spec."""


class Grouped(click.Command):
    """A command whose help tells the options of the spec section by section, after its own."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        own = [each for each in self.get_params(context) if not isinstance(each, SpecOption)]
        _write(context, formatter, "Options", own)
        known = {each.name: each for each in self.get_params(context)}
        for section in sections():
            options = [known[_parameter(path)] for path in _paths(section)]
            _write(context, formatter, section.title, options)


def _write(
    context: click.Context,
    formatter: click.HelpFormatter,
    title: str,
    options: Sequence[click.Parameter],
) -> None:
    rows = [row for each in options if (row := each.get_help_record(context)) is not None]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


def _paths(section: Section) -> list[str]:
    """The fields of a section, each once: first that which chooses its kind."""
    kinds = [section.kind_name] if section.has_kinds else []
    return list(dict.fromkeys(kinds + [f.path for v in section.variants for f in v.fields]))


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
            f"--{path}",
            _parameter(path),
            metavar="VALUE",
            help=_help(variants),
            cls=SpecOption,
        )(decorated)
    return decorated


def read_spec(assignments: Sequence[str], given: dict[str, Any]) -> dict[str, Any]:
    """The spec that the options ask for; the server checks it.

    Raises:
        InvalidInput: an assignment is not `field=value`.
    """
    values = {path: read_field(path, text) for path, text in given.items()}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise InvalidInput.one("--set", message("input.assignment", text=assignment))
        values[path.strip()] = read_field(path.strip(), text.strip())
    return spec.nest(values)


def read_runs(source: IO[bytes]) -> list[Any]:
    """The runs of a file: a JSON list, or an object a line; the server checks each.

    Raises:
        InvalidInput: it is neither.
    """
    content = source.read()
    try:
        if content.lstrip().startswith(b"["):
            return list(json.loads(content))
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InvalidInput.one("--file", message("input.runs_file", detail=str(error))) from None


def refuse_others(name: str, option: str, beside: Collection[str]) -> None:
    """Refuse what was typed beside an option that leaves nothing to say.

    Args:
        name: the option's parameter.
        option: the option as it is typed.
        beside: the parameters that go with it.

    Raises:
        click.UsageError: something else was typed.
    """
    context = click.get_current_context()
    for each in context.command.get_params(context):
        source = context.get_parameter_source(each.name or "")
        if each.name not in (name, *beside) and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} says it all: leave {each.opts[0]} out.")


def read_field(path: str, text: str) -> Any:
    """The value of a field; a field that may be empty is so by an empty text, or `none`.

    A number is read as the form reads it. One that cannot be read stays text: the server says why.
    """
    fields = spec_fields().get(path, ())
    if any(each.optional for each in fields) and text.lower() in ("", "none", "null"):
        return None
    is_json_list = text.lstrip().startswith("[")
    if fields and not is_json_list and all(each.is_number for each in fields):
        return fields[0].value(text)
    return read_value(text)


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
    limits = "; ".join(filter(None, (_whose(variants), bounds)))
    parts = [field.help.removesuffix(" Empty: none.").rstrip(".") or field.title]
    if limits:
        parts.append(f"({limits})")
    parts.append(f"[default: {_defaults(variants)}]")
    return " ".join(parts)


def _defaults(variants: Sequence[Field]) -> str:
    """The default of a field; where kinds differ, each with the kinds that have it."""
    kinds: dict[str, list[str]] = {}
    for variant in variants:
        kinds.setdefault(variant.default or "none", []).append(_kind(variant))
    if len(kinds) == 1:
        return next(iter(kinds))
    return "; ".join(f"{default} for {', '.join(names)}" for default, names in kinds.items())


def _whose(variants: Sequence[Field]) -> str:
    """Which kinds have a field, where not all of its section do."""
    path = variants[0].path.partition(".")[0]
    section = next((each for each in sections() if each.path == path), None)
    if section is None or variants[0].key == KIND or len(variants) == len(section.variants):
        return ""
    return f"of {', '.join(_kind(variant) for variant in variants)}"


def _kind(field: Field) -> str:
    """The kind in a field's own name."""
    return field.name.rpartition(".")[0].rpartition(".")[2]
