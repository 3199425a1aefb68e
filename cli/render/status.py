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
    if item.get("deleted_at"):  # a server of an earlier release has none
        return Text("deleted", style="red")
    shown = item["state"]
    if shown == "running":
        shown = _ON_THE_WAY.get("pause" if item.get("gives_way") else item["desired"], shown)
    return Text(shown, style=_COLORS.get(item["state"], ""))


def reason(item: JSON) -> Message | None:
    """Why a run is not running, or not for long; None where that says no more than its state."""
    status = _status_of(item)
    if not status:
        return None
    if "code" not in status:  # a server of an earlier release sends the sentence alone
        return messages.plain(status["reason"])
    found = messages.from_json(status)
    if found.code == "queue.paused":
        return None
    return found if found.is_known else messages.plain(status["reason"])


def why(item: JSON) -> str:
    """The same as the server says it: with about how long."""
    status = _status_of(item)
    return text.one_line(status["reason"]) if status and reason(item) else ""


def _status_of(item: JSON) -> JSON | None:
    """What the server says of a wait, or of a run that another comes before."""
    if way := item.get("gives_way"):  # a server of an earlier release has none
        return {**way, "reason": way["text"]}
    status: JSON | None = item.get("queue_status")
    return status


def now(item: JSON) -> str:
    """Why a run is not running, or when it was last heard of; nothing where it has ended."""
    if waits := why(item):
        return waits
    if item.get("last_heartbeat_at"):
        seconds = text.seconds_since(item["last_heartbeat_at"])
        return f"last heartbeat {formats.last_heartbeat(seconds)}"
    return ""


def with_reason(item: JSON) -> str:
    """A run's state and, where it waits, why."""
    waits = why(item)
    if not waits:
        return state(item).plain
    return waits if item["state"] == "paused" else f"{state(item).plain}: {waits}"


def place_to_resume(item: JSON) -> str:
    """The epoch and batch with which a run would resume; nothing where it has no snapshot."""
    if item["state"] not in ("queued", "paused", "failed") or not item.get("snapshot"):
        return ""
    snapshot = item["snapshot"]
    batch = f", batch {snapshot['batch'] + 1}" if snapshot["batch"] else ""
    when = "at a retry, from" if item["state"] == "failed" else "from"
    return f"{when} epoch {snapshot['epoch'] + 1}{batch}"
