"""The queue and the workers in one picture, for a window of any height."""

from __future__ import annotations

from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from cli.render import tables
from cli.render.runs import listed

JSON = dict[str, Any]

_TITLES = {"running": "Running", "waiting": "Waiting", "workers": "Workers"}
LEFT_FOR_OTHERS = 12
"""Rows of headings, of what is waited for, and of sentences."""


class Picture:
    """What the server said last; it is drawn for the window as it is at that moment."""

    def __init__(self, found: JSON, trouble: str = "") -> None:
        self.found = found
        self.trouble = trouble

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        most = max((console.height - LEFT_FOR_OTHERS) // 3, 3) if console.is_terminal else 100
        yield Group(*self._parts(most))

    def _parts(self, most: int) -> list[RenderableType]:
        parts: list[RenderableType] = []
        if self.trouble:
            parts.append(Text(self.trouble, style="red"))
        if not self.found:
            return parts
        queue = self.found["queue"]
        for name, made in (("running", listed), ("waiting", listed), ("workers", tables.workers)):
            rows = self.found[name]
            title = Text(_TITLES[name], style="bold")
            parts += [title, made(rows[:most]) if rows else Text("none"), *_left(rows, most)]
            parts.append(Text())
        parts += [tables.waiting(queue["waiting"][:3])] if queue["waiting"] else []
        return [*parts, *(Text(line) for line in tables.last_day(queue))]


def _left(rows: list[JSON], most: int) -> list[Text]:
    return [Text("and more", style="dim")] if len(rows) > most else []
