"""Views of the list that are saved under a name, as on its page."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import click

from cli.client import Client
from cli.commands.arguments import WholeNumberWithin, as_json, with_client
from cli.render import runs, text
from core.errors import NotFound
from core.messages import message

JSON = dict[str, Any]

ASKED = (
    *("state", "dataset", "model", "preset", "owner", "tag", "text"),
    *("filter", "created_from", "created_to", "deleted", "sort"),
)
"""What of a page's address chooses runs; the rest says how they are shown."""


@click.group()
def filters() -> None:
    """Views of the list of runs that are saved under a name."""


@filters.command("list")
@as_json
@with_client
def list_(client: Client, as_json: bool) -> None:
    """List them."""
    found = client.get("/filters")
    if as_json:
        click.echo(text.as_json(found))
        return
    rows = ((each["id"], each["name"], each["query"]) for each in found["items"])
    text.console().print(text.table(("ID", "NAME", "QUERY"), rows))


@filters.command()
@click.argument("name")
@click.argument("query")
@as_json
@with_client
def save(client: Client, name: str, query: str, as_json: bool) -> None:
    """Save a view: what stands behind the question mark in the address of the list."""
    made = client.post("/filters", {"name": name, "query": query})
    click.echo(text.as_json(made) if as_json else f"{made['name']} is saved: {made['query']}")


@filters.command()
@click.argument("filter_id", metavar="ID", type=WholeNumberWithin(min=1))
@with_client
def forget(client: Client, filter_id: int) -> None:
    """Forget a saved view; no run is touched."""
    client.delete(f"/filters/{filter_id}")
    click.echo(f"The saved view {filter_id} is forgotten.")


@filters.command()
@click.argument("name")
@click.option("--limit", type=WholeNumberWithin(1, 1000), default=20, show_default=True)
@as_json
@with_client
def show(client: Client, name: str, limit: int, as_json: bool) -> None:
    """List the runs that a saved view chooses."""
    items = client.get("/filters")["items"]
    found = next((each for each in items if each["name"] == name), None)
    if found is None:
        raise NotFound(message("client.no_filter", name=name))
    page = client.get("/jobs", limit=limit, **_asked(found["query"]))
    if as_json:
        click.echo(text.as_json(page))
    else:
        text.console().print(runs.listed(page["items"], has_accounts=client.has_accounts()))


def _asked(query: str) -> dict[str, str]:
    """The parameters of the API that an address of the list stands for."""
    asked: dict[str, str] = {}
    for key, value in parse_qsl(query):
        if key in ASKED:
            asked[key] = f"{asked[key]},{value}" if key in asked else value
    return asked


COMMANDS = (filters,)
