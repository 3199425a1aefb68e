"""Speed of the training engine, side by side in one run: `make bench-training`.

Rounds: in each, every contender (bench/contenders.py) trains one epoch of the tutorial's run, a
hundred batches of one and then of the next, and the platform (a real worker, Redis, SQLite, all
reports and files on) trains a run of one epoch. So whatever the machine does besides meets them all
alike. Each is a process of its own, which waits without computing while it is not its turn; its
memory is its own.

Then the `quick` preset, submit to succeeded, seed after seed, against the time that the tutorial's
loop took for its ten epochs (evaluations included) in the same run; and `digits_seconds`.

The table is printed, and everything is written to `bench/out/training.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from sqlalchemy import select

from bench.contenders import CONTENDERS, Answer, Contender, added, is_whole
from bench.state import look, worker_is_there
from core import queries, settings
from core.database import engine
from core.database.engine import Database
from core.database.models import Job
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messaging.notify import Notifier
from core.settings import Settings
from core.spec.presets import resolve
from tests.services import RedisServer, wait_until
from worker.cores import usable_cores
from worker.training.data import download

IMAGES, TEST_IMAGES, TUTORIAL_EPOCHS = 60_000, 10_000, 10
HEADLINE = 0.9876
NAMES = {
    "tutorial": "the tutorial's loop",
    "bare": "the bare loop (the limit)",
    "engine": "the engine alone",
    "platform": "the engine on the platform",
}
OUT = Path(__file__).parent / "out" / "training.json"
NAME = "bench"
WARM_UPS = 2
"""Epochs before the rounds, on a GPU: until then kernels are loaded."""
SETTLE_S = 1.0
BREATH_S = 0.1
"""For the threads of the last contender to go to sleep."""
TIMEOUT_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=TUTORIAL_EPOCHS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    data = settings.load().data_folder
    download.ensure("mnist", data, print)
    with stack(data) as submit:
        rows = rounds(chosen.rounds, data, chosen.device, submit)
        loop_s = TUTORIAL_EPOCHS * statistics.mean(
            each["train_s"] + each["evaluate_s"] for each in rows["tutorial"]
        )
        quick = [submit("quick", {"seed": seed}) for seed in range(chosen.seeds)]
        digits = [submit("digits_seconds", {"seed": seed}) for seed in range(chosen.seeds)]
    result = summarize(rows, quick, loop_s)
    result["digits_seconds"] = [
        {"seconds": each["whole_s"], "accuracy": each["accuracy"]} for each in digits
    ]
    result["machine"] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "cores": usable_cores(),
        "device": torch.cuda.get_device_name() if chosen.device == "cuda" else "CPU",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rounds": chosen.rounds,
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    show(result)


def rounds(count: int, data: Path, device: str, submit: Any) -> dict[str, list[Answer]]:
    """Let each contender train an epoch in turn, so many times."""
    rows: dict[str, list[Answer]] = {name: [] for name in NAMES}
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Contender(name, data, device, usable_cores()))
            for name in CONTENDERS
        }
        for _ in range(WARM_UPS if device == "cuda" else 0):
            epoch(contenders)
        for number in range(1, count + 1):
            for name, row in epoch(contenders).items():
                rows[name].append(row)
            rows["platform"].append(submit("tutorial", {"epochs": 1, "device": device}))
            time.sleep(SETTLE_S)
            times = ", ".join(f"{name} {each[-1]['train_s']:.2f} s" for name, each in rows.items())
            print(f"round {number}: {times}", flush=True)
    return rows


def epoch(contenders: dict[str, Contender]) -> dict[str, Answer]:
    """Let each contender train an epoch, slice by slice in turn."""
    rows: dict[str, Answer] = {name: {"train_s": 0.0} for name in contenders}
    while not all(is_whole(row) for row in rows.values()):
        for name, contender in contenders.items():
            rows[name] = added(rows[name], contender.train_slice())
            time.sleep(BREATH_S)
    return rows


@contextmanager
def stack(data: Path) -> Iterator[Any]:
    """A worker with Redis and SQLite, and a way to submit to it and wait for the end."""
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        mine = Settings(
            home=Path(folder) / "home",
            redis_url=redis.url,
            slots=1,
            worker_name=NAME,
            data=data.absolute(),
        )
        engine.upgrade(mine.database_address)
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker"],
            env=os.environ | mine.environment(),
            stdout=subprocess.DEVNULL,
            stderr=(Path(folder) / "worker.log").open("wb"),
        )
        notifier = Notifier(mine.redis_url)
        try:
            with Database(mine.database_address) as tables:
                wait_until(lambda: worker_is_there(tables, NAME), "the worker is there")
                time.sleep(10 * SETTLE_S)  # for its spare to be warm

                def submit(preset: str, changes: dict[str, Any]) -> Answer:
                    time.sleep(3 * SETTLE_S)  # for the next spare to be warm
                    return _submitted(tables, notifier, preset, changes)

                yield submit
        finally:
            worker.terminate()
            worker.wait(TIMEOUT_S)


def _submitted(
    tables: Database, notifier: Notifier, preset: str, changes: dict[str, Any]
) -> Answer:
    began = time.perf_counter()
    job = lifecycle.submit(tables, LOCAL_OWNER, name=preset, spec=resolve(preset, changes))
    notifier.notify(job.queue)
    wait_until(lambda: _has_ended(tables, job.id), "the end", timeout=TIMEOUT_S, every=0.05)
    seconds = time.perf_counter() - began
    ended = look(tables, job.id)
    assert ended.state == "succeeded", ended.error_message
    with tables.reading() as session:
        epochs = queries.epochs(session, job.id, queries.LARGEST_LIMIT).items
    return {
        "train_s": sum(epoch.seconds for epoch in epochs),
        "evaluate_s": 0.0,
        "whole_s": seconds,
        "accuracy": epochs[-1].test_accuracy,
        "memory_bytes": epochs[-1].memory_bytes or 0,
    }


def _has_ended(tables: Database, job_id: int) -> bool:
    """Ask as little as can be: asking takes time from what is measured."""
    with tables.reading() as session:
        return session.scalar(select(Job.finished_at).where(Job.id == job_id)) is not None


def summarize(rows: dict[str, list[Answer]], quick: list[Answer], loop_s: float) -> dict[str, Any]:
    """Rates, and their ratios: the median over the rounds of the ratio within a round."""

    def ratio(name: str, other: str) -> float:
        return statistics.median(
            theirs["train_s"] / mine["train_s"]
            for mine, theirs in zip(rows[name], rows[other], strict=True)
        )

    table: list[dict[str, Any]] = [
        {
            "name": NAMES[name],
            "images_per_s": IMAGES / statistics.median(each["train_s"] for each in found),
            "to_tutorial": ratio(name, "tutorial"),
            "to_bare": ratio(name, "bare"),
            "memory_bytes": max(each["memory_bytes"] for each in found),
        }
        for name, found in rows.items()
    ]
    evaluation = TEST_IMAGES / statistics.median(each["evaluate_s"] for each in rows["engine"])
    seconds = statistics.median(each["whole_s"] for each in quick)
    return {
        "tutorial_spec": table,
        "evaluation": {
            "images_per_s": evaluation,
            "to_training": evaluation / table[2]["images_per_s"],
        },
        "headline": {
            "tutorial_loop_s": loop_s,
            "tutorial_loop_accuracy": rows["tutorial"][-1]["accuracy"],
            "quick_s": seconds,
            "quick_accuracy": statistics.median(each["accuracy"] for each in quick),
            "fraction": seconds / loop_s,
            "seeds": [{"seconds": each["whole_s"], "accuracy": each["accuracy"]} for each in quick],
        },
        "rounds": rows,
    }


def show(result: dict[str, Any]) -> None:
    machine = result["machine"]
    print(
        f"\n{machine['date']}, {machine['device']}, {machine['cores']} cores, torch "
        f"{machine['torch']}, {machine['rounds']} rounds\n"
    )
    print("| the tutorial's spec | images/s | to the tutorial's loop | to the bare loop | memory |")
    print("|---|---|---|---|---|")
    for row in result["tutorial_spec"]:
        print(
            f"| {row['name']} | {row['images_per_s']:,.0f} | {row['to_tutorial']:.3f} | "
            f"{row['to_bare']:.3f} | {row['memory_bytes'] / 2**20:,.0f} MiB |"
        )
    evaluation, headline = result["evaluation"], result["headline"]
    print(
        f"\nEvaluation: {evaluation['images_per_s']:,.0f} images/s, "
        f"{evaluation['to_training']:.2f} times the training rate."
    )
    seeds = ", ".join(f"{e['accuracy']:.2%} in {e['seconds']:.2f} s" for e in headline["seeds"])
    print(
        f"Quick, submit to succeeded: median {headline['quick_s']:.2f} s, "
        f"{headline['quick_accuracy']:.2%} (the headline is {HEADLINE:.2%}): 1/"
        f"{1 / headline['fraction']:.0f} of the {headline['tutorial_loop_s']:.0f} s of the "
        f"tutorial's loop. Seeds: {seeds}."
    )
    digits = ", ".join(
        f"{e['accuracy']:.2%} in {e['seconds']:.2f} s" for e in result["digits_seconds"]
    )
    print(f"Digits, submit to succeeded: {digits}.")
    print(f"\nAll of it is in {OUT.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
