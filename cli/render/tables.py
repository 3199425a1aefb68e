"""The tables of what is not a run: datasets and workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from cli.render.text import ago, counted, one_line, seconds_since, table
from core import formats

JSON = dict[str, Any]


def datasets(rows: Sequence[JSON]) -> Table:
    """The datasets, and whether they lie in the data folder."""
    return table(
        ("NAME", "TITLE", "TO TRAIN", "TO TEST", "PIXELS", "CLASSES", "HERE", "LICENSE"),
        (
            (
                row["name"],
                row["title"],
                formats.whole(row["train_count"]),
                formats.whole(row["test_count"]),
                f"{row['channels']}x{row['size']}x{row['size']}",
                len(row["classes"]),
                "yes" if row["is_here"] else "no",
                row["license"],
            )
            for row in rows
        ),
    )


def workers(items: Sequence[JSON]) -> Table:
    """The list of workers."""
    return table(
        ("ID", "NAME", "STATE", "DEVICES", "SLOTS", "RUNNING", "QUEUES", "LAST HEARTBEAT"),
        (
            (
                worker["id"],
                worker["name"],
                _state(worker),
                ", ".join(device["name"] for device in worker["devices"]),
                worker["slots"],
                ", ".join(str(job_id) for job_id in worker["running"]),
                ", ".join(worker["queues"]),
                ago(worker["last_heartbeat_at"]),
            )
            for worker in items
        ),
    )


def _state(worker: JSON) -> str:
    """How a worker is; a server of an earlier release says nothing of rests."""
    liveness = _liveness(worker)
    if liveness == "live" and worker.get("desired") == "drain":
        return "draining" if worker["running"] else "drained"
    return "resting" if liveness == "live" and worker.get("rests") else liveness


def _liveness(worker: JSON) -> str:
    """Whether a worker is live, as the server says it; a server of an earlier release does not."""
    if "status" in worker:
        return str(worker["status"])
    if worker["stopped_at"]:
        return "stopped"
    return "live" if worker.get("is_live", True) else "lost"


def waiting(lines: Sequence[JSON]) -> Table:
    """What waits in each queue, and for what."""
    return table(
        ("QUEUE", "RUNS", "DATASET", "DEVICES", "THE FIRST WAITS BECAUSE"),
        (
            (
                line["queue"],
                formats.whole(line["count"]),
                line["dataset"],
                f"{line['devices']} {line['device']}",
                line["reason"]["text"],
            )
            for line in lines
        ),
    )


def network(found: JSON) -> Table:
    """The blocks of a network, and their sums."""
    blocks = [
        (
            each["name"],
            " x ".join(map(str, each["shape"])),
            formats.whole(each["parameters"]),
            formats.whole(each["multiply_adds"]),
        )
        for each in found["blocks"]
    ]
    total = ("total", "", *(formats.whole(found[name]) for name in ("parameters", "multiply_adds")))
    return table(("BLOCK", "OUT", "PARAMETERS", "MACS"), [*blocks, total])


def last_day(found: JSON) -> list[str]:
    """What is idle, and how the last day was, a sentence each."""
    count = sum(line["count"] for line in found["waiting"])
    lines = [] if count else ["No run waits."]
    if found["gpus"]:
        lines.append(f"Idle GPUs: {found['idle_gpus']} of {found['gpus']}.")
    if found["median_wait_s"] is not None:
        lines.append(
            f"Runs waited {formats.duration(found['median_wait_s'])} (median), 95% of them no "
            f"longer than {formats.duration(found['tail_wait_s'])}."
        )
    ended = sum(hour["succeeded"] + hour["failed"] for hour in found["hours"])
    since = formats.ago(seconds_since(found["since"]))
    return [*lines, f"{counted(ended, 'run')} ended since {since}."]


def rests(items: Sequence[JSON]) -> list[str]:
    """What the live workers cannot do now, a sentence each, and how to let them try at once."""
    return [
        f"{one_line(worker['name'])} rests from {one_line(rest['text'])}, "
        f"tried {counted(rest['tries'], 'time')}, last in run {rest['job_id']}: "
        f"{one_line(rest['reason']['text'])} Try again now: trainyard workers resume "
        f"{worker['id']}"
        for worker in items
        if _liveness(worker) == "live" and worker.get("rests")
        for rest in worker["rests"]
    ]
