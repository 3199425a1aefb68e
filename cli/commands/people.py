"""The people of a server, for its administrators: by a token of the scope admin."""

from __future__ import annotations

from typing import Any

import click

from cli.client import Client
from cli.commands.arguments import NumberWithin, WholeNumberWithin, as_json, with_client
from cli.render import text
from core import formats
from core.roles import ROLES

JSON = dict[str, Any]


@click.group(invoke_without_command=True)
@as_json
@with_client
@click.pass_context
def people(context: click.Context, client: Client, as_json: bool) -> None:
    """List the people of a server, or change one."""
    if context.invoked_subcommand:
        return
    found = client.get("/people")
    if as_json:
        click.echo(text.as_json(found))
        return
    rows = (
        (
            each["name"],
            each["role"],
            formats.moment(each["created_at"]),
            _remarks(each),
        )
        for each in found["items"]
    )
    text.console().print(text.table(("NAME", "ROLE", "SINCE", ""), rows))


@people.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@as_json
@with_client
def role_(client: Client, name: str, role: str, as_json: bool) -> None:
    """Give somebody a role."""
    _change(client, name, {"role": role}, as_json)


@people.command()
@click.argument("name")
@as_json
@with_client
def disable(client: Client, name: str, as_json: bool) -> None:
    """Shut somebody out at once, with all logins and tokens."""
    _change(client, name, {"disabled": True}, as_json)


@people.command()
@click.argument("name")
@as_json
@with_client
def enable(client: Client, name: str, as_json: bool) -> None:
    """Let somebody in again."""
    _change(client, name, {"disabled": False}, as_json)


@click.command()
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@click.option(
    "--hours", type=NumberWithin(min=0, min_open=True), default=72, help="That the link works."
)
@click.option("--list", "shows", is_flag=True, help="List the links that can still be used.")
@click.option("--withdraw", metavar="ID", type=WholeNumberWithin(min=1), help="End such a link.")
@as_json
@with_client
def invite(
    client: Client, role: str, hours: float, shows: bool, withdraw: int | None, as_json: bool
) -> None:
    """Print a link by which somebody gets an account. It works once."""
    if withdraw is not None:
        client.delete(f"/invitations/{withdraw}")
        click.echo(f"The link {withdraw} works no more.")
    elif shows:
        _show_invitations(client.get("/invitations"), as_json)
    else:
        made = client.post("/invitations", {"role": role, "hours": hours})
        click.echo(text.as_json(made) if as_json else made["address"])


@click.command()
@click.option("--person", help="Only what happened to this person.")
@click.option("--limit", type=WholeNumberWithin(1, 1000), default=50, show_default=True)
@as_json
@with_client
def audit(client: Client, person: str | None, limit: int, as_json: bool) -> None:
    """List who came in, and what was decided about people and queues, newest first."""
    page = client.get("/audit", limit=limit, **({"person": person} if person else {}))
    if as_json:
        click.echo(text.as_json(page))
        return
    rows = (
        (each["id"], formats.moment(each["at"]), each["message"]["text"]) for each in page["items"]
    )
    text.console().print(text.table(("ID", "TIME", "WHAT"), rows))


def _remarks(person: JSON) -> str:
    about = (("disabled_at", "disabled"), ("second_factor_at", "second factor"))
    return ", ".join(words for field, words in about if person.get(field))


def _change(client: Client, name: str, change: JSON, as_json: bool) -> None:
    person = client.patch(f"/people/{text.in_address(name)}", change)
    if as_json:
        click.echo(text.as_json(person))
        return
    state = ", disabled" if person["disabled_at"] else ""
    click.echo(f"{person['name']} is {person['role']}{state}.")


def _show_invitations(found: JSON, as_json: bool) -> None:
    if as_json:
        click.echo(text.as_json(found))
        return
    rows = (
        (each["id"], each["role"], each["invited_by"], formats.moment(each["expires_at"]))
        for each in found["items"]
    )
    text.console().print(text.table(("ID", "ROLE", "INVITED BY", "UNTIL"), rows))


COMMANDS = (people, invite, audit)
