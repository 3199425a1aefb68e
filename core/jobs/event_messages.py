"""The events of a job's history in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.database.models import JobEvent
from core.messages import Message, from_json, message
from core.states import EventKind


def describe(event: JobEvent) -> Message:
    """What an event says to a person."""
    made = _MAKERS.get(event.kind)
    return made(event) if made else message(f"event.{event.kind}", name=event.actor["name"])


def describe_snapshots(newest: JobEvent, count: int) -> Message:
    """What several snapshots of an attempt say together.

    Args:
        newest: the event of the last one.
        count: how many there are.
    """
    return (
        describe(newest)
        if count == 1
        else message("event.snapshots", count=count, **_progress(newest.payload))
    )


def _claimed(event: JobEvent) -> Message:
    return message("event.claimed", name=event.actor["name"], attempt=event.attempt)


def _started(event: JobEvent) -> Message:
    facts = {name: event.payload[name] for name in ("device", "precision", "threads")}
    step = event.payload["step"]
    if step:
        return message("event.started_from_snapshot", step=step, **facts)
    return message("event.started", **facts)


def _snapshot(event: JobEvent) -> Message:
    return message("event.snapshot", **_progress(event.payload))


def _progress(payload: Mapping[str, Any]) -> dict[str, int]:
    return {"step": payload["step"], "epoch": payload["epoch"]}


def _because(plain: str, with_reason: str) -> Callable[[JobEvent], Message]:
    """An event that may have a reason."""

    def made(event: JobEvent) -> Message:
        reason = event.payload.get("reason")
        return message(with_reason, reason=from_json(reason)) if reason else message(plain)

    return made


def _drained(event: JobEvent) -> Message:
    if "reason" in event.payload:
        return message("event.drained_because", reason=from_json(event.payload["reason"]))
    return message("event.drained", name=event.actor["name"])


def _worker_fault(event: JobEvent) -> Message:
    reason = from_json(event.payload["reason"])
    return message("event.worker_fault", name=event.actor["name"], reason=reason)


def _worker_resumed(event: JobEvent) -> Message:
    return message("event.worker_resumed", name=event.actor["name"], worker=event.payload["worker"])


def _pause_requested(event: JobEvent) -> Message:
    if "reason" in event.payload:
        return message("event.asked_to_yield", reason=from_json(event.payload["reason"]))
    return message("event.pause_requested", name=event.actor["name"])


def _paused(event: JobEvent) -> Message:
    if "reason" in event.payload:
        return message("event.yielded", reason=from_json(event.payload["reason"]))
    if event.payload.get("state") == "queued":
        return message("event.paused_and_resumed")
    return _by_a_person(event)


def _by_a_person(event: JobEvent) -> Message:
    """An event that a worker brings about where it was asked to: who asked is an event before."""
    if event.actor["kind"] == "user":
        return message(f"event.{event.kind}_by", name=event.actor["name"])
    return message(f"event.{event.kind}")


def _retried(event: JobEvent) -> Message:
    scratch = "_from_scratch" if event.payload.get("from_scratch") else ""
    return message(f"event.retried{scratch}", name=event.actor["name"])


def _deleted(event: JobEvent) -> Message:
    was_queued = "_while_queued" if event.payload.get("state") else ""
    return message(f"event.deleted{was_queued}", name=event.actor["name"])


def _restored(event: JobEvent) -> Message:
    is_queued = "_and_queued" if event.payload.get("state") else ""
    return message(f"event.restored{is_queued}", name=event.actor["name"])


def _edited(event: JobEvent) -> Message:
    name, fields = event.actor["name"], event.payload["fields"]
    others = [message(f"event.edited_{field}") for field in fields if field != "name"]
    if "name" not in fields:
        return message("event.edited", name=name, fields=others)
    former = event.payload["former_name"]
    if not others:
        return message("event.renamed", name=name, former=former)
    return message("event.renamed_and_edited", name=name, former=former, fields=others)


def _cleaned(event: JobEvent) -> Message:
    return message(f"event.cleaned_{event.payload['what']}", name=event.actor["name"])


_MAKERS: dict[EventKind, Callable[[JobEvent], Message]] = {
    "claimed": _claimed,
    "started": _started,
    "snapshot": _snapshot,
    "crashed": _because("event.crashed", "event.crashed_because"),
    "lost": _because("event.lost", "event.lost_because"),
    "drained": _drained,
    "worker_fault": _worker_fault,
    "worker_resumed": _worker_resumed,
    "pause_requested": _pause_requested,
    "paused": _paused,
    "cancelled": _by_a_person,
    "retried": _retried,
    "finished": _because("event.finished", "event.finished_early"),
    "failed": _because("event.failed", "event.failed_because"),
    "deleted": _deleted,
    "restored": _restored,
    "cleaned": _cleaned,
    "edited": _edited,
}
"""For kinds that say more than who did it."""
