"""The queue and the workers as they are now, again and again."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from cli.client import Client
from cli.commands.arguments import with_client
from cli.render import text
from cli.render.top import Picture
from cli.stopping import in_order
from core.errors import TrainyardError, Unavailable

JSON = dict[str, Any]

LOOK_EVERY_S = 3.0
"""Heartbeats and estimates are no events."""
LEAST_PAUSE_S = 0.5
"""Between two looks, however much happens."""
MOST_RUNS = 100
LEAVE = ("q", "Q", "\x03", "\x04")


@click.command()
@click.option("--once", is_flag=True, help="Print it once, and end.")
@with_client
def top(client: Client, once: bool) -> None:
    """Show the queue and the workers, live. q ends it."""
    if once or not sys.stdout.isatty():
        text.console().print(Picture(look(client)))
        return
    wake, leave = threading.Event(), threading.Event()
    watching = threading.Thread(target=_watch, args=(client, wake, leave), daemon=True)
    watching.start()
    with contextlib.suppress(KeyboardInterrupt), in_order(), _keys(wake, leave):
        _show(client, wake, leave)
    leave.set()


def look(client: Client) -> JSON:
    """What runs, what waits, who works, and how the queue is."""
    workers = client.get("/workers", limit=MOST_RUNS)["items"]
    return {
        "running": client.get("/jobs", state="running", limit=MOST_RUNS)["items"],
        "waiting": client.get("/jobs", state="queued", limit=MOST_RUNS, sort="created")["items"],
        "workers": [each for each in workers if each["is_live"]],
        "queue": client.get("/queue"),
    }


def _show(client: Client, wake: threading.Event, leave: threading.Event) -> None:
    """Draw until somebody leaves: at each event, and every few seconds."""
    found: JSON = {}
    with Live(screen=True, console=Console(), auto_refresh=False) as live:
        while not leave.is_set():
            trouble = ""
            try:
                found = look(client)
            except Unavailable as away:  # what was there last stays, with a line that says so
                trouble = str(away)
            live.update(Picture(found, trouble), refresh=True)
            leave.wait(LEAST_PAUSE_S)
            wake.wait(LOOK_EVERY_S)
            wake.clear()


def _watch(client: Client, wake: threading.Event, leave: threading.Event) -> None:
    """Wake whoever draws at each event of the history; a lost stream is opened again."""
    while not leave.is_set():
        with contextlib.suppress(TrainyardError):
            for _ in client.happenings():
                wake.set()
                if leave.is_set():
                    return
        leave.wait(LOOK_EVERY_S)


@contextlib.contextmanager
def _keys(wake: threading.Event, leave: threading.Event) -> Iterator[None]:
    """Listen for the keys that end it; the terminal is left as it was."""
    if not sys.stdin.isatty():
        yield
        return
    import termios  # noqa: PLC0415  (not on every system; the command without a screen needs none)
    import tty  # noqa: PLC0415

    def listen() -> None:
        while not leave.is_set():
            if sys.stdin.read(1) in (*LEAVE, ""):
                leave.set()
                wake.set()

    former = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        threading.Thread(target=listen, daemon=True).start()
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, former)


COMMANDS = (top,)
