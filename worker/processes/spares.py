"""Warm trainers: one for each free slot, so that no run waits for torch.

A slot's spare belongs to whoever holds the slot; while the slot is free, nobody touches it.
"""

from __future__ import annotations

import threading

from core import logs
from worker.processes.trainer import Trainer
from worker.processes.zygote import Zygote, ZygoteGone
from worker.slots import Slot, Slots

log = logs.get_logger(__name__)


class Spares:
    """The spares of a worker."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._lock = threading.Lock()
        self._by_slot: dict[int, Trainer] = {}

    def take(self, slot: Slot) -> Trainer | None:
        """The spare of a slot that the caller holds, or a new one, which warms up meanwhile.

        Returns:
            None where there is none and none can be made now: no job should be claimed.
        """
        with self._lock:
            spare = self._by_slot.pop(slot.number, None)
        if spare is not None:
            if spare.is_alive:
                return spare
            spare.close()
        try:
            return self._zygote.fork(slot)
        except ZygoteGone as error:
            log.warning("trainer_unavailable", slot=slot.number, reason=str(error))
            return None

    def put_back(self, slot: Slot, spare: Trainer) -> None:
        """Keep a spare that was not needed, before the slot is given back."""
        with self._lock:
            self._by_slot[slot.number] = spare

    def fork(self, slot: Slot) -> Trainer:
        """A new trainer for something other than a job, beside the spares.

        Raises:
            ZygoteGone: none can be made now.
        """
        return self._zygote.fork(slot)

    def tend(self, slots: Slots) -> None:
        """Revive a dead zygote, and make the spares that free slots lack."""
        self._zygote.revive()
        if not self._zygote.is_ready:
            return
        for _ in slots.all:
            slot = slots.take(self._is_missing)
            if slot is None:
                return
            try:
                spare = self.take(slot)
                if spare is None:
                    return  # the zygote is starting
                self.put_back(slot, spare)
            finally:
                slots.give_back(slot)

    def end(self) -> None:
        """End every spare."""
        with self._lock:
            spares, self._by_slot = list(self._by_slot.values()), {}
        for spare in spares:
            spare.close()

    def close(self) -> None:
        """End every spare, and the zygote."""
        self.end()
        self._zygote.stop()

    def _is_missing(self, slot: Slot) -> bool:
        with self._lock:
            spare = self._by_slot.get(slot.number)
        return spare is None or not spare.is_alive
