"""What is asked of several runs in one go, and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from cli.client import Client
from cli.render import text

JSON = dict[str, Any]

AT_ONCE = 500
"""Runs that the server takes in one request."""


def ask(client: Client, path: str, job_ids: Sequence[int], **more: Any) -> JSON:
    """Ask for something for many runs, some at a time: who it was `done` for, who `refused`."""
    answer: JSON = {"done": [], "refused": []}
    for start in range(0, len(job_ids), AT_ONCE):
        part = client.post(path, {"ids": list(job_ids[start : start + AT_ONCE]), **more})
        for name in answer:
            answer[name] += part[name]
    return answer


def report(answer: JSON, sentence: Callable[[int], str], *, as_json: bool) -> NoReturn:
    """Say what became of each run, and end: with status 1 where one was refused."""
    if as_json:
        click.echo(text.as_json(answer))
    else:
        for job_id in answer["done"]:
            click.echo(sentence(job_id))
        for each in answer["refused"]:
            click.echo(each["message"], err=True)
    sys.exit(bool(answer["refused"]))


def called(job_ids: Sequence[int]) -> str:
    """Some runs, in a question."""
    return f"run {job_ids[0]}" if len(job_ids) == 1 else text.counted(len(job_ids), "run")
