"""A storm of faults over many short runs: what is submitted, done, and waited for."""

from __future__ import annotations

import argparse
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil

from core.database.models import Job
from core.errors import Conflict, DatabaseUnavailable
from core.jobs import deletion, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec.presets import resolve
from core.states import FINAL
from tests.faults.storm.faults import Faults
from tests.faults.storm.stack import Stack

LONGEST_S = 1800.0
"""For a hundred runs, or for sixty faults; more of them may take longer."""
JOBS = 100
FAULTS = 60

SPENT = ("crash", "hung")
"""What a run failed by whose budget of crashes is spent."""

SPECS: list[dict[str, Any]] = [
    {"optimizer": optimizer, "schedule": {"kind": schedule}, "model": {"dropout": dropout}}
    for optimizer, schedule, dropout in (
        ({"kind": "sgd"}, "constant", 0.0),
        ({"kind": "sgd", "momentum": 0.9, "nesterov": True}, "one_cycle", 0.2),
        ({"kind": "adam"}, "constant", 0.2),
        ({"kind": "adam"}, "one_cycle", 0.0),
        ({"kind": "adamw"}, "constant", 0.0),
        ({"kind": "adamw"}, "one_cycle", 0.3),
    )
]


class Storm:
    """The runs, what is done to the stack that they run on, and how often."""

    def __init__(self, chosen: argparse.Namespace, stack: Stack) -> None:
        self._chosen = chosen
        self._stack = stack
        self._chance = random.Random(chosen.seed)
        self._longest_s = LONGEST_S * max(1.0, chosen.jobs / JOBS, chosen.faults / FAULTS)
        self.faults = Faults(stack, self._chance)
        self.done: Counter[str] = Counter()
        """How often each fault has met something."""
        self.retried: set[int] = set()
        """The runs that were tried again by hand, their budget being spent."""

    def submit(self) -> None:
        """Put the jobs into the queue."""
        for number in range(self._chosen.jobs):
            changes = SPECS[number % len(SPECS)] | {
                "dataset": "digits",
                "batch_size": 64,
                "epochs": self._chosen.epochs,
                "device": "cpu",
            }
            changes["model"] = changes["model"] | {"channels": [8], "batch_norm": True}
            lifecycle.submit(
                self._stack.tables,
                LOCAL_OWNER,
                name=f"chaos {number}",
                spec=resolve("quick", changes),
            )
        self._stack.notifier.notify("default")

    def rage(self) -> None:
        """Do the faults, one after the other; those that last heal by themselves."""
        faults = self.faults.all()
        bag: list[Callable[[], bool]] = []
        deadline = time.monotonic() + self._longest_s
        while self.done.total() < self._chosen.faults and time.monotonic() < deadline:
            time.sleep(self._chance.uniform(0.5, 1.5) * self._chosen.every)
            if not bag:  # each kind once, in an order of its own, then again
                bag = faults.copy()
                self._chance.shuffle(bag)
            fault = bag.pop()
            name = fault.__name__.strip("_").replace("_", " ")
            try:
                happened = fault()
            except (DatabaseUnavailable, psutil.Error, ProcessLookupError) as error:
                print(f"  {name}: nothing to meet ({error})", flush=True)
                continue
            if happened:
                self.done[name] += 1
                print(f"{self.done.total():4} {name}", flush=True)

    def wait_for_the_end(self) -> None:
        """Wait until every job has ended; bring back what is deleted, paused, or out of budget."""
        deadline = time.monotonic() + self._longest_s
        self.faults.wait_until_healed()
        while time.monotonic() < deadline:
            with contextlib.suppress(DatabaseUnavailable):
                open_ones = self._stack.jobs(Job.state.not_in(("succeeded", "cancelled")))
                left = [job for job in open_ones if job.state not in FINAL]
                for job in open_ones:
                    if job.deleted_at is not None:
                        deletion.restore(self._stack.tables, job.id, LOCAL_OWNER)
                    if job.state == "paused" or job.desired == "pause":
                        with contextlib.suppress(Conflict):
                            lifecycle.resume(self._stack.tables, job.id, LOCAL_OWNER)
                    if job.state == "failed" and job.error_kind in SPENT:
                        self.retried.add(job.id)
                        lifecycle.retry(self._stack.tables, job.id, LOCAL_OWNER)
                        left.append(job)
                if not left:
                    return
            time.sleep(0.5)
