"""Who uses the terminal, and the first account of an installation."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli import tokens
from cli.client import Client
from cli.commands.arguments import NumberWithin, as_json, with_ca, with_client, with_url
from cli.render import text
from cli.stack import endpoint
from core import settings
from core.accounts import invitations, people, second_factor
from core.accounts import tokens as api_tokens
from core.accounts.credentials import is_token
from core.database.engine import Database
from core.errors import InvalidInput
from core.messages import message
from core.roles import ROLES, SCOPES
from core.settings import Settings


@click.command()
@with_url
@with_ca
def login(url: str | None, ca: Path | None) -> None:
    """Store a token for a server, made on its page My account. It is asked for, or piped in."""
    chosen = _settings(url)
    address = endpoint.find_url(chosen, by_tokens=False)
    if sys.stdin.isatty():
        click.echo(f"Make a token on {address}/account, and paste it here.")
        token = click.prompt("Token", hide_input=True)
    else:
        token = sys.stdin.readline()
    token = token.strip()
    if not is_token(token):
        raise InvalidInput.one("token", message("client.no_token"))
    with Client(address, token, ca=ca) as client:
        me = client.get("/me")
    path = tokens.keep(chosen, address, token)
    click.echo(f"You are {me['name']} ({me['role']}) at {address}. The token is in {path}.")


@click.command()
@with_url
def logout(url: str | None) -> None:
    """Forget the token for a server. Revoke it on the page My account."""
    chosen = _settings(url)
    address = endpoint.find_url(chosen)
    was_there = tokens.forget(chosen, address)
    click.echo(f"{'Forgotten' if was_there else 'There was no token'} for {address}.")


@click.command()
@as_json
@with_client
def whoami(client: Client, as_json: bool) -> None:
    """Say who you are for the server, and what you may."""
    me = client.get("/me")
    if as_json:
        click.echo(text.as_json(me))
    elif me["accounts"] == "local":
        click.echo(f"{client.url} has no accounts: all that is there is yours.")
    else:
        click.echo(f"{me['name']}, {me['role']}; the token may: {me['scope']}.")


@click.group()
def admin() -> None:
    """For whoever runs the server, on its own machine: these write into its database."""


@admin.command()
@click.option("--role", type=click.Choice(ROLES), default="administrator", show_default=True)
@click.option(
    "--hours",
    type=NumberWithin(min=0, min_open=True, max=invitations.MOST_HOURS),
    default=invitations.HOURS,
    show_default=True,
    help="That the link works.",
)
def invite(role: str, hours: float) -> None:
    """Print a link by which somebody gets an account. It works once."""
    chosen = settings.load()
    with Database(chosen.database_address, pool_size=1) as database:
        secret = invitations.invite(database, people.CONSOLE, role, hours)
    click.echo(f"{_address(chosen)}/invitations/{secret}")


@admin.command()
@click.argument("name")
@click.option("--for", "purpose", default="made on the server", help="What it is for.")
@click.option("--scope", type=click.Choice(SCOPES), default="submit", show_default=True)
@click.option("--days", type=NumberWithin(min=0, min_open=True, max=api_tokens.LONGEST_DAYS))
def token(name: str, purpose: str, scope: str, days: float | None) -> None:
    """Print a new token of somebody, for a script that cannot open a page."""
    with Database(settings.load().database_address, pool_size=1) as database:
        with database.reading() as session:
            owner = people.as_actor(people.named(session, name))
        made, _ = api_tokens.make(database, owner, purpose, scope, days)  # type: ignore[arg-type]
    click.echo(made)


@admin.command("remove-second-factor")
@click.argument("name")
def remove_second_factor(name: str) -> None:
    """Take the second factor from somebody who has lost it; their logins end."""
    with Database(settings.load().database_address, pool_size=1) as database:
        second_factor.reset(database, people.CONSOLE, name)
    click.echo(f"{name} logs in by the password alone.")


@admin.command("require-second-factor")
@click.option("--off", is_flag=True, help="Leave it to everybody.")
def require_second_factor(off: bool) -> None:
    """Ask a second factor of everybody with a password; those who have none are logged out."""
    with Database(settings.load().database_address, pool_size=1) as database:
        second_factor.require(database, people.CONSOLE, required=not off)
    click.echo("Everybody decides." if off else "Everybody with a password needs one.")


def _settings(url: str | None) -> Settings:
    return settings.load(url=url) if url else settings.load()


def _address(chosen: Settings) -> str:
    """Where people reach the server, as far as its settings tell."""
    if chosen.url:
        return chosen.url
    running = endpoint.find_running(chosen.home)
    if running:
        return running.url
    everywhere = chosen.host in ("0.0.0.0", "::")  # noqa: S104
    host = "localhost" if everywhere else chosen.host
    return f"http://{f'[{host}]' if ':' in host else host}:{chosen.port}"


COMMANDS = (login, logout, whoami, admin)
