"""Runs: started, listed, watched, controlled, downloaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Any, NoReturn

import click
from rich.console import Console

from cli import exits
from cli.client import Client
from cli.commands import options, suggestions
from cli.commands.arguments import (
    WholeNumber,
    WholeNumberWithin,
    as_json,
    job_id,
    say,
    with_client,
)
from cli.render import runs, text
from cli.render.advice import advices
from cli.render.curves import Curves
from cli.render.evaluation import evaluation as show_evaluation
from cli.render.follow import follow as follow_run
from core import formats
from core.characters import printable
from core.errors import NotFound
from core.messages import message
from core.protocol.reports import LEVELS
from core.spec import facts

JSON = dict[str, Any]

with_plot = click.option(
    "--plot",
    is_flag=True,
    help="Follow it by curves of losses and accuracies, where there is a screen.",
)


@click.command(cls=options.Grouped, context_settings={"max_content_width": options.WIDTH})
@options.of_the_spec
@click.option("--preset", help=f"Spec to start from: {options.preset_names()}.")
@click.option(
    "--set",
    "assignments",
    metavar="FIELD=VALUE",
    multiple=True,
    help="Set one field of the spec, such as optimizer.learning_rate=0.05. Repeatable.",
)
@click.option("--name", help="What to call the run; else its preset or dataset.")
@click.option(
    "--priority", type=WholeNumber(), default=0, help="Higher runs first.", show_default=True
)
@click.option("--queue", default="default", help="Which workers may run it.", show_default=True)
@click.option(
    *("--tag", "tags"),
    multiple=True,
    help="A word to find the run by. Repeatable.",
    shell_complete=suggestions.tags,
)
@click.option(
    "--seeds",
    default="",
    help="A run for each of these seeds, such as 0-4 or 0,1,2, under a tag of their own.",
)
@click.option(
    "--weights-from",
    type=WholeNumberWithin(min=1),
    metavar="RUN",
    help="Begin with the published weights of a run with the same network, instead of random ones.",
    shell_complete=suggestions.runs,
)
@click.option("--private", is_flag=True, help="Only you and administrators see it.")
@click.option(
    "--file",
    "source",
    type=click.File("rb"),
    help="Queue all runs of a file, or none: a JSON list of what the API takes, or an object a "
    "line; `-` reads the standard input. No other option goes with it.",
)
@click.option("--follow", is_flag=True, help="Show the run until it ends.")
@with_plot
@as_json
@with_client
def submit(
    client: Client,
    preset: str | None,
    assignments: tuple[str, ...],
    spec_fields: dict[str, Any],
    name: str | None,
    priority: int,
    queue: str,
    tags: tuple[str, ...],
    seeds: str,
    weights_from: int | None,
    private: bool,
    source: IO[bytes] | None,
    follow: bool,
    plot: bool,
    as_json: bool,
) -> None:
    """Start a run: it is queued until a worker has room for it.

    Each field of the spec is an option; those that are not given are the preset's, else the
    defaults. Several values are written 8,16,32; of a field that may be empty, none.
    """
    if source is not None:
        options.refuse_others("source", "--file", beside=("url", "ca", "as_json"))
        _submit_all_of(client, source, as_json=as_json)
        return
    spec, follow = options.read_spec(assignments, spec_fields), follow or plot
    body = {
        "name": name or preset or facts.default_name(spec),
        "preset": preset,
        "spec": spec,
        "priority": priority,
        "queue": queue,
        "tags": list(tags),
        **({"private": True} if private else {}),
        **({"weights_from": weights_from} if weights_from else {}),
    }
    if seeds.strip():
        _submit_for_seeds(client, body, seeds, follow=follow, as_json=as_json)
        return
    job = client.post("/jobs", body)
    if not follow:
        say(job, f"run {job['id']} is queued: {client.page_of(job['id'])}", as_json=as_json)
        return
    click.echo(f"run {job['id']}: {client.page_of(job['id'])}", err=True)
    job = follow_run(client, job["id"], Console(stderr=True), Curves if plot else None)
    if as_json:
        click.echo(text.as_json(job))
    else:
        _report_end(client, job)
    sys.exit(exits.of_state(job["state"]))


def _submit_for_seeds(
    client: Client, body: JSON, seeds: str, *, follow: bool, as_json: bool
) -> None:
    if follow:
        raise click.UsageError("--follow shows one run: leave it out with --seeds.")
    made = client.post("/jobs", body | {"seeds": seeds})
    first, last = (made["items"][place] for place in (0, -1))
    if as_json:
        click.echo(text.as_json(made))
    elif first is last:
        click.echo(f"run {first['id']} is queued: {client.page_of(first['id'])}")
    else:
        where = client.page_of_tag(first["tags"][-1])
        click.echo(f"runs {first['id']} to {last['id']} are queued: {where}")


def _submit_all_of(client: Client, source: IO[bytes], *, as_json: bool) -> None:
    made = client.post("/jobs/bulk", {"jobs": options.read_runs(source)})
    ids = made["ids"]
    queued = f"run {ids[0]} is" if len(ids) == 1 else f"runs {ids[0]} to {ids[-1]} are"
    say(made, f"{queued} queued: {client.url}", as_json=as_json)


@click.command("jobs")
@click.option("--state", help="Only these states, comma separated.")
@click.option("--dataset", help="Only runs on this dataset.")
@click.option("--model", help="Only runs with this kind of network.")
@click.option("--preset", help="Only runs that started from this preset.")
@click.option("--owner", help="Only runs that this person submitted.")
@click.option("--tag", help="Only runs with this tag.", shell_complete=suggestions.tags)
@click.option("--text", help="Only runs with this in their name.")
@click.option(
    "--filter",
    help="Only runs whose values meet conditions: 'test_accuracy > 0.98 and epochs = 5'.",
)
@click.option("--created-from", metavar="DATE", help="Submitted on this day of UTC or later.")
@click.option("--created-to", metavar="DATE", help="Submitted on this day of UTC or earlier.")
@click.option("--deleted", is_flag=True, help="Deleted runs that can still be restored.")
@click.option(
    "--sort",
    help="A measurement or a hyperparameter: test_loss, optimizer.learning_rate; after - the "
    "largest first: -test_accuracy. created: the oldest first. Also name, state and finished.",
)
@click.option("--limit", type=WholeNumberWithin(1, 1000), default=20, show_default=True)
@as_json
@with_client
def list_(client: Client, limit: int, as_json: bool, deleted: bool, **chosen: str | None) -> None:
    """List runs, newest first."""
    asked = {name: value for name, value in chosen.items() if value}
    asked |= {"deleted": "true"} if deleted else {}
    page = client.get("/jobs", limit=limit, **asked)
    if as_json:
        click.echo(text.as_json(page))
    elif page["items"]:
        text.console().print(runs.listed(page["items"], has_accounts=client.has_accounts()))
    elif asked:
        click.echo("No run is like that.")
    else:
        click.echo("No runs yet. Start one: trainyard submit --preset quick --follow")


@click.command()
@job_id
@as_json
@with_client
def show(client: Client, job_id: int, as_json: bool) -> None:
    """Show one run: state, numbers, epochs, files."""
    job = client.get(f"/jobs/{job_id}")
    epochs = list(client.all(f"/jobs/{job_id}/epochs"))
    files = client.artifacts(job_id)
    if as_json:
        # the files by their earlier name too, for programs that were written for version 0.1
        facts = {"epochs": epochs, "artifacts": files, "checkpoints": files}
        click.echo(text.as_json(job | facts))
    else:
        runs.whole(text.console(), job, epochs, files)


@click.command()
@job_id
@as_json
@with_client
def attempts(client: Client, job_id: int, as_json: bool) -> None:
    """List the attempts of a run: where each ran, and how it ended."""
    rows = list(client.all(f"/jobs/{job_id}/attempts"))
    if as_json:
        click.echo(text.as_json(rows))
    elif rows:
        text.console().print(runs.attempts(rows))
    else:
        click.echo(f"Run {job_id} was not begun yet.")


@click.command()
@job_id
@as_json
@with_client
def evaluation(client: Client, job_id: int, as_json: bool) -> None:
    """Show the test-set evaluation of a run: its scores for each class, and what it confuses."""
    content = client.get(f"/jobs/{job_id}/evaluation")
    if as_json:
        click.echo(text.as_json(content))
    else:
        show_evaluation(text.console(), content)


@click.command()
@job_id
@as_json
@with_client
def advice(client: Client, job_id: int, as_json: bool) -> None:
    """Show what the coach says about a run: what is seen, what to do, and why."""
    found = client.get(f"/jobs/{job_id}/advice")
    if as_json:
        click.echo(text.as_json(found))
    else:
        click.echo(advices(found["items"], client.url))


@click.command()
@job_id
@with_plot
@with_client
def follow(client: Client, job_id: int, plot: bool) -> None:
    """Watch a run until it ends."""
    job = follow_run(client, job_id, Console(stderr=True), Curves if plot else None)
    _report_end(client, job)
    sys.exit(exits.of_state(job["state"]))


@click.command()
@job_id
@as_json
@with_client
def history(client: Client, job_id: int, as_json: bool) -> None:
    """List what happened to a run, and by whom, oldest first."""
    events = list(client.all(f"/jobs/{job_id}/events/history"))
    if as_json:
        click.echo(text.as_json(events))
    else:
        text.console().print(runs.history(events))


@click.command()
@job_id
@click.option("--find", metavar="TEXT", default="", help="Only lines that have this in them.")
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    multiple=True,
    help="Only lines of this level; may be given several times.",
)
@as_json
@with_client
def logs(client: Client, job_id: int, find: str, level: tuple[str, ...], as_json: bool) -> None:
    """Print a run's log, or the lines of it that are looked for."""
    chosen = {"text": find, "level": ",".join(level)}
    lines = client.all(
        f"/jobs/{job_id}/logs", **{name: asked for name, asked in chosen.items() if asked}
    )
    if as_json:
        click.echo(text.as_json(list(lines)))
        return
    for line in lines:
        click.echo(f"{line['time'][:19]}Z  {runs.log_line(line).plain}")


@click.command()
@job_id
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File or folder to write.")
@click.option(
    "--format",
    "wanted",
    default="pt",
    show_default=True,
    help="Which file: pt, safetensors, onnx, card.json or card.md.",
)
@with_client
def download(client: Client, job_id: int, output: Path | None, wanted: str) -> None:
    """Download a file of a run and check its SHA-256."""
    files = client.artifacts(job_id)
    matching = [file for file in files if file["format"] == wanted]
    if not matching:
        _refuse_download(client.get(f"/jobs/{job_id}"), files, wanted)
    file = matching[-1]
    target = output or Path()
    if target.is_dir():
        target /= f"run-{job_id}-{Path(file['filename']).name}"
    client.download(file, target)
    click.echo(f"{target}  {formats.size(file['size'])}  SHA-256 {file['sha256']}")


def _report_end(client: Client, job: JSON) -> None:
    runs.whole(text.console(), job, (), client.artifacts(job["id"]))
    if job["error"] and job["error"]["traceback"]:
        click.echo(printable(job["error"]["traceback"]), err=True)


def _refuse_download(job: JSON, files: list[JSON], wanted: str) -> NoReturn:
    if files:
        known = sorted({file["format"] for file in files})
        raise NotFound(
            message("run.has_no_such_file", job_id=job["id"], format=wanted, known=known)
        )
    raise NotFound(message("run.has_no_files", job_id=job["id"], state=job["state"]))


COMMANDS = (submit, list_, show, attempts, evaluation, advice, follow, history, logs, download)
