"""What a worker does when it is rung for: claim, run, and look again until nothing is left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from celery import Celery
from kombu.asynchronous import get_event_loop

from core.errors import DatabaseUnavailable
from core.jobs import claim
from core.jobs.lease import Lease
from core.messaging.notify import TASK
from worker.context import Yard
from worker.devices import Slot, capacity, choose
from worker.processes.group import gather
from worker.processes.trainer import Trainer
from worker.supervisor.supervisor import Supervisor

log = logging.getLogger(__name__)

ASK_AGAIN_AFTER_S = 0.05
"""Until then Celery has noted that a task is over."""


def register(app: Celery, yard: Yard) -> None:
    """Answer the notifier."""

    def look() -> None:
        try:
            run_next(yard, is_notified=True)
        finally:
            _hear_again()

    app.task(name=TASK, ignore_result=True)(look)


def _hear_again() -> None:
    """Have Celery ask Redis for rings again, as soon as this task is over.

    While a worker is busy it asks for none, and that it is free again its loop would see only when
    it wakes the next time: up to a second in which a ring waits.
    """
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(  # type: ignore[no-untyped-call]
            loop.call_later, ASK_AGAIN_AFTER_S, lambda: None
        )


def run_next(yard: Yard, *, is_notified: bool = False) -> None:
    """Run jobs in a free slot until there is none to run. Returns at once where no slot is free.

    Where nobody rang, there may be more jobs than this one: whoever has claimed a job then lets
    another thread look for the slots that are still free.
    """
    slot = yard.slots.take()
    if slot is None:
        return  # whoever holds a slot looks again when its job ends
    hand = _Hand(yard, slot, looks_on=not is_notified)
    try:
        while hand.run_one():
            pass
    except DatabaseUnavailable as error:
        log.warning("no job can be claimed: %s", error)
    finally:
        hand.let_go()


class _Hand:
    """The slots that one thread holds: one, or as many as the job needs that comes next."""

    def __init__(self, yard: Yard, slot: Slot, *, looks_on: bool) -> None:
        self._yard = yard
        self._slots = [slot]
        self._looks_on = looks_on

    def let_go(self) -> None:
        """Free the slots."""
        self._yard.slots.give_back(*self._slots)
        self._slots = []

    def run_one(self) -> bool:
        """Claim and run one job; False where there is none for these slots, nor for more of them.

        Without a trainer for each slot nothing is claimed: another worker may have one.
        """
        yard = self._yard
        trainers = self._take_trainers()
        if not trainers:
            return False
        try:
            held = capacity(self._slots)
            lease = claim.claim(yard.database, yard.claimant, yard.settings.lease_seconds, held)
        except BaseException:
            self._put_back(trainers)
            raise
        if lease is None:
            self._put_back(trainers)
            return self._take_what_is_wanted()
        log.info("job %s: attempt %s starts", lease.job_id, lease.attempt)
        chosen = self._keep(lease, trainers)
        self._look_on()
        group = gather([trainers[slot] for slot in chosen])
        Supervisor(yard, lease, chosen, group).run()
        return True

    def _take_trainers(self) -> dict[Slot, Trainer]:
        """A trainer for each slot, or none at all."""
        taken: dict[Slot, Trainer] = {}
        if self._yard.draining.is_set():
            return taken
        for slot in self._slots:
            trainer = self._yard.spares.take(slot)
            if trainer is None:
                self._put_back(taken)
                return {}
            taken[slot] = trainer
        return taken

    def _put_back(self, trainers: dict[Slot, Trainer]) -> None:
        for slot, trainer in trainers.items():
            self._yard.spares.put_back(slot, trainer)

    def _take_what_is_wanted(self) -> bool:
        """Hold what the best job needs; False where that is no more than was held, or not free.

        A job that does not get its slots now is looked for when the next of them is given back.
        """
        yard, held = self._yard, capacity(self._slots)
        if held == yard.claimant.max_capacity:
            return False
        wanted = claim.next_requirements(yard.database, yard.claimant)
        if wanted is None or held.fits(wanted):
            return False
        self._slots = yard.slots.exchange(self._slots, wanted.device, wanted.devices)
        return bool(self._slots)

    def _keep(self, lease: Lease, trainers: dict[Slot, Trainer]) -> Sequence[Slot]:
        """Free the slots that a job does not need after all, and say which it runs in."""
        chosen = choose(self._slots, lease.device, lease.devices)
        assert chosen is not None, "the claim looks at what is held"
        spare = [slot for slot in self._slots if slot not in chosen]
        self._put_back({slot: trainers[slot] for slot in spare})
        self._slots = chosen
        self._yard.slots.give_back(*spare)
        # jobs behind a large one were rung for when they could not be claimed
        self._looks_on = self._looks_on or len(chosen) > 1 or bool(spare)
        return chosen

    def _look_on(self) -> None:
        """Let another thread look for what is still free, once."""
        if self._looks_on and self._yard.slots.has_free():
            look = threading.Thread(target=run_next, args=(self._yard,), name="look", daemon=True)
            look.start()
        self._looks_on = False
