"""The door for language models."""

from __future__ import annotations

from importlib.util import find_spec

import click

from cli.client import Client
from cli.commands.arguments import with_client
from core.errors import TrainyardError
from core.messages import message


@click.command()
@with_client
def mcp(client: Client) -> None:
    """Serve a language model's program over MCP, by the standard streams.

    It may what the token may: list, inspect and compare runs, explain the queue; submit and cancel
    only where the token has that scope.
    """
    if find_spec("mcp") is None:
        raise TrainyardError(message("client.no_mcp"))
    from cli.agents import server  # noqa: PLC0415  (its package is an extra, and slow to import)

    server.serve(client)


COMMANDS = (mcp,)
