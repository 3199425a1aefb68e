"""A worker that notes when it does what: `python -m bench.stamps FILE`, for bench/latency.py."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.jobs import claim
from core.jobs.recorder import Recorder
from core.protocol.reports import StepMetrics
from worker import __main__ as worker
from worker.processes.trainer import Trainer
from worker.supervisor.supervisor import Supervisor


def main() -> None:
    path = Path(sys.argv.pop(1))

    def stamp(what: str, job_id: int, at: float) -> None:
        with path.open("a") as file:
            file.write(json.dumps({"what": what, "job": job_id, "at": at}) + "\n")

    jobs: dict[int, int] = {}  # of the trainers
    first: set[int] = set()
    shown: set[int] = set()

    @wrap(claim, "claim")
    def _claim(made: Callable[..., Any], *arguments: Any) -> Any:
        lease = made(*arguments)
        if lease is not None:
            stamp("claim", lease.job_id, time.monotonic())
        return lease

    @wrap(Supervisor, "__init__")
    def _supervise(made: Callable[..., Any], *arguments: Any) -> None:
        _, _, lease, _, trainer, *_ = arguments
        jobs[id(trainer)] = lease.job_id
        made(*arguments)

    @wrap(Trainer, "give")
    def _give(made: Callable[..., Any], trainer: Trainer, order: Any) -> None:
        made(trainer, order)
        stamp("give", jobs[id(trainer)], time.monotonic())

    @wrap(Recorder, "record")
    def _record(made: Callable[..., Any], recorder: Recorder, report: Any) -> None:
        made(recorder, report)
        job_id = recorder._lease.job_id  # noqa: SLF001  (a bench may look inside)
        if isinstance(report, StepMetrics) and job_id not in first:
            first.add(job_id)
            stamp("first", job_id, time.monotonic())

    @wrap(Recorder, "flush")
    def _flush(made: Callable[..., Any], recorder: Recorder) -> Any:
        desired = made(recorder)
        job_id = recorder._lease.job_id  # noqa: SLF001
        if job_id in first and job_id not in shown:
            shown.add(job_id)
            stamp("shown", job_id, time.monotonic())
        return desired

    worker.main()


def wrap(owner: Any, name: str) -> Callable[[Callable[..., Any]], None]:
    """Put a function around another, which it gets as its first argument."""
    made = getattr(owner, name)

    def put(around: Callable[..., Any]) -> None:
        setattr(owner, name, lambda *values, **named: around(made, *values, **named))

    return put


if __name__ == "__main__":
    main()
