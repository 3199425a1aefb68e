"""Following a run in the terminal: a progress bar where there is a screen, lines where not."""

from __future__ import annotations

from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
)
from rich.text import Text

from cli.client import Client
from cli.render import status
from cli.render.runs import log_line
from cli.render.text import written
from cli.stopping import in_order
from core import formats
from core.messages import Message

JSON = dict[str, Any]


def follow(
    client: Client, job_id: int, console: Console, screen: type[Lines] | None = None
) -> JSON:
    """Show a run until it ends.

    Args:
        client: of the server that has the run.
        job_id: which.
        console: where to show it.
        screen: how, where there is a screen; else by a bar.

    Returns:
        The job, ended.
    """
    view = (screen or Bar)(console) if console.is_terminal else Lines(console)
    job: JSON | None = None
    with in_order(), view:
        for name, data in client.events(job_id):
            view.take(name, data)
            if name == "job":
                job = data
    # not asked for again: somebody may give a failed run another try at any moment
    return job or dict(client.get(f"jobs/{job_id}"))


class Lines:
    """Log lines, one after the other, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._last_shown: tuple[str, Message | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def take(self, name: str, data: Any) -> None:
        """Take an event of the live stream."""
        if name == "logs":
            for line in data:
                self.console.print(log_line(line), highlight=False, soft_wrap=True)
        elif name == "job":
            self._show_status(data)

    def _show_status(self, job: JSON) -> None:
        """Show a run's state, and why it waits, once each time that either changes.

        What is left of a wait changes all the time, and is shown with the rest alone.
        """
        reason = status.reason(job)
        current = (status.state(job).plain, reason.timeless() if reason else None)
        if current == self._last_shown:
            return
        self._last_shown = current
        heartbeat = f", {status.now(job)}" if job.get("last_heartbeat_at") else ""
        shown = Text(f"run {job['id']} is {status.with_reason(job)}{heartbeat}")
        self.console.print(shown, highlight=False, soft_wrap=True)


class Bar(Lines):
    """A progress bar with loss and accuracy; what matters of the log scrolls above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[numbers]}"),
            Heartbeat(),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("waiting", total=1.0, numbers="", job={})

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def take(self, name: str, data: Any) -> None:
        if name == "job":
            self._progress.update(
                self._task,
                completed=data["progress"]["fraction"],
                description=escape(_where(data)),
                numbers=escape(_numbers(data)),
                job=data,
            )
            if data.get("queue_status") or data.get("gives_way"):
                self._show_status(data)
        elif name == "logs":
            for line in data:
                if line.get("level") != "progress":  # the bar itself shows how far the run is
                    self._progress.console.print(log_line(line), highlight=False)


class Heartbeat(ProgressColumn):
    """How long ago a run was last heard of; moves on by itself."""

    def render(self, task: Task) -> Text:
        job = task.fields["job"]
        return Text(status.now(job) if job.get("last_heartbeat_at") else "")


def progress_line(job: JSON) -> str:
    """How far a run is, on one line."""
    done = formats.progress(job["progress"]["fraction"])
    heartbeat = status.now(job) if job.get("last_heartbeat_at") else ""
    return "  ".join(part for part in (_where(job), done, _numbers(job), heartbeat) if part)


def _where(job: JSON) -> str:
    progress = job["progress"]
    if job["state"] == "running" and progress["batches"]:
        return (
            f"epoch {progress['epoch']}/{progress['epochs']} "
            f"batch {progress['batch']}/{progress['batches']}"
        )
    return status.state(job).plain


def _numbers(job: JSON) -> str:
    left = job["progress"]["eta_s"] if job["state"] == "running" else None
    values = {
        "loss {}": written(formats.number, job["train_loss"]),
        "accuracy {}": written(formats.percent, job["test_accuracy"]),
        "validation {}": written(formats.percent, job.get("validation_accuracy")),
        "{} left": written(formats.duration, left),
    }
    return "  ".join(words.format(value) for words, value in values.items() if value)
