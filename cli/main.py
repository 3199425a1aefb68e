"""The commands of `trainyard`. Each is thin: it asks the API, or starts another program."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from cli import demo as demo_run
from cli import doctor as doctor_report
from cli import endpoint, options, show
from cli.client import Client
from cli.follow import follow as follow_run
from cli.stack import Stack, stop_on_signals
from core import settings
from core.database import engine
from core.database.models import NAME_LENGTH
from core.datasets.builtin import DATASETS
from core.errors import InvalidInput, NotFound, TrainyardError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2

JSON = dict[str, Any]
Command = Callable[..., Any]


class Group(click.Group):
    """Turns domain errors into a sentence and an exit status, for every command at once."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except InvalidInput as error:
            for problem in error.errors:
                click.echo(f"{problem.field}: {problem.message}", err=True)
            sys.exit(EXIT_BAD_INPUT)
        except TrainyardError as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_FAILED)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trainyard")
def main() -> None:
    """Queue, train, watch and download runs of convolutional networks."""


def with_client(command: Command) -> Command:
    """Give a command `--url` and the client of the server that it means."""

    @click.option("--url", help="Address of the server; else TRAINYARD_URL, else a running `up`.")
    @wraps(command)
    def wrapped(*, url: str | None, **arguments: Any) -> Any:
        chosen = settings.load(**({"url": url} if url else {}))
        return command(client=Client(endpoint.find_url(chosen)), **arguments)

    return wrapped


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def job_id(command: Command) -> Command:
    """Give a command the argument that names a run."""
    return click.argument("job_id", metavar="RUN", type=click.IntRange(min=1))(command)


# programs


@main.command()
def up() -> None:
    """Start dashboard, broker and worker on this machine, and keep them up until Ctrl-C."""
    console = Console(stderr=True)
    stack = Stack(settings.load(), lambda text: console.print(text, highlight=False, markup=False))
    stop_on_signals(stack)
    with stack.running():
        console.print(f"\nTrainyard is up: [bold]{stack.url}[/bold]   (Ctrl-C stops it)\n")
        stack.watch()


@main.command()
def demo() -> None:
    """Train the `quick` preset through the real queue and download its checkpoint."""
    sys.exit(demo_run.run(settings.load(), Console()))


@main.command()
def web() -> None:
    """Serve the dashboard and the API."""
    _become("webui")


@main.command()
def worker() -> None:
    """Claim and run jobs until told to stop."""
    _become("worker")


@main.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date."""
    engine.upgrade(settings.load().database_address)
    click.echo("The database is up to date.")


@main.group()
def data() -> None:
    """The datasets."""


@data.command(epilog=f"Known: {', '.join(DATASETS)}.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def fetch(names: tuple[str, ...]) -> None:
    """Fetch datasets into the data folder."""
    unknown = [name for name in names if name not in DATASETS]
    if unknown:
        raise InvalidInput.one(
            "NAME", f"there is no dataset {unknown[0]}; known: {', '.join(DATASETS)}"
        )
    folder = settings.load().data_folder
    command = [sys.executable, "-m", "worker.training.data.download", str(folder), *names]
    sys.exit(subprocess.run(command, check=False).returncode)


@data.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the datasets, and which of them lie in the data folder."""
    folder = settings.load().data_folder
    rows = [
        asdict(dataset) | {"is_here": (folder / dataset.folder).is_dir()}
        for dataset in DATASETS.values()
    ]
    if as_json:
        click.echo(show.as_json(rows))
    else:
        _print(show.datasets(rows))


# runs


@main.command(cls=options.Grouped, context_settings={"max_content_width": options.WIDTH})
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
@click.option("--priority", type=int, default=0, help="Higher runs first.", show_default=True)
@click.option("--queue", default="default", help="Which workers may run it.", show_default=True)
@click.option("--follow", is_flag=True, help="Show the run until it ends.")
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
    follow: bool,
    as_json: bool,
) -> None:
    """Put a run into the queue.

    Each field of the spec is an option; those that are not given are the preset's, else the
    defaults. Several values are written 8,16,32; of a field that may be empty, none.
    """
    spec = options.read_spec(assignments, spec_fields)
    body = {
        "name": name or preset or f"{spec.get('dataset', 'mnist')} run",
        "preset": preset,
        "spec": spec,
        "priority": priority,
        "queue": queue,
    }
    job = client.post("/jobs", body)
    if follow:
        click.echo(f"run {job['id']}: {client.page_of(job['id'])}", err=True)
        job = follow_run(client, job["id"], Console(stderr=True))
    if as_json:
        click.echo(show.as_json(job))
    elif follow:
        _report_end(client, job)
    else:
        click.echo(f"run {job['id']} is queued: {client.page_of(job['id'])}")
    if follow:
        sys.exit(0 if job["state"] == "succeeded" else EXIT_FAILED)


@main.command()
@click.option("--state", help="Only these states, comma separated.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@with_client
def jobs(client: Client, state: str | None, limit: int, as_json: bool) -> None:
    """List runs, newest first."""
    page = client.get("/jobs", limit=limit, state=state or "")
    if as_json:
        click.echo(show.as_json(page))
    elif page["items"]:
        _print(show.jobs(page["items"]))
    else:
        click.echo("There are no runs. Make one: trainyard submit --preset quick --follow")


@main.command("show")
@job_id
@as_json
@with_client
def show_(client: Client, job_id: int, as_json: bool) -> None:
    """Show one run: state, numbers, epochs, files."""
    job = client.get(f"/jobs/{job_id}")
    epochs = list(client.all(f"/jobs/{job_id}/epochs"))
    files = list(client.all(f"/jobs/{job_id}/checkpoints"))
    if as_json:
        click.echo(show.as_json(job | {"epochs": epochs, "checkpoints": files}))
    else:
        show.job(_console(), job, epochs, files)


@main.command()
@job_id
@as_json
@with_client
def evaluation(client: Client, job_id: int, as_json: bool) -> None:
    """Show what a run does on the test set, class by class, and what it confuses."""
    content = client.get(f"/jobs/{job_id}/evaluation")
    if as_json:
        click.echo(show.as_json(content))
    else:
        show.evaluation(_console(), content)


@main.command()
@job_id
@with_client
def follow(client: Client, job_id: int) -> None:
    """Watch a run until it ends."""
    job = follow_run(client, job_id, Console(stderr=True))
    _report_end(client, job)
    sys.exit(0 if job["state"] == "succeeded" else EXIT_FAILED)


@main.command()
@job_id
@as_json
@with_client
def logs(client: Client, job_id: int, as_json: bool) -> None:
    """Print a run's log."""
    lines = client.all(f"/jobs/{job_id}/logs")
    if as_json:
        click.echo(show.as_json(list(lines)))
        return
    for line in lines:
        click.echo(f"{line['time'][:19]}Z  {show.log_line(line).plain}")


@main.command()
@job_id
@as_json
@with_client
def cancel(client: Client, job_id: int, as_json: bool) -> None:
    """Ask that a run be cancelled."""
    job = client.post(f"/jobs/{job_id}/cancel", {"by": _login_name()})
    _report_answer(job, as_json, "is asked to stop")


@main.command()
@job_id
@as_json
@with_client
def pause(client: Client, job_id: int, as_json: bool) -> None:
    """Ask that a run be paused; `resume` lets it go on."""
    job = client.post(f"/jobs/{job_id}/pause", {"by": _login_name()})
    _report_answer(job, as_json, "is asked to pause")


@main.command()
@job_id
@as_json
@with_client
def resume(client: Client, job_id: int, as_json: bool) -> None:
    """Let a paused run go on."""
    job = client.post(f"/jobs/{job_id}/resume", {"by": _login_name()})
    _report_answer(job, as_json, "goes on")


@main.command()
@job_id
@click.option("--from-scratch", is_flag=True, help="Begin anew, not at its last snapshot.")
@as_json
@with_client
def retry(client: Client, job_id: int, from_scratch: bool, as_json: bool) -> None:
    """Give a failed run another try."""
    body = {"by": _login_name(), "from_scratch": from_scratch}
    _report_answer(client.post(f"/jobs/{job_id}/retry", body), as_json, "is tried again")


@main.command()
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
    files = list(client.all(f"/jobs/{job_id}/checkpoints"))
    matching = [file for file in files if file["format"] == wanted]
    if not matching:
        _refuse_download(client.get(f"/jobs/{job_id}"), files, wanted)
    file = matching[-1]
    target = output or Path()
    if target.is_dir():
        target /= f"run-{job_id}-{Path(file['filename']).name}"
    client.download(file, target)
    click.echo(f"{target}  {show.size(file['size'])}  SHA-256 {file['sha256']}")


@main.command()
@as_json
@with_client
def workers(client: Client, as_json: bool) -> None:
    """List workers, newest first."""
    page = client.get("/workers")
    if as_json:
        click.echo(show.as_json(page))
    else:
        _print(show.workers(page["items"]))


@main.command()
@click.option("--url", help="Address of the server.")
@as_json
def doctor(url: str | None, as_json: bool) -> None:
    """Check this installation and its services, and say what to mend."""
    checks = doctor_report.examine(settings.load(**({"url": url} if url else {})))
    if as_json:
        click.echo(show.as_json([check.as_json() for check in checks]))
    else:
        _print(doctor_report.table(checks))
    sys.exit(EXIT_FAILED if any(check.state == "bad" for check in checks) else 0)


def _report_answer(job: JSON, as_json: bool, while_running: str) -> None:
    """Say what became of what was asked of a run."""
    if as_json:
        click.echo(show.as_json(job))
    elif job["state"] == "running":
        click.echo(f"run {job['id']} {while_running}")
    else:
        click.echo(f"run {job['id']} is {show.with_reason(job)}")


def _login_name() -> str | None:
    """Who is at the terminal; None where the machine does not know."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # ImportError: no such database on this machine
        return None
    return show.printable(name.encode(errors="replace").decode())[:NAME_LENGTH]


def _report_end(client: Client, job: JSON) -> None:
    files = list(client.all(f"/jobs/{job['id']}/checkpoints"))
    show.job(_console(), job, (), files)
    if job["error"] and job["error"]["traceback"]:
        click.echo(show.printable(job["error"]["traceback"]), err=True)


def _refuse_download(job: JSON, files: list[JSON], wanted: str) -> NoReturn:
    if files:
        known = ", ".join(sorted({file["format"] for file in files}))
        raise NotFound(f"Run {job['id']} has no {wanted} file; it has: {known}.")
    raise NotFound(f"Run {job['id']} is {job['state']} and has no file to download.")


def _console() -> Console:
    """Standard output; in a pipe or a file a table is as wide as it needs to be."""
    console = Console()
    return console if console.is_terminal else Console(width=240)


def _print(table: Any) -> None:
    _console().print(table)


def _become(module: str) -> NoReturn:
    """Replace this process by another of our programs."""
    settings.load()  # refuses bad settings before anything starts
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main()
