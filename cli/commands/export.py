"""The measurements of a run as a file for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from cli.client import Client
from cli.commands.arguments import job_id, with_client, write
from cli.render import text


@click.command()
@job_id
@click.argument("what", type=click.Choice(("epochs", "metrics", "resources")), default="epochs")
@click.option(
    *("--output", "-o"), type=click.Path(path_type=Path, dir_okay=False), help="Else it is printed."
)
@with_client
def export(client: Client, job_id: int, what: str, output: Path | None) -> None:
    """Write all rows of a run's curves as CSV."""
    content = client.text(f"/jobs/{job_id}/{what}", format="csv")
    if output is None:
        click.echo(content, nl=False)
        return
    write(output, content.encode())
    click.echo(f"{output}: {text.counted(content.count(chr(10)), 'line')}")


COMMANDS = (export,)
