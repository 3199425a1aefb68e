"""A run in the terminal as curves that grow: losses and accuracies, in a window of any size."""

from __future__ import annotations

from typing import Any, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from cli.render.canvas import Points, plot
from cli.render.follow import Lines, progress_line
from cli.render.runs import log_line

JSON = dict[str, Any]

MOST_SAMPLES = 4000
"""Kept of the loss between epochs: then every second one is dropped."""
TALLEST = 14
"""Rows of a picture: more show no more."""
OTHER_LINES = 5


class Curves(Lines):
    """Two pictures and how far the run is; what matters of the log scrolls above them."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._job: JSON | None = None
        self._epochs: list[JSON] = []
        self._samples: list[JSON] = []
        self._live = Live(self, console=console, refresh_per_second=4, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, name: str, data: Any) -> None:
        if name == "reset":
            self._epochs, self._samples = [], []
        elif name == "epochs":
            self._epochs = [*self._epochs, *data]
        elif name == "metrics":
            samples = [*self._samples, *data]
            self._samples = samples[::2] if len(samples) > MOST_SAMPLES else samples
        elif name == "job":
            self._job = data
            if data.get("queue_status") or data.get("gives_way"):
                self._show_status(data)
        elif name == "logs":
            for line in data:
                if line.get("level") not in ("progress", "info"):  # the curves show what these say
                    self.console.print(log_line(line), highlight=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw for the window as it is now."""
        epochs, rows = self._epochs, min((console.height - OTHER_LINES) // 2, TALLEST)
        losses = [
            ("train loss", "cyan", self._train_losses()),
            ("validation loss", "yellow", _points(epochs, "validation_loss")),
            ("test loss", "magenta", _points(epochs, "test_loss")),
        ]
        accuracies = [
            ("validation accuracy", "yellow", _points(epochs, "validation_accuracy")),
            ("test accuracy", "magenta", _points(epochs, "test_accuracy")),
        ]
        yield from plot(losses, options.max_width, max(rows, 3))
        yield from plot(accuracies, options.max_width, max(rows, 3), share=True)
        if self._job:
            yield Text(progress_line(self._job), no_wrap=True, overflow="ellipsis")

    def _train_losses(self) -> Points:
        """By batches where these are known, on the scale of epochs; else by epochs."""
        batches = (self._job or {}).get("progress", {}).get("batches")
        if not batches or not self._samples:
            return _points(self._epochs, "train_loss")
        return [
            (each["step"] / batches, each["train_loss"])
            for each in self._samples
            if each["train_loss"] is not None
        ]


def _points(epochs: list[JSON], key: str) -> Points:
    return [(each["epoch"], each[key]) for each in epochs if each.get(key) is not None]
