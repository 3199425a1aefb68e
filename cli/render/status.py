"""The state of a run in words: what it does, why it waits, where it would resume."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from cli.render import text
from core import formats, messages
from core.messages import Message

JSON = dict[str, Any]

_COLORS = {
    "queued": "yellow",
    "running": "cyan",
    "paused": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
}

_ON_THE_WAY = {"cancel": "cancelling", "pause": "pausing"}


def state(item: JSON) -> Text:
    """A run's state in its color; while it runs, that it is to be cancelled or paused."""
    shown = item["state"]
    if shown == "running":
        shown = _ON_THE_WAY.get(item["desired"], shown)
    return Text(shown, style=_COLORS.get(item["state"], ""))


def reason(item: JSON) -> Message | None:
    """Why a run is not running; None where it is, and where that says no more than its state."""
    status = item.get("queue_status")
    if not status:
        return None
    if "code" not in status:  # a server of an earlier release sends the sentence alone
        return messages.plain(status["reason"])
    found = messages.from_json(status)
    return None if found.code == "queue.paused" else found


def now(item: JSON) -> str:
    """Why a run is not running, or when it was last heard of; nothing where it has ended."""
    if why := reason(item):
        return why.text
    if item.get("last_heartbeat_at"):
        seconds = text.seconds_since(item["last_heartbeat_at"])
        return f"last heartbeat {formats.last_heartbeat(seconds)}"
    return ""


def with_reason(item: JSON) -> str:
    """A run's state and, where it waits, why."""
    why = reason(item)
    if why is None:
        return state(item).plain
    if item["state"] == "paused":  # whose reasons begin with the state
        return text.one_line(why.text)
    return f"{state(item).plain}: {text.one_line(why.text)}"


def place_to_resume(item: JSON) -> str:
    """The epoch and batch with which a run would resume; nothing where it has no snapshot."""
    if item["state"] not in ("queued", "paused", "failed") or not item.get("snapshot"):
        return ""
    snapshot = item["snapshot"]
    batch = f", batch {snapshot['batch'] + 1}" if snapshot["batch"] else ""
    when = "at a retry, from" if item["state"] == "failed" else "from"
    return f"{when} epoch {snapshot['epoch'] + 1}{batch}"
