"""Claiming jobs for free slots and running them, until there is none to run."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from core import logs
from core.errors import DatabaseUnavailable
from core.jobs import claim
from core.jobs.lease import Lease
from core.protocol.clock import elapsed
from worker.context import WorkerContext
from worker.processes.group import gather
from worker.processes.trainer import Trainer
from worker.slots import Slot, capacity, choose
from worker.supervisor.supervisor import Supervisor

log = logs.get_logger(__name__)


def run_next(context: WorkerContext, *, is_notified: bool = False) -> None:
    """Run jobs in a free slot until there is none to run. Returns at once where no slot is free.

    A notification is for one job. Without one there may be more jobs than this: whoever has claimed
    a job then lets another thread look for the slots that are still free.
    """
    slot = context.slots.take()
    if slot is None:
        return  # whoever holds a slot claims again when its job ends
    holder = _SlotHolder(context, slot, wants_others=not is_notified)
    try:
        while holder.run_one():
            pass
    except DatabaseUnavailable as error:
        log.warning("claim_failed", reason=str(error))
    finally:
        holder.release()


class _SlotHolder:
    """The slots that one thread holds: one, or as many as the job needs that comes next."""

    def __init__(self, context: WorkerContext, slot: Slot, *, wants_others: bool) -> None:
        self._context = context
        self._slots = [slot]
        self._wants_others = wants_others
        """Whether another thread is to look for the slots that are still free."""

    def release(self) -> None:
        """Free the slots."""
        self._context.slots.give_back(*self._slots)
        self._slots = []

    def run_one(self) -> bool:
        """Claim and run one job; False where there is none for these slots, nor for more of them.

        Without a trainer for each slot nothing is claimed: another worker may have one.
        """
        context = self._context
        trainers = self._take_trainers()
        if not trainers:
            return False
        try:
            held = capacity(self._slots)
            claimed_at = elapsed()
            lease = claim.claim(
                context.database, context.claimant, context.settings.lease_seconds, held
            )
        except BaseException:  # it is raised again
            self._put_back(trainers)
            raise
        if lease is None:
            self._put_back(trainers)
            return self._exchange_for_requirements()
        log.info("job_claimed", job_id=lease.job_id, attempt=lease.attempt)
        chosen = self._keep(lease, trainers)
        self._fill_others()
        group = gather([trainers[slot] for slot in chosen])
        Supervisor(context, lease, chosen, group, claimed_at).run()
        return True

    def _take_trainers(self) -> dict[Slot, Trainer]:
        """A trainer for each slot, or none at all."""
        taken: dict[Slot, Trainer] = {}
        if self._context.draining.is_set():
            return taken
        for slot in self._slots:
            trainer = self._context.spares.take(slot)
            if trainer is None:
                self._put_back(taken)
                return {}
            taken[slot] = trainer
        return taken

    def _put_back(self, trainers: dict[Slot, Trainer]) -> None:
        for slot, trainer in trainers.items():
            self._context.spares.put_back(slot, trainer)

    def _exchange_for_requirements(self) -> bool:
        """Hold what the best job needs; False where that is no more than was held, or not free.

        A job that does not get its slots now gets another chance when the next is given back.
        """
        context, held = self._context, capacity(self._slots)
        if held == context.claimant.max_capacity:
            return False
        needs = claim.next_requirements(context.database, context.claimant)
        if needs is None or held.fits(needs):
            return False
        self._slots = context.slots.exchange(self._slots, needs)
        return bool(self._slots)

    def _keep(self, lease: Lease, trainers: dict[Slot, Trainer]) -> Sequence[Slot]:
        """Free the slots that a job does not need after all.

        Returns:
            Those that it runs in.
        """
        chosen = choose(self._slots, lease.needs)
        assert chosen is not None, "the claim looks at what is held"
        spare = [slot for slot in self._slots if slot not in chosen]
        self._put_back({slot: trainers[slot] for slot in spare})
        self._slots = chosen
        self._context.slots.give_back(*spare)
        self._context.slots.note(chosen, lease.job_id)
        # jobs behind a large one were notified of when they could not be claimed
        self._wants_others = self._wants_others or len(chosen) > 1 or bool(spare)
        return chosen

    def _fill_others(self) -> None:
        """Let another thread run jobs in the slots that are still free, once."""
        if self._wants_others and self._context.slots.has_free():
            run = threading.Thread(target=run_next, args=(self._context,), name="run", daemon=True)
            run.start()
        self._wants_others = False
