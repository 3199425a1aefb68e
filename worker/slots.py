"""The slots that a worker's devices are divided into, and which of them are free.

A running job holds a slot, or a group of them where its batches are shared by several devices.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.jobs.capacity import Capacity, Requirements
from core.protocol.orders import DeviceKind
from worker.cores import usable_cores
from worker.devices import Device


@dataclass(frozen=True, slots=True)
class Slot:
    """Room for one job: a device, and a share of the host's cores."""

    number: int
    device: Device
    threads: int

    def environment(self) -> dict[str, str]:
        """The variables by which a trainer sees its own device only."""
        return {"CUDA_VISIBLE_DEVICES": self.device.uuid or ""}

    def device_for(self, wanted: str) -> DeviceKind:
        """The device that a spec's `device` means here."""
        return "cpu" if wanted == "cpu" else self.device.kind


def divide(devices: Sequence[Device], count: int | None) -> list[Slot]:
    """Spread `count` slots over the devices in turn (None: one a device)."""
    count = count or len(devices)
    threads = max(1, usable_cores() // count)
    return [Slot(number, devices[number % len(devices)], threads) for number in range(count)]


def capacity(slots: Sequence[Slot]) -> Capacity:
    """The capacity of some slots for one run, by the one rule of what fits where."""
    devices = dict.fromkeys(slot.device for slot in slots)
    threads = min((slot.threads for slot in slots), default=1)
    return Capacity.of([device.facts() for device in devices], len(slots), threads)


def choose(slots: Sequence[Slot], needs: Requirements) -> list[Slot] | None:
    """Choose, of some slots, as many as a run needs and can have together.

    Returns:
        None where they do not suffice.
    """
    if needs.device == "cpu":
        fitting = list(slots)
    else:
        able = [slot for slot in slots if needs.precision in (None, *slot.device.precisions)]
        fitting = _on_separate_devices(able)
    return fitting[: needs.devices] if len(fitting) >= needs.devices else None


def _on_separate_devices(slots: Sequence[Slot]) -> list[Slot]:
    """One slot of each GPU, that with the most of them first, and every slot of a CPU."""
    of_each = Counter(slot.device for slot in slots)
    first = {slot.device if slot.device.kind == "cuda" else slot: slot for slot in reversed(slots)}
    return sorted(first.values(), key=lambda slot: (-of_each[slot.device], slot.number))


class Slots:
    """The free slots of a worker."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.all = tuple(slots)
        self._free = list(slots)
        self._runs: dict[Slot, int] = {}
        self._changed = threading.Condition()

    def take(self, wanted: Callable[[Slot], bool] = lambda _slot: True) -> Slot | None:
        """A free slot (of those that are `wanted`), or None at once where there is none."""
        with self._changed:
            for slot in self._free:
                if wanted(slot):
                    self._free.remove(slot)
                    return slot
            return None

    def give_back(self, *slots: Slot) -> None:
        """Free some slots."""
        with self._changed:
            self._give_back(slots)

    def note(self, slots: Sequence[Slot], job_id: int) -> None:
        """Remember which job some slots are taken for, until they are given back."""
        with self._changed:
            self._runs |= dict.fromkeys(slots, job_id)

    def runs(self) -> dict[Device, list[int]]:
        """The jobs that run on each device, by their ids."""
        found: dict[Device, list[int]] = {}
        with self._changed:
            for slot, job_id in self._runs.items():
                of_device = found.setdefault(slot.device, [])
                if job_id not in of_device:
                    of_device.append(job_id)
        return found

    def exchange(self, held: Sequence[Slot], needs: Requirements) -> list[Slot]:
        """Free the slots that the caller holds, and take those that a run needs, or none.

        It is one step, and nobody waits while holding one: of threads that hold a slot each and
        look for two, the last to come gets them.
        """
        with self._changed:
            self._give_back(held)
            taken = choose(self._free, needs) or []
            for slot in taken:
                self._free.remove(slot)
            return taken

    def has_free(self) -> bool:
        """Whether a slot is free."""
        with self._changed:
            return bool(self._free)

    def wait_until_all_free(self, timeout: float) -> bool:
        """Wait until no job runs; False where one still does after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._free) == len(self.all), timeout)

    def _give_back(self, slots: Sequence[Slot]) -> None:
        self._free.extend(slots)
        for slot in slots:
            self._runs.pop(slot, None)
        self._free.sort(key=lambda free: free.number)
        self._changed.notify_all()
