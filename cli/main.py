"""The program `trainyard`: its commands, put together."""

from __future__ import annotations

import sys
from typing import Any

import click

from cli.commands import admin, data, runs, stack
from core import versions
from core.errors import InvalidInput, TrainyardError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2


class Program(click.Group):
    """Turns domain errors into a sentence and an exit status, for every command at once."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except InvalidInput as error:
            for problem in error.errors:
                click.echo(f"{problem.field}: {problem.message}", err=True)
            sys.exit(EXIT_BAD_INPUT)
        except TrainyardError as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_FAILED)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(versions.own())
def main() -> None:
    """Queue, train, watch and download runs of convolutional networks."""


for _command in (*stack.COMMANDS, *runs.COMMANDS, *data.COMMANDS, *admin.COMMANDS):
    main.add_command(_command)


if __name__ == "__main__":
    main()
