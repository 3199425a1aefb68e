"""The worker that is kept for a large job: it takes nothing else before that.

A job for several devices of one worker would else never find as many free at once, where small ones
come again and again. One worker is kept for it, the one that is expected to have them first; on the
others, what waits behind it goes ahead. Which one that is stays written down until the job begins,
so that it starts once what runs there has ended, however wrong the estimates were.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database.hints import in_passing
from core.database.models import Job, JobProgress, Lane, Worker
from core.jobs import lanes, rests
from core.jobs.capacity import Capacity
from core.jobs.lanes import Head

SOON_S = 1.0
"""Until a job has ended that is being stopped."""


def keep(session: Session, head: Head, line: Sequence[Head], asker: int) -> int:
    """Keep a worker for a large job, and write down which.

    Args:
        session: a transaction of its own: the lane's row is locked until its end.
        head: the job.
        line: all heads that its claimant sees.
        asker: the worker that met it, and could run it.

    Returns:
        The id of the worker that is kept.
    """
    able = [
        (worker, capacity)
        for worker, capacity in rests.live_capacities(session)
        if worker.desired != "drain" and head.queue in worker.queues and capacity.fits(head.needs)
    ]
    kept = {each.kept_by for each in line if each.job_id != head.job_id}
    chosen = _first_free(session, able, head.needs.devices, kept) or asker
    session.execute(
        update(Lane)
        .where(Lane.id == head.lane_id)
        .values(kept_worker_id=chosen, kept_job_id=head.job_id)
        .execution_options(synchronize_session=False)
    )
    return chosen


def _first_free(
    session: Session,
    able: Sequence[tuple[Worker, Capacity]],
    devices: int,
    kept: Collection[int | None],
) -> int | None:
    """The worker that has so many slots first, and is not kept for another, if there is one."""
    busy = _busy(session, [worker.id for worker, _ in able])

    def place(worker: Worker) -> tuple[bool, float, int]:
        times = sorted(busy.get(worker.id, ()))
        free = worker.slots - len(times)
        wait_s = 0.0 if free >= devices else times[devices - free - 1]
        return worker.id in kept, wait_s, worker.id

    return min((worker for worker, _ in able), key=place).id if able else None


def _busy(session: Session, worker_ids: Sequence[int]) -> Mapping[int, Sequence[float]]:
    """Of each worker, in how many seconds each slot is free that is in use."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    running = (
        select(Job.worker_id, Job.devices, Job.desired, JobProgress.yields_to, JobProgress.eta_s)
        .join(Job.progress)
        .where(lanes.IS_RUNNING, in_passing(Job.worker_id).in_(worker_ids))
    )
    for worker_id, devices, desired, yields_to, eta_s in session.execute(running):
        left_s = math.inf if eta_s is None else max(SOON_S, eta_s)
        is_stopping = desired != "run" or yields_to is not None
        found[worker_id or 0] += [SOON_S if is_stopping else left_s] * devices
    return found
