"""Arguments and options that several commands take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cli import tokens
from cli.client import Client
from cli.commands import suggestions
from cli.render import text
from cli.stack import endpoint
from core import settings
from core.spec import numbers
from core.spec.validation import WrongValue

Command = Callable[..., Any]

yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class WholeNumber(click.ParamType[int]):
    """A whole number, read as the form reads it."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or the sentence that says what to write."""
        if isinstance(value, int):
            return value
        try:
            return int(numbers.read(value, int))
        except WrongValue as refused:
            self.fail(refused.reason.text, param, ctx)


class WholeNumberWithin(click.IntRange):
    """A whole number within bounds, read as the form reads it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or the sentence that says what to write."""
        return super().convert(WholeNumber().convert(value, param, ctx), param, ctx)


class NumberWithin(click.FloatRange):
    """A number within bounds, read as the form reads it: 0,5 is a half."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or the sentence that says what to write."""
        if isinstance(value, str):
            try:
                value = numbers.read(value, float)
            except WrongValue as refused:
                self.fail(refused.reason.text, param, ctx)
        return super().convert(value, param, ctx)


with_url = click.option(
    "--url",
    help="Address of the server; else TRAINYARD_URL, a running `up`, or where you logged in.",
)
with_ca = click.option(
    "--ca",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of certificates to believe besides the system's, for a server of your own by https.",
)


def with_client(command: Command) -> Command:
    """Give a command `--url` and `--ca`, and the client of the server that they mean."""

    @with_url
    @with_ca
    @wraps(command)
    def wrapped(*, url: str | None, ca: Path | None, **arguments: Any) -> Any:
        chosen = settings.load(**({"url": url} if url else {}))
        address = endpoint.find_url(chosen)
        with Client(address, tokens.token_for(chosen, address), ca=ca) as client:
            return command(client=client, **arguments)

    return wrapped


def job_ids(command: Command) -> Command:
    """Give a command the argument that names one run or more."""
    kind = WholeNumberWithin(min=1)
    return click.argument(
        "job_ids",
        metavar="RUN...",
        nargs=-1,
        required=True,
        type=kind,
        shell_complete=suggestions.runs,
    )(command)


def job_id(command: Command) -> Command:
    """Give a command the argument that names a run."""
    kind = WholeNumberWithin(min=1)
    return click.argument("job_id", metavar="RUN", type=kind, shell_complete=suggestions.runs)(
        command
    )


def say(job: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    """Say what became of a run: for people, or as it is answered."""
    click.echo(text.as_json(job) if as_json else sentence)


def write(output: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        click.FileError: it cannot be written.
    """
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from error


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be taken back, where somebody is there to answer.

    Raises:
        click.Abort: the answer was no.
    """
    if not yes and is_at_a_terminal():
        click.confirm(question, abort=True, err=True)


def is_at_a_terminal() -> bool:
    """Whether a person types and reads: neither input nor output is a file or another program."""
    return sys.stdin.isatty() and sys.stdout.isatty()
