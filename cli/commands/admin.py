"""For those who run an installation: its tables, its workers, its health."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click

from cli import doctor as examination
from cli import stopping
from cli.client import Client
from cli.commands.arguments import as_json, with_client
from cli.render import tables, text
from core import housekeeping, logs, settings
from core.database import engine
from core.database.engine import Database
from core.housekeeping import House
from core.messaging.pubsub import Wakeups
from core.storage import store


@click.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date."""
    engine.upgrade(settings.load().database_address)
    click.echo("The database is up to date.")


@db.command()
@click.option(
    "--once", is_flag=True, help="Watch for the time of a lease, do what is due, and end."
)
def maintain(once: bool) -> None:
    """Take runs back from lost workers and delete what was discarded, until Ctrl-C or SIGTERM.

    Each worker and the web server do so too: this is for an installation that wants it apart.
    """
    chosen = settings.load()
    logs.configure(chosen.log_format)
    with Database(chosen.database_address, pool_size=2) as database:
        storage = store.connect(chosen.storage_address, chosen.storage_keys)
        house = House(chosen, database, storage, Wakeups(chosen.redis_url))
        with stopping.waited_for() as stop:
            housekeeping.run(house, stop, once=once)


@click.group(invoke_without_command=True)
@as_json
@with_client
def workers(client: Client, as_json: bool) -> None:
    """List workers: the live ones by their start, then the others, newest first."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    page = client.get("/workers")
    if as_json:
        click.echo(text.as_json(page))
        return
    text.console().print(tables.workers(page["items"]))
    for line in tables.rests(page["items"]):
        click.echo(line)


@workers.command()
@click.argument("worker", metavar="WORKER")
@as_json
@with_client
def drain(client: Client, worker: str, as_json: bool) -> None:
    """Let a worker claim nothing new, by its name or number; it finishes what it runs.

    It stays so when it is started again, until it is resumed.
    """
    found = client.post(f"/workers/{quote(worker, safe='')}/drain")
    if as_json:
        click.echo(text.as_json(found))
        return
    runs = ", ".join(f"run {job_id}" for job_id in found["running"])
    then = f"It still runs {runs}." if runs else "It runs nothing."
    click.echo(f"{text.one_line(found['name'])} claims nothing new. {then}")


@workers.command()
@click.argument("worker", metavar="WORKER")
@as_json
@with_client
def resume(client: Client, worker: str, as_json: bool) -> None:
    """Let a worker claim runs again, and try at once what it rests from."""
    found = client.post(f"/workers/{quote(worker, safe='')}/resume")
    if as_json:
        click.echo(text.as_json(found))
    else:
        click.echo(f"{text.one_line(found['name'])} may run everything again.")


@click.command()
@as_json
@with_client
def queue(client: Client, as_json: bool) -> None:
    """Show what waits in each queue and for what, and how the last day was."""
    found = client.get("/queue")
    if as_json:
        click.echo(text.as_json(found))
        return
    if found["waiting"]:
        text.console().print(tables.waiting(found["waiting"]))
    for line in tables.last_day(found):
        click.echo(line)


@click.command()
@click.option("--url", help="Address of the server.")
@as_json
def doctor(url: str | None, as_json: bool) -> None:
    """Check this installation and its services, and say what to fix."""
    checks = examination.examine(settings.load(**({"url": url} if url else {})))
    if as_json:
        click.echo(text.as_json([check.as_json() for check in checks]))
    else:
        text.console().print(examination.table(checks))
    sys.exit(any(check.state == "bad" for check in checks))


COMMANDS = (db, workers, queue, doctor)
