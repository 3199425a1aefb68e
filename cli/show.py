"""Tables and other words for the terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

JSON = dict[str, Any]

_COLORS = {
    "queued": "yellow",
    "running": "cyan",
    "paused": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
}

_LEVELS = {"warning": "yellow", "error": "red"}


def as_json(value: Any) -> str:
    """A value for other programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def printable(text: str) -> str:
    """Text whose control characters cannot move the terminal's cursor or change its colors."""
    return "".join(
        character if character in "\n\t" or unicodedata.category(character) != "Cc" else "\ufffd"
        for character in text
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table; what comes from runs is shown as text, never as markup."""
    made = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(words(cell)) for cell in row))
    return made


def jobs(items: Sequence[JSON]) -> Table:
    """The list of runs."""
    return table(
        ("ID", "STATE", "NAME", "PROGRESS", "LOSS", "ACCURACY", "CREATED", "WORKER", "NOW"),
        (
            (
                job["id"],
                state(job),
                job["name"],
                f"{job['progress']['fraction']:.0%}",
                number(job["train_loss"]),
                share(job["test_accuracy"]),
                ago(job["created_at"]),
                job["worker"],
                now(job),
            )
            for job in items
        ),
    )


def job(console: Console, item: JSON, epochs: Sequence[JSON], files: Sequence[JSON]) -> None:
    """One run with its epochs and files."""
    progress = item["progress"]
    facts: list[tuple[str, Any]] = [
        ("run", f"{item['id']}  {item['name']}"),
        ("state", state(item)),
        ("now", now(item)),
        ("goes on", _place_to_go_on(item)),
        ("progress", f"epoch {progress['epoch']}/{progress['epochs']}, {progress['fraction']:.0%}"),
        ("left", duration(progress["eta_s"]) if item["state"] == "running" else None),
        ("ended", item["stop_reason"]),
        ("loss", number(item["train_loss"])),
        ("validation", share(item["validation_accuracy"])),
        ("accuracy", share(item["test_accuracy"])),
        ("worker", item["worker"]),
        ("devices", item["devices"] if item["devices"] > 1 else None),
        ("attempt", item["attempt"]),
        ("created", item["created_at"]),
        ("started", item["started_at"]),
        ("finished", item["finished_at"]),
        ("weights", item["weights_sha256"]),
        ("spec", json.dumps(item["spec"])),
    ]
    if item["error"]:
        facts.append(("error", f"{item['error']['kind']}: {item['error']['message']}"))
    for label, value in facts:
        if value not in (None, ""):
            text = value if isinstance(value, Text) else Text(words(value))
            console.print(Text(f"{label:11}").append_text(text), soft_wrap=True)
    for rows, made in ((epochs, _epochs), (files, _files)):
        if rows:
            console.print()
            console.print(made(rows))


def _epochs(rows: Sequence[JSON]) -> Table:
    """The measurements epoch by epoch; a column that no epoch has is left out."""
    columns: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
        ("EPOCH", "epoch", str),
        ("TRAIN LOSS", "train_loss", number),
        ("VALIDATION LOSS", "validation_loss", number),
        ("TEST LOSS", "test_loss", number),
        ("VALIDATION ACCURACY", "validation_accuracy", share),
        ("ACCURACY", "test_accuracy", share),
        ("RATE", "learning_rate", short),
        ("GRADIENT", "gradient_norm", short),
        ("MEMORY", "memory_bytes", size),
        ("SECONDS", "seconds", "{:.1f}".format),
        ("IMAGES/S", "images_per_s", "{:.0f}".format),
    )
    kept = [each for each in columns if any(row.get(each[1]) is not None for row in rows)]
    return table(
        [title for title, _, _ in kept],
        (
            ["" if row[key] is None else written(row[key]) for _, key, written in kept]
            for row in rows
        ),
    )


def _files(rows: Sequence[JSON]) -> Table:
    return table(
        ("FILE", "FORMAT", "NAME", "SIZE", "EPOCH", "SHA-256"),
        (
            (f["id"], f["format"], f["filename"], size(f["size"]), f["epoch"], f["sha256"])
            for f in rows
        ),
    )


def evaluation(console: Console, content: JSON) -> None:
    """What a run does on the test set, class by class, and what it confuses most."""
    calibration = content["calibration"]["expected_calibration_error"]
    console.print(
        f"{content['count']} test images, {share(content['accuracy'])} of the classes found, loss "
        f"{number(content['loss'])}, expected calibration error {number(calibration)}",
        highlight=False,
        soft_wrap=True,
    )
    console.print()
    console.print(
        table(
            ("CLASS", "PRECISION", "RECALL", "F1", "IMAGES"),
            (
                (
                    *(each["name"], share(each["precision"]), share(each["recall"])),
                    *(share(each["f1"]), each["support"]),
                )
                for each in content["classes"]
            ),
        )
    )
    confused = confusions(content)
    if confused:
        console.print()
        console.print(
            table(
                ("CONFUSED", "TAKEN FOR", "IMAGES", "OF CLASS"),
                ((true, found, count, share(part)) for true, found, count, part in confused),
            )
        )


def confusions(content: JSON, most: int = 10) -> list[tuple[str, str, int, float]]:
    """The most frequent confusions: true class, class found, images, share of the true class."""
    names = [each["name"] for each in content["classes"]]
    found = [
        (names[true], names[other], count, count / sum(row))
        for true, row in enumerate(content["confusion"])
        for other, count in enumerate(row)
        if count and other != true
    ]
    return sorted(found, key=lambda each: -each[2])[:most]


def datasets(rows: Sequence[JSON]) -> Table:
    """The datasets, and whether they lie in the data folder."""
    return table(
        ("NAME", "TITLE", "TO TRAIN", "TO TEST", "PIXELS", "CLASSES", "HERE", "LICENSE"),
        (
            (
                *(row["name"], row["title"], f"{row['train_count']:,}", f"{row['test_count']:,}"),
                f"{row['channels']}x{row['size']}x{row['size']}",
                *(len(row["classes"]), "yes" if row["is_here"] else "no", row["license"]),
            )
            for row in rows
        ),
    )


def log_line(line: JSON) -> Text:
    """A line of a log; one that warns says so."""
    level = line.get("level", "info")
    text = Text(printable(line["text"]))
    if level == "info":
        return text
    return Text(f"{level}: ", style="bold " + _LEVELS.get(level, "")).append_text(text)


def state(item: JSON) -> Text:
    """A run's state in its color; the wish to cancel or pause it is shown while it runs."""
    shown = item["state"]
    if shown == "running":
        shown = {"cancel": "cancelling", "pause": "pausing"}.get(item["desired"], shown)
    return Text(shown, style=_COLORS.get(item["state"], ""))


def now(item: JSON) -> str:
    """Why a run is not running, or when it was last heard of; nothing where it has ended."""
    if item.get("queue_status"):
        reason = str(item["queue_status"]["reason"])
        return "" if reason == item["state"] else reason
    if item.get("last_heartbeat_at"):
        return f"last heard {ago(item['last_heartbeat_at'])}"
    return ""


def with_reason(item: JSON) -> str:
    """A run's state and, where it waits, why."""
    reason = words(now(item)) if item.get("queue_status") else ""
    if item["state"] == "paused" and reason:
        return reason  # it begins with the state
    return f"{state(item).plain}: {reason}" if reason else state(item).plain


def _place_to_go_on(item: JSON) -> str:
    if item["state"] not in ("queued", "paused", "failed") or not item.get("snapshot"):
        return ""
    words = "at a retry, from" if item["state"] == "failed" else "from"
    point = item["snapshot"]
    place = f", batch {point['batch'] + 1}" if point["batch"] else ""
    return f"{words} epoch {point['epoch'] + 1}{place}"


def words(value: Any) -> str:
    """A value as printable text; nothing for None."""
    return "" if value is None else printable(str(value)).replace("\n", " ")


def number(value: float | None) -> str:
    """A loss."""
    return "" if value is None else f"{value:.4f}"


def short(value: float) -> str:
    """A number to three significant digits."""
    return f"{value:.3g}"


def share(value: float | None) -> str:
    """An accuracy, 0 to 1, in per cent."""
    return "" if value is None else f"{value:.2%}"


def size(count: int) -> str:
    """A size in bytes, for people."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def duration(seconds: float | None) -> str:
    """A duration for people: `4 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: str | None) -> str:
    """How long ago a moment of the API was."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    return f"{duration(max(0.0, seconds))} ago"


def workers(items: Sequence[JSON]) -> Table:
    """The list of workers."""
    return table(
        ("ID", "NAME", "STATE", "DEVICES", "SLOTS", "RUNNING", "QUEUES", "SEEN"),
        (
            (
                worker["id"],
                worker["name"],
                "stopped" if worker["stopped_at"] else "up",
                ", ".join(device["name"] for device in worker["devices"]),
                worker["slots"],
                ", ".join(str(job_id) for job_id in worker["running"]),
                ", ".join(worker["queues"]),
                ago(worker["last_heartbeat_at"]),
            )
            for worker in items
        ),
    )
