"""What a shell needs to complete commands, options, run numbers and tags."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, run numbers and tags.

    In ~/.bashrc: eval "$(trainyard completion bash)"
    """
    made = get_completion_class(shell)
    assert made is not None  # click has these three
    program = context.find_root().command
    click.echo(made(program, {}, "trainyard", "_TRAINYARD_COMPLETE").source())


COMMANDS = (completion,)
