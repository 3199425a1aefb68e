"""What is asked of runs that are there: to stop, to continue, to be called otherwise."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from cli.client import Client
from cli.commands import many, suggestions
from cli.commands.arguments import as_json, confirm, job_id, job_ids, say, with_client, yes
from cli.render import status

JSON = dict[str, Any]


@click.command()
@job_ids
@yes
@as_json
@with_client
def cancel(client: Client, job_ids: Sequence[int], yes: bool, as_json: bool) -> None:
    """Ask that runs be cancelled; on a terminal it asks first, for none can be resumed then."""
    pronoun = "It" if len(job_ids) == 1 else "They"
    question = f"Cancel {many.called(job_ids)}? {pronoun} cannot be resumed then; a pause can."
    confirm(question, yes=yes)
    if len(job_ids) > 1:
        answer = many.ask(client, "/jobs/cancel", job_ids)
        many.report(
            answer, lambda job_id: f"run {job_id} is cancelled, or asked to stop", as_json=as_json
        )
    _report_answer(client.post(f"/jobs/{job_ids[0]}/cancel"), as_json, "is asked to stop")


@click.command()
@job_id
@as_json
@with_client
def pause(client: Client, job_id: int, as_json: bool) -> None:
    """Ask that a run be paused, until it is resumed."""
    job = client.post(f"/jobs/{job_id}/pause")
    _report_answer(job, as_json, "is asked to pause")


@click.command()
@job_id
@as_json
@with_client
def resume(client: Client, job_id: int, as_json: bool) -> None:
    """Resume a paused run."""
    job = client.post(f"/jobs/{job_id}/resume")
    _report_answer(job, as_json, "resumes")


@click.command()
@job_ids
@click.option("--from-scratch", is_flag=True, help="Start over, not from its last snapshot.")
@click.option("--from-nothing", is_flag=True, hidden=True)  # its name in earlier releases
@as_json
@with_client
def retry(
    client: Client,
    job_ids: Sequence[int],
    from_scratch: bool,
    from_nothing: bool,
    as_json: bool,
) -> None:
    """Retry failed runs."""
    body = {"from_scratch": from_scratch or from_nothing}
    if len(job_ids) == 1:
        job = client.post(f"/jobs/{job_ids[0]}/retry", body)
        _report_answer(job, as_json, "is retried")
        return
    if body["from_scratch"]:
        raise click.UsageError("--from-scratch is for one run: name them one by one.")
    answer = many.ask(client, "/jobs/retry", job_ids)
    many.report(answer, lambda job_id: f"run {job_id} is retried", as_json=as_json)


@click.command()
@job_id
@click.option("--name", help="What to call it from now on.")
@click.option("--tag", "tags", multiple=True, help="All its tags from now on. Repeatable.")
@click.option("--no-tags", is_flag=True, help="Take its tags away.")
@click.option("--notes", help="What to remember of it; `-` reads them from the standard input.")
@click.option(
    "--private/--public", default=None, help="Whether only its owner and administrators see it."
)
@as_json
@with_client
def edit(
    client: Client,
    job_id: int,
    name: str | None,
    tags: tuple[str, ...],
    no_tags: bool,
    notes: str | None,
    private: bool | None,
    as_json: bool,
) -> None:
    """Change a run's name, tags, notes, or who sees it."""
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags exclude each other.")
    body: JSON = {}
    if name is not None:
        body["name"] = name
    if tags or no_tags:
        body["tags"] = list(tags)
    if notes is not None:
        body["notes"] = sys.stdin.read() if notes == "-" else notes
    if private is not None:
        body["private"] = private
    if not body:
        wanted = "--name, --tag, --no-tags, --notes, --private or --public"
        raise click.UsageError(f"Name what is to be changed: {wanted}.")
    job = client.patch(f"/jobs/{job_id}", body)
    say(job, f"run {job['id']} is changed", as_json=as_json)


@click.command()
@job_ids
@click.option(
    *("--add", "add"),
    multiple=True,
    help="A tag that they get. Repeatable.",
    shell_complete=suggestions.tags,
)
@click.option(
    *("--remove", "remove"),
    multiple=True,
    help="A tag that they lose. Repeatable.",
    shell_complete=suggestions.tags,
)
@as_json
@with_client
def tag(
    client: Client,
    job_ids: Sequence[int],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    as_json: bool,
) -> None:
    """Give runs some tags, and take others away; their further tags stay."""
    if not (add or remove):
        raise click.UsageError("Name a tag: --add or --remove.")
    answer = many.ask(client, "/jobs/tag", job_ids, add=list(add), remove=list(remove))
    many.report(answer, lambda job_id: f"run {job_id} is tagged", as_json=as_json)


def _report_answer(job: JSON, as_json: bool, while_running: str) -> None:
    """Say what became of what was asked of a run."""
    became = while_running if job["state"] == "running" else f"is {status.with_reason(job)}"
    say(job, f"run {job['id']} {became}", as_json=as_json)


COMMANDS = (cancel, pause, resume, retry, edit, tag)
