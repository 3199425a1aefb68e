"""How the devices are shared, and what each person may use."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from cli.client import Client
from cli.commands.arguments import NumberWithin, WholeNumberWithin, as_json, with_client
from cli.render import sharing as shown
from cli.render import text

JSON = dict[str, Any]

GIGABYTE = 10**9
COUNT = WholeNumberWithin(min=0)
AMOUNT = NumberWithin(min=0)


@click.group()
def limits() -> None:
    """What each person uses, and may use."""


@limits.command(name="list")
@as_json
@with_client
def list_limits(client: Client, as_json: bool) -> None:
    """Show what everybody has used and uses, and their limits; who has used most, first."""
    found = client.get("/sharing")
    if as_json:
        click.echo(text.as_json(found))
        return
    if found["people"]:
        text.console().print(shown.people(found["people"]))
    click.echo(shown.everybody(found["everybody"]))
    for each in found["queues"]:
        if each["preempts"]:
            click.echo(shown.queue(each))


@limits.command(name="set")
@click.argument("person", required=False, default="")
@click.option("--running", "most_running", type=COUNT, help="Runs at once.")
@click.option("--waiting", "most_queued", type=COUNT, help="Runs that wait.")
@click.option("--hours", "device_hours_a_week", type=AMOUNT, help="Device-hours in seven days.")
@click.option("--storage", "gigabytes", type=AMOUNT, help="Gigabytes of files.")
@as_json
@with_client
def set_limits(
    client: Client, person: str, gigabytes: float | None, as_json: bool, **asked: float | None
) -> None:
    """Say what PERSON may use; without one, what everybody may who has no limit of their own.

    It takes the place of what was set before: a limit that is left out is none.
    """
    stored = None if gigabytes is None else round(gigabytes * GIGABYTE)
    path = f"/limits/{quote(person, safe='')}" if person else "/limits"
    found = client.put(path, {**asked, "storage_bytes": stored})
    if as_json:
        click.echo(text.as_json(found))
    else:
        whose = text.one_line(person) if person else "Everybody"
        click.echo(f"{whose}: {shown.in_words(found)}")


@limits.command(name="queue")
@click.argument("queue")
@click.option(
    "--preempt/--no-preempt",
    "preempts",
    required=True,
    help="Whether a run may take the place of a running one of a lower priority.",
)
@as_json
@with_client
def set_queue(client: Client, queue: str, preempts: bool, as_json: bool) -> None:
    """Say whether runs of a higher priority preempt others in QUEUE.

    The run that gives way saves a snapshot, waits again, and resumes exactly from there.
    """
    found = client.put(f"/queues/{quote(queue, safe='')}", {"preempts": preempts})
    click.echo(text.as_json(found) if as_json else shown.queue(found))


COMMANDS = (limits,)
