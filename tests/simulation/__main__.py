"""Many schedules of the simulation: `python -m tests.simulation`, or `make simulate`.

First seeds whose calls fail at random, then some schedules again and again, each time with another
one of their calls failing, until every call has failed in every way. What is broken is printed with
the options that do it again: `make simulate SIMULATE="--seed 7"`.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core.database import engine
from tests.services import Postgres, UnavailableHereError
from tests.simulation import crowd
from tests.simulation.faults import FAULT_KINDS
from tests.simulation.rows import Broken
from tests.simulation.schedule import Plan

SHOWN = 5
"""Broken schedules that are printed in full."""

MEMORY = Path("/dev/shm")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description="Schedules of the queue under faults.")
    parser.add_argument("--seed", type=int, help="one schedule alone, and what is done in it")
    parser.add_argument("--call", type=int, help="the one call that fails in it")
    parser.add_argument("--fault", choices=FAULT_KINDS, default=FAULT_KINDS[0])
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--every-call-of", type=int, default=1, help="seeds, each call in turn")
    parser.add_argument("--on-postgresql", type=int, default=300, help="of them there too")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    with _folder() as folder:
        if chosen.seed is not None:
            sys.exit(_show(folder, chosen))
        broken = _run_many(folder, chosen)
    sys.exit(1 if broken else 0)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="trainyard-simulation-", dir=place) as folder:
        yield Path(folder)


def _show(folder: Path, chosen: argparse.Namespace) -> int:
    """Run one schedule and print it."""
    plan = Plan(chosen.seed, chosen.call, chosen.fault)
    with _database(chosen.database, folder) as address:
        world = crowd.enter(address, folder)
        try:
            schedule = world.run(plan)
        except Broken as error:
            print(error)
            return 1
    print("\n".join(schedule.log))
    print(f"{plan}: {schedule.steps} steps, {world.faults.calls} calls; all is well")
    return 0


def _run_many(folder: Path, chosen: argparse.Namespace) -> int:
    began = time.monotonic()
    seeds = range(chosen.first, chosen.first + chosen.schedules)
    broken = _run("sqlite", folder, [Plan(seed) for seed in seeds], chosen.processes)
    every = [plan for seed in seeds[: chosen.every_call_of] for plan in _every_call(folder, seed)]
    broken += _run("sqlite", folder, every, chosen.processes)
    there = [Plan(seed) for seed in seeds[: chosen.on_postgresql]]
    try:
        broken += _run("postgresql", folder, there, 1)
    except UnavailableHereError as error:
        print(f"NOT RUN on PostgreSQL: {error}")
        there = []
    number, seconds = len(seeds) + len(every) + len(there), time.monotonic() - began
    print(f"{number} schedules in {seconds:.0f} s, broken: {broken}")
    return broken


def _every_call(folder: Path, seed: int) -> list[Plan]:
    """A schedule once for each of its calls and each kind of fault."""
    with _database("sqlite", folder) as address:
        world = crowd.enter(address, folder)
        world.run(Plan(seed, call=0))
        calls = world.faults.calls
    return [Plan(seed, call, kind) for call in range(1, calls + 1) for kind in FAULT_KINDS]


def _run(kind: str, folder: Path, plans: list[Plan], processes: int) -> int:
    began, broken = time.monotonic(), 0
    if not plans:
        return 0
    with _database(kind, folder) as address:
        spawning = multiprocessing.get_context("spawn")
        with spawning.Pool(processes, crowd.enter, (address, folder)) as pool:
            for problem in pool.imap_unordered(crowd.attempt, plans, chunksize=10):
                if problem is not None:
                    broken += 1
                    print(problem if broken <= SHOWN else problem.splitlines()[0], flush=True)
    seconds = time.monotonic() - began
    print(
        f"{len(plans)} schedules on {kind} in {seconds:.0f} s: "
        f"{len(plans) / seconds:.1f} a second, {broken} broken",
        flush=True,
    )
    return broken


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    """The address of a database; on SQLite each process makes one of its own beside it."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}"
        return
    with Postgres() as server:
        address = server.new_database()
        engine.upgrade(address)
        yield address


if __name__ == "__main__":
    main()
