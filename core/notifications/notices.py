"""What is told of a run: a thin payload for programs, and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from core.database.models import MEASURED, Job
from core.messages import Message, as_json, from_json, message, plain

LONGEST_REASON = 2000
"""The characters of a reason that is sent along: payloads stay below 20 kB."""

COLUMNS = (
    *(Job.id, Job.name, Job.owner, Job.state, Job.dataset, Job.model, Job.preset, Job.attempt),
    *(getattr(Job, name) for name in MEASURED),
    Job.error_message,
)
"""Of a job: what a payload says."""


def of_run(kind: str, job: RowMapping, **more: Any) -> dict[str, Any]:
    """The payload of something that happened to a run, without its time and address."""
    measured = {name: job[name] for name in MEASURED}
    data = {name: job[name] for name in ("id", "name", "owner", "state", "attempt")}
    about = {name: job[name] for name in ("dataset", "model", "preset")}
    reason = job["error_message"] if job["state"] == "failed" else None
    return {
        "type": f"run.{kind}",
        "data": data | about | measured | {"reason": reason and _short(reason)} | more,
    }


def _short(reason: Message) -> dict[str, Any]:
    text = reason.english
    kept = reason if len(text) <= LONGEST_REASON else plain(text[:LONGEST_REASON])
    return as_json(kept) | {"text": kept.english}


def sentence(payload: Mapping[str, Any]) -> Message:
    """What a payload says to a person."""
    kind, data = payload["type"], payload["data"]
    if kind == "run.failed":
        reason = data["reason"] and from_json(data["reason"])
        return message("notice.failed", name=data["name"], reason=reason)
    if kind == "run.waited":
        return message("notice.waited", name=data["name"], minutes=data["minutes"])
    if kind == "run.measured":
        code = "notice.above" if data["is_above"] else "notice.below"
        metric = message(f"metric.{data['metric']}")
        about = {name: data[name] for name in ("name", "value", "bound")}
        return message(code, metric=metric, **about)
    if kind == "webhook.disabled":
        return message(
            "notice.webhook_disabled", host=data["host"], reason=from_json(data["reason"])
        )
    if kind == "test":
        return message("notice.test")
    return message(f"notice.{data['state']}", name=data["name"])


TEST: dict[str, Any] = {"type": "test", "data": {}}
