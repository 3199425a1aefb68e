"""What a spec looks like before anything is queued: its network, and its images as augmented."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from cli.client import Client
from cli.commands import options
from cli.commands.arguments import Command, as_json, with_client, write
from cli.render import tables, text
from core.spec import facts
from core.spec.presets import resolve

JSON = dict[str, Any]

LOOK_EVERY_S = 0.5


def _of_a_spec(command: Command) -> Command:
    """Give a command the options from which `submit` makes a spec, but for one a field."""
    for option in (
        click.option(
            "--set",
            "assignments",
            metavar="FIELD=VALUE",
            multiple=True,
            help="Set one field of the spec, such as model.kind=resnet. Repeatable.",
        ),
        click.option("--preset", help=f"Spec to start from: {options.preset_names()}."),
    ):
        command = option(command)
    return command


@click.command()
@_of_a_spec
@as_json
@with_client
def network(
    client: Client, preset: str | None, assignments: tuple[str, ...], as_json: bool
) -> None:
    """Show the network of a spec: its blocks, what comes out of each, and what it costs."""
    found = client.post("/network", _parts(preset, assignments, facts.NETWORK_PARTS))
    if as_json:
        click.echo(text.as_json(found))
    else:
        text.console().print(tables.network(found))


@click.command()
@_of_a_spec
@click.option(
    *("--output", "-o"),
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("preview.png"),
    show_default=True,
    help="File to write.",
)
@with_client
def preview(client: Client, preset: str | None, assignments: tuple[str, ...], output: Path) -> None:
    """Have a worker draw images as a spec augments them, and save the picture."""
    asked = client.post("/previews", _parts(preset, assignments, facts.PREVIEW_PARTS))
    content = _once_there(lambda: client.picture(f"/previews/{asked['key']}.png"))
    write(output, content)
    click.echo(f"{output}: the picture")


def _parts(preset: str | None, assignments: Sequence[str], names: Sequence[str]) -> JSON:
    """Some parts of the spec that is asked for, whole."""
    spec = resolve(preset, options.read_spec(assignments, {}))
    return spec.model_dump(mode="json", include=set(names))


def _once_there(ask: Callable[[], bytes | JSON]) -> bytes:
    """The picture, when it is drawn; meanwhile what it waits for, once for each reason."""
    reason = None
    while not isinstance(found := ask(), bytes):
        if found["detail"] != reason:
            reason = found["detail"]
            click.echo(reason, err=True)
        time.sleep(LOOK_EVERY_S)
    return found


COMMANDS = (network, preview)
