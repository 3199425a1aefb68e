"""The datasets on this machine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import click

from cli.commands.arguments import as_json
from cli.render import tables, text
from core import settings
from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.messages import message

KNOWN = ", ".join(DATASETS)


@click.group()
def data() -> None:
    """The datasets."""


@data.command(epilog=f"Known: {KNOWN}.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def fetch(names: tuple[str, ...]) -> None:
    """Fetch datasets into the data folder."""
    unknown = [name for name in names if name not in DATASETS]
    if unknown:
        raise InvalidInput.one(
            "NAME", message("input.unknown_dataset", name=unknown[0], known=list(DATASETS))
        )
    folder = settings.load().data_folder
    # what fetches them imports torch, and the terminal never does
    command = [sys.executable, "-m", "worker.training.data.download", str(folder), *names]
    sys.exit(subprocess.run(command, check=False).returncode)


@data.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the datasets, and which of them lie in the data folder."""
    folder = settings.load().data_folder
    rows = [
        asdict(dataset) | {"is_here": (folder / dataset.folder).is_dir()}
        for dataset in DATASETS.values()
    ]
    if as_json:
        click.echo(text.as_json(rows))
    else:
        text.console().print(tables.datasets(rows))


COMMANDS = (data,)
