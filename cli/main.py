"""The program `trainyard`: its commands, put together."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from cli import exits
from core import versions
from core.errors import InvalidInput, TrainyardError

MODULES = (
    "stack",
    "runs",
    "control",
    "drawing",
    "space",
    "data",
    "limits",
    "admin",
    "accounts",
    "comparing",
    "live",
    "export",
    "saved",
    "people",
    "notifications",
    "completion",
    "agents",
)
"""Where the commands are, in `cli.commands`, in the order of the help. One is imported when a
command of it is used: what `submit` needs would have `up` start its dashboard later."""

_MEANT = {
    **dict.fromkeys(("list", "ls", "runs", "ps"), "jobs"),
    **dict.fromkeys(("status", "info", "describe", "get"), "show"),
    **dict.fromkeys(("stop", "kill"), "cancel"),
    **dict.fromkeys(("rm", "remove"), "delete"),
    **dict.fromkeys(("run", "train", "create", "new"), "submit"),
    **dict.fromkeys(("start", "serve"), "up"),
    **dict.fromkeys(("watch", "tail"), "follow"),
}
"""What people type who know other programs, and what does it here."""

_OF_STACK = ("up", "demo", "web", "worker")


class Program(click.Group):
    """Turns domain errors into a sentence and an exit status, for every command at once."""

    def list_commands(self, context: click.Context) -> list[str]:  # noqa: ARG002
        return [name for module in MODULES for name in _commands(module)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        modules = MODULES[:1] if name in _OF_STACK else MODULES[1:]
        found = (_commands(module).get(name) for module in modules)
        return next((command for command in found if command), None)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        meant = _MEANT.get(args[0]) if args else None
        if meant is not None:
            context.fail(f"No such command {args[0]!r}. Did you mean: trainyard {meant}?")
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except InvalidInput as error:
            for problem in error.errors:
                click.echo(f"{problem.field}: {problem.message}", err=True)
            sys.exit(exits.of_error(error))
        except TrainyardError as error:
            click.echo(str(error), err=True)
            sys.exit(exits.of_error(error))


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(versions.own())
def main() -> None:
    """Queue, train, watch and download runs of convolutional networks."""


def _commands(module: str) -> dict[str, click.Command]:
    commands = import_module(f"cli.commands.{module}").COMMANDS
    return {command.name: command for command in commands}


if __name__ == "__main__":
    main()
