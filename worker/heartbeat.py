"""The heartbeat of a worker, and the housekeeping that it does with each.

The rounds of both are one: what a look into the queue finds serves both, and a gap since the last
heartbeat says that others may have been cut off too (`core/housekeeping.py`).
"""

from __future__ import annotations

from core import workers
from core.housekeeping import House, Housekeeping
from core.jobs import polling
from core.jobs.polling import PollResult
from worker.context import WorkerContext


class Heartbeat:
    """The heartbeats of one worker. Not safe in several threads."""

    def __init__(self, context: WorkerContext, beat_every_s: float) -> None:
        self._context = context
        house = House(context.settings, context.database, context.storage, context.wakeups)
        self.housekeeping = Housekeeping(house, beat_every_s)

    def beat(self) -> PollResult:
        """Write that this worker is live, and take lost jobs back.

        Returns:
            What a look into the queue found afterwards.

        Raises:
            DatabaseUnavailable: the database does not answer; `postpone_reaping` is due.
        """
        context = self._context
        gauges = context.gauges.latest() if context.gauges else None
        worker_id = context.claimant.worker_id
        moment = workers.heartbeat(context.database, worker_id, context.facts, gauges)
        result = polling.poll(context.database, context.claimant)
        if self.housekeeping.keep(moment, are_leases_over=result.are_leases_over):
            result = polling.poll(context.database, context.claimant)
        return result

    def postpone_reaping(self) -> None:
        """Leave other workers alone for the time of a lease, in which they can renew theirs."""
        self.housekeeping.postpone_reaping()
