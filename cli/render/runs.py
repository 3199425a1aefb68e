"""Runs for the terminal: the list, and all that is known of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.render.status import now, place_to_resume, state
from cli.render.text import ago, one_line, table, written
from core import formats
from core.characters import printable

JSON = dict[str, Any]

_LEVELS = {"warning": "yellow", "error": "red"}
_MOMENTS = ("created", "started", "finished")
_PLAIN_LEVELS = ("info", "progress")


def listed(items: Sequence[JSON], *, has_accounts: bool = False) -> Table:
    """The list of runs; with their owners where these may differ."""
    # a server of an earlier release does not say whose a run is
    owners = {job.get("owner") for job in items} - {None}
    of_whom = has_accounts or len(owners) > 1
    return table(
        (
            *("ID", "STATE", "NAME", *(["OWNER"] if of_whom else [])),
            *("PROGRESS", "LOSS", "ACCURACY", "CREATED", "WORKER", "NOW"),
        ),
        (
            (
                job["id"],
                state(job),
                _name(job),
                *([job.get("owner")] if of_whom else []),
                formats.progress(job["progress"]["fraction"]),
                written(formats.number, job["train_loss"]),
                written(formats.percent, job["test_accuracy"]),
                ago(job["created_at"]),
                job["worker"],
                now(job),
            )
            for job in items
        ),
    )


def _name(job: JSON) -> Text:
    """A run's name, and that others do not see it."""
    name = Text(one_line(job["name"]))
    return name.append(" [private]", style="dim") if job.get("private") else name


def whole(console: Console, item: JSON, epochs: Sequence[JSON], files: Sequence[JSON]) -> None:
    """One run with its epochs and files."""
    for label, value in _facts(item):
        if value not in (None, ""):
            shown = value if isinstance(value, Text) else Text(one_line(value))
            console.print(Text(f"{label:11}").append_text(shown), soft_wrap=True)
    for rows, made in ((epochs, _epochs), (files, _files)):
        if rows:
            console.print()
            console.print(made(rows))


def _facts(item: JSON) -> list[tuple[str, Any]]:
    """What is known of a run, label by label; a value may be empty."""
    progress, error = item["progress"], item["error"]
    done = formats.progress(progress["fraction"])
    left = progress["eta_s"] if item["state"] == "running" else None
    return [
        ("run", f"{item['id']}  {item['name']}"),
        ("state", state(item)),
        ("now", now(item)),
        ("resumes", place_to_resume(item)),
        ("progress", f"epoch {progress['epoch']}/{progress['epochs']}, {done}"),
        ("left", written(formats.duration, left)),
        ("stopped", item["stop_reason"]),
        ("loss", _train_loss(item)),
        ("validation", written(formats.percent, item["validation_accuracy"])),
        ("accuracy", written(formats.percent, item["test_accuracy"])),
        ("published", _published(item)),
        ("owner", item.get("owner")),  # a server of an earlier release does not say it
        ("seen by", "its owner and administrators alone" if item.get("private") else None),
        ("tags", ", ".join(item.get("tags", ()))),
        ("notes", item.get("notes")),
        ("begun with", _begun_with(item)),
        ("worker", item["worker"]),
        ("devices", item["devices"] if item["devices"] > 1 else None),
        ("attempt", item["attempt"]),
        *((name, written(formats.moment, item[f"{name}_at"])) for name in _MOMENTS),
        ("weights", item["weights_sha256"]),
        *(("spec" if n == 0 else "", line) for n, line in enumerate(_spec(item["spec"]))),
        ("error", f"{error['kind']}: {error['message']}" if error else None),
    ]


def _begun_with(item: JSON) -> str | None:
    source = item.get("weights_from")  # a server of an earlier release does not say it
    return f"the weights of run {source}" if source else None


def _spec(spec: JSON) -> list[str]:
    """A line for each part of a spec: its fields by their dotted paths, as `submit` takes them."""
    plain = {key: value for key, value in spec.items() if not isinstance(value, dict)}
    parts = [part for part in spec.items() if isinstance(part[1], dict)]
    return [_fields(plain, ""), *(_fields(part, f"{name}.") for name, part in parts)]


def _fields(part: JSON, path: str) -> str:
    return "  ".join(f"{path}{key}={_value(value)}" for key, value in part.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_value, value))
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _train_loss(item: JSON) -> str:
    """A run's train loss, and what it is the mean of, where the server says so."""
    over = {"epoch": " (epoch)", "batches": " (batches)"}.get(item.get("train_loss_over") or "", "")
    return written(formats.number, item["train_loss"]) + over


def _published(item: JSON) -> str:
    """Whose weights a run has published, and how the last epoch did, where that is another."""
    last = item.get("last_epoch")
    if not last:
        return ""
    published = f"epoch {item['published_epoch']}, {formats.percent(item['test_accuracy'])}"
    return f"{published}; last: epoch {last['epoch']}, {formats.percent(last['test_accuracy'])}"


def _epochs(rows: Sequence[JSON]) -> Table:
    """The measurements epoch by epoch; a column that no epoch has is left out."""
    columns: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
        ("EPOCH", "epoch", str),
        ("TRAIN LOSS", "train_loss", formats.number),
        ("VALIDATION LOSS", "validation_loss", formats.number),
        ("TEST LOSS", "test_loss", formats.number),
        ("VALIDATION ACCURACY", "validation_accuracy", formats.percent),
        ("ACCURACY", "test_accuracy", formats.percent),
        ("LEARNING RATE", "learning_rate", formats.short),
        ("GRADIENT", "gradient_norm", formats.short),
        ("MEMORY", "memory_bytes", formats.size),
        ("DURATION", "seconds", formats.duration),
        ("IMAGES/S", "images_per_s", formats.whole),
    )
    kept = [each for each in columns if any(row.get(each[1]) is not None for row in rows)]
    return table(
        [title for title, _, _ in kept],
        ([written(write, row[key]) for _, key, write in kept] for row in rows),
    )


def _files(rows: Sequence[JSON]) -> Table:
    return table(
        ("FILE", "FORMAT", "NAME", "SIZE", "EPOCH", "SHA-256"),
        (
            (f["id"], f["format"], f["filename"], formats.size(f["size"]), f["epoch"], f["sha256"])
            for f in rows
        ),
    )


def history(events: Sequence[JSON]) -> Table:
    """What happened to a run, oldest first; what happened names who did it, where a person did."""
    return table(
        ("TIME", "EVENT", "ATTEMPT", "WHAT"),
        (
            (
                formats.moment(event["at"]),
                event["kind"],
                event["attempt"] or None,  # 0: before the first
                event["text"],
            )
            for event in events
        ),
    )


def attempts(rows: Sequence[JSON]) -> Table:
    """The tries at a run, first to last."""
    return table(
        ("ATTEMPT", "WORKER", "DEVICE", "STARTED", "DURATION", "FROM STEP", "OUTCOME", "REASON"),
        (
            (
                row["number"],
                row["worker"],
                row["device"],
                formats.moment(row["started_at"]),
                _duration(row),
                written(formats.whole, row["first_step"]),
                row["outcome"] or "runs",
                row["reason"],
            )
            for row in rows
        ),
    )


def _duration(attempt: JSON) -> str:
    if not attempt["finished_at"]:
        return ""
    started, finished = (
        datetime.fromisoformat(attempt[name]) for name in ("started_at", "finished_at")
    )
    return formats.duration((finished - started).total_seconds())


def log_line(line: JSON) -> Text:
    """A line of a log; one that warns says so."""
    level = line.get("level", "info")
    shown = Text(printable(line["text"]))
    if level in _PLAIN_LEVELS:
        return shown
    return Text(f"{level}: ", style=f"bold {_LEVELS.get(level, '')}").append_text(shown)
