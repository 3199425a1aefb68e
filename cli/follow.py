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

from cli import show
from cli.client import Client
from core.jobs.status import without_time

JSON = dict[str, Any]


def follow(client: Client, job_id: int, console: Console) -> JSON:
    """Show a run until it ends.

    Returns:
        The job, ended.
    """
    view = Bar(console) if console.is_terminal else Lines(console)
    job: JSON | None = None
    with view:
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
        self.told = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def take(self, name: str, data: Any) -> None:
        """Take an event of the live stream."""
        if name == "logs":
            for line in data:
                self.console.print(show.log_line(line), highlight=False, soft_wrap=True)
        elif name == "job":
            self._tell(data)

    def _tell(self, job: JSON) -> None:
        """Say what state a run is in, and why it waits, once each time that this changes."""
        words = show.with_reason(job)
        if without_time(words) != self.told:
            self.told = without_time(words)
            heard = f", {show.now(job)}" if job.get("last_heartbeat_at") else ""
            text = Text(f"run {job['id']} is {words}{heard}")
            self.console.print(text, highlight=False, soft_wrap=True)


class Bar(Lines):
    """A progress bar with loss and accuracy; what matters of the log scrolls above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[numbers]}"),
            Heard(),
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
            if data.get("queue_status"):
                self._tell(data)
        elif name == "logs":
            for line in data:
                if " batch " not in line["text"]:  # the bar tells of batches
                    self._progress.console.print(show.log_line(line), highlight=False)


class Heard(ProgressColumn):
    """How long ago a run was last heard of; moves on by itself."""

    def render(self, task: Task) -> Text:
        return Text(
            show.now(task.fields["job"]) if task.fields["job"].get("last_heartbeat_at") else ""
        )


def _where(job: JSON) -> str:
    progress = job["progress"]
    if job["state"] == "running" and progress["batches"]:
        return (
            f"epoch {progress['epoch']}/{progress['epochs']} "
            f"batch {progress['batch']}/{progress['batches']}"
        )
    return show.state(job).plain


def _numbers(job: JSON) -> str:
    parts = []
    if job["train_loss"] is not None:
        parts.append(f"loss {job['train_loss']:.4f}")
    if job["test_accuracy"] is not None:
        parts.append(f"accuracy {job['test_accuracy']:.2%}")
    if job.get("validation_accuracy") is not None:
        parts.append(f"validation {job['validation_accuracy']:.2%}")
    if job["state"] == "running" and job["progress"]["eta_s"] is not None:
        parts.append(f"{show.duration(job['progress']['eta_s'])} left")
    return "  ".join(parts)
