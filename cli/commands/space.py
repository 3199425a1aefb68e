"""Space: runs deleted and restored, backups, what is kept no longer, what takes how much."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from cli import backups
from cli.client import Client
from cli.commands import many
from cli.commands.arguments import (
    Command,
    NumberWithin,
    WholeNumberWithin,
    as_json,
    confirm,
    is_at_a_terminal,
    job_ids,
    with_client,
    yes,
)
from cli.render import space as shown
from cli.render import text

JSON = dict[str, Any]

DAYS = NumberWithin(min=0)


@click.command()
@job_ids
@yes
@as_json
@with_client
def delete(client: Client, job_ids: Sequence[int], yes: bool, as_json: bool) -> None:
    """Delete runs. For a while (a day) they can be restored; then they are gone for good.

    A run that is running must be cancelled or paused first.
    """
    confirm(f"Delete {many.called(job_ids)}?", yes=yes)
    many.report(
        many.ask(client, "/jobs/delete", job_ids),
        lambda job_id: f"run {job_id} is deleted; trainyard restore {job_id} restores it",
        as_json=as_json,
    )


@click.command()
@click.argument("what", metavar="RUN...|FOLDER", nargs=-1, required=True)
@as_json
@with_client
@click.pass_context
def restore(context: click.Context, client: Client, what: Sequence[str], as_json: bool) -> None:
    """Restore runs that were deleted, by their numbers; or a backup, by its folder.

    A backup is restored into an empty database and an empty file store: those that TRAINYARD_HOME,
    TRAINYARD_DATABASE_URL and TRAINYARD_STORAGE_URL name.
    """
    if len(what) == 1 and backups.is_folder(what[0]):
        backups.restore(Path(what[0]), as_json=as_json)
        return
    number = WholeNumberWithin(min=1)
    ids = [number.convert(each, None, context) for each in what]
    many.report(
        many.ask(client, "/jobs/restore", ids),
        lambda job_id: f"run {job_id} is restored",
        as_json=as_json,
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@as_json
def backup(folder: Path, as_json: bool) -> None:
    """Copy the database and all files of runs into a folder, while everything runs.

    A second backup into the same folder copies new files only. What makes one whole is its
    manifest.json, which is written last. Datasets and the signing key are not in it.
    """
    sys.exit(not backups.make(folder, as_json=as_json))


def _older(kind: str, what: str) -> Callable[[Command], Command]:
    """An option that names an age."""
    return click.option(f"--{kind}", f"{kind}_days", type=DAYS, metavar="DAYS", help=what)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@_older("snapshots", "Snapshots of runs that are failed or paused for longer.")
@_older("artifacts", "Artifacts of runs that ended earlier.")
@_older("logs", "Logs of runs that ended earlier.")
@_older("workers", "Workers that stopped earlier and that no run names.")
@_older("previews", "Previews that were asked for earlier.")
@click.option("--deleted", is_flag=True, help="Deleted runs: they cannot be restored then.")
@yes
@as_json
@with_client
def clean(
    client: Client,
    dry_run: bool,
    deleted: bool,
    yes: bool,
    as_json: bool,
    **days: float | None,
) -> None:
    """Remove what is kept no longer, by age in days: 0 removes all of a kind.

    Without an age or --deleted, the ages are those of the server's settings. Runs with the tag
    that the settings name (keep) lose nothing. On a terminal it shows first what goes, and asks.
    """
    body = {"dry_run": dry_run, "deleted": deleted, **days}
    if not dry_run and not yes and is_at_a_terminal():
        _show(_clean(client, body | {"dry_run": True}), as_json=False)
        confirm("Remove this?", yes=yes)
    _show(_clean(client, body), as_json)


def _show(total: JSON, as_json: bool) -> None:
    if as_json:
        click.echo(text.as_json(total))
    elif total["items"]:
        text.console().print(shown.cleaned(total))
    else:
        click.echo("There is nothing to remove.")


def _clean(client: Client, body: JSON) -> JSON:
    return _summed(list(_pieces(client, body)))


def _pieces(client: Client, body: JSON) -> Iterator[JSON]:
    """The answers of the server, which removes for some seconds at a time."""
    position: int | None = 0
    while position is not None:
        answer = client.post("/clean", body | {"position": position})
        yield answer
        position = answer["next"]


def _summed(answers: Sequence[JSON]) -> JSON:
    items: dict[str, JSON] = {}
    for answer in answers:
        for each in answer["items"]:
            known = items.setdefault(each["kind"], {"kind": each["kind"]})
            for name in ("runs", "count", "bytes"):
                known[name] = known.get(name, 0) + each[name]
    return {"dry_run": answers[0]["dry_run"], "items": list(items.values())}


@click.command()
@as_json
@with_client
def storage(client: Client, as_json: bool) -> None:
    """Show what takes how much space, by kind and by the largest runs."""
    answer = client.get("/storage")
    if as_json:
        click.echo(text.as_json(answer))
        return
    console = text.console()
    console.print(shown.kinds(answer["kinds"]))
    if answer["largest"]:
        console.print()
        console.print(shown.largest(answer["largest"]))


COMMANDS = (delete, restore, backup, clean, storage)
