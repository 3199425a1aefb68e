"""What a shell offers while a command is typed: run numbers and tags, as the server knows them.

A shell waits for this whenever the tab key is pressed, so a server that is slow offers nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from cli import tokens
from cli.client import Client
from cli.stack import endpoint
from core import settings
from core.characters import printable
from core.errors import TrainyardError

JSON = dict[str, Any]
Suggest = Callable[[click.Context, click.Parameter, str], list[CompletionItem[Any]]]

LONGEST_WAIT_S = 0.5
MOST_RUNS = 50


def runs(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """The newest runs by their numbers, with their names."""
    return [
        CompletionItem(str(run["id"]), help=_one_line(f"{run['name']}, {run['state']}"))
        for run in _newest(context)
        if str(run["id"]).startswith(incomplete)
    ]


def tags(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """The tags of the newest runs."""
    found = dict.fromkeys(tag for run in _newest(context) for tag in run["tags"])
    return [CompletionItem(_one_line(tag)) for tag in found if tag.startswith(incomplete)]


def _newest(context: click.Context) -> list[JSON]:
    return asked(context, "/jobs", limit=MOST_RUNS)


def asked(context: click.Context, path: str, **parameters: Any) -> list[JSON]:
    """The items of a list of the API; nothing where the server does not say them in time."""
    found: list[JSON] = []

    def ask() -> None:
        with contextlib.suppress(TrainyardError):
            url = context.params.get("url")
            chosen = settings.load(**({"url": url} if url else {}))
            address = endpoint.find_url(chosen)
            token = tokens.token_for(chosen, address)
            with Client(address, token, ca=context.params.get("ca")) as client:
                found.extend(client.get(path, **parameters)["items"])

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(LONGEST_WAIT_S)
    return list(found)


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
