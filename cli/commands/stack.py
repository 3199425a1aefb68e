"""The programs: the whole stack on this machine, its demo, and each part by itself."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from cli.stack import endpoint
from cli.stack.stack import Stack, stop_on_signals
from core import settings
from core.settings import variable


@click.command()
def up() -> None:
    """Start dashboard, broker and worker on this machine, and keep them up until Ctrl-C."""
    console = Console(stderr=True)
    stack = Stack(settings.load(), lambda text: console.print(text, highlight=False, markup=False))
    stop_on_signals(stack)
    with stack.running():
        console.print(f"\nTrainyard is up: [bold]{stack.url}[/bold]   (Ctrl-C stops it)\n")
        console.print("The worker is loading PyTorch. Runs can be submitted already.")
        if program := program_off_the_path():
            console.print(f"Where a page says trainyard, type {program} here.", markup=False)
        first = stack.first_link()
        if first:
            console.print("Nobody has an account yet. The first administrator gets one here, once:")
            console.print(first, highlight=False, markup=False, soft_wrap=True)
        stack.watch()


@click.command()
def demo() -> None:
    """Train the `quick` preset through the real queue and download its checkpoint."""
    from cli.stack import demo as demo_run  # noqa: PLC0415  (`up` has no use for it)

    sys.exit(demo_run.run(settings.load(), Console()))


@click.command()
def web() -> None:
    """Serve the dashboard and the API."""
    _become("webui")


@click.command()
def worker() -> None:
    """Claim and train runs until told to stop."""
    os.environ[variable("redis_url")] = endpoint.find_redis(settings.load())
    _become("worker")


def program_off_the_path() -> str | None:
    """What to type for `trainyard`; None where the shell finds that of this installation."""
    program = Path(sys.executable).parent / "trainyard"
    found = shutil.which("trainyard")
    if not program.is_file() or (found and Path(found).resolve() == program.resolve()):
        return None
    here = Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)


def _become(module: str) -> NoReturn:
    """Replace this process by another of our programs."""
    settings.load()  # refuses bad settings before anything starts
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606  (no shell is wanted)


COMMANDS = (up, demo, web, worker)
