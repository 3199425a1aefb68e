"""The devices of this host, and the slots that they are divided into.

A running job holds a slot, or, where its batches are shared by several devices, a group of them.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pynvml

from core.jobs.capacity import EVERY_PRECISION, Capacity
from core.protocol.orders import DeviceKind

BF16_SINCE = 8
"""Major compute capability."""


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or the host's CPU."""

    kind: DeviceKind
    name: str
    uuid: str | None = None
    memory_bytes: int | None = None
    precisions: tuple[str, ...] = EVERY_PRECISION
    """What it computes in."""

    def facts(self) -> dict[str, Any]:
        """The device as the workers' table keeps it."""
        told = {"kind": self.kind, "name": self.name, "memory_bytes": self.memory_bytes}
        return told | ({"precisions": list(self.precisions)} if self.kind == "cuda" else {})


@dataclass(frozen=True, slots=True)
class Slot:
    """Capacity for one job: a device, and a share of the host's cores."""

    number: int
    device: Device
    threads: int

    def environment(self) -> dict[str, str]:
        """What a trainer's environment must say for it to see its own device only."""
        return {"CUDA_VISIBLE_DEVICES": self.device.uuid or ""}

    def device_for(self, wanted: str) -> DeviceKind:
        """The device that a spec's `device` means here."""
        return "cpu" if wanted == "cpu" else self.device.kind


def capacity(slots: Sequence[Slot]) -> Capacity:
    """What one run can have of some slots, by the one rule of what fits where."""
    devices = dict.fromkeys(slot.device for slot in slots)
    threads = min((slot.threads for slot in slots), default=1)
    return Capacity.of([device.facts() for device in devices], len(slots), threads)


def choose(slots: Sequence[Slot], device: str, count: int) -> list[Slot] | None:
    """Of some slots, `count` that a run on `device` (as its spec has it) can have together.

    Returns:
        None where they do not suffice.
    """
    fitting = list(slots) if device == "cpu" else _apart(slots)
    return fitting[:count] if len(fitting) >= count else None


def _apart(slots: Sequence[Slot]) -> list[Slot]:
    """One slot of each GPU, that with the most of them first, and every slot of a CPU."""
    of_each = Counter(slot.device for slot in slots)
    first = {slot.device if slot.device.kind == "cuda" else slot: slot for slot in reversed(slots)}
    return sorted(first.values(), key=lambda slot: (-of_each[slot.device], slot.number))


class Slots:
    """The free slots of a worker."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.all = tuple(slots)
        self._free = list(slots)
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

    def exchange(self, held: Sequence[Slot], device: str, count: int) -> list[Slot]:
        """Free the slots that the caller holds, and take `count` for a run on `device`, or none.

        It is one step, and nobody waits while holding one: of threads that hold a slot each and
        look for two, the last to come gets them.
        """
        with self._changed:
            self._give_back(held)
            taken = choose(self._free, device, count) or []
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
        self._free.sort(key=lambda free: free.number)
        self._changed.notify_all()


def find_devices() -> list[Device]:
    """The host's GPUs by the NVIDIA driver's word, or its CPU where there are none."""
    return _gpus() or [Device("cpu", f"CPU, {usable_cores()} cores")]


def divide(devices: Sequence[Device], count: int | None) -> list[Slot]:
    """Spread `count` slots over the devices in turn (None: one a device)."""
    count = count or len(devices)
    threads = max(1, usable_cores() // count)
    return [Slot(number, devices[number % len(devices)], threads) for number in range(count)]


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus() -> list[Device]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        return [
            Device(
                "cuda",
                str(pynvml.nvmlDeviceGetName(handle)),
                str(pynvml.nvmlDeviceGetUUID(handle)),
                int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
                _precisions(handle),
            )
            for handle in handles
        ]
    finally:
        pynvml.nvmlShutdown()


def _precisions(handle: Any) -> tuple[str, ...]:
    """What a GPU computes in: bf16 needs compute capability 8.0, as torch asks for it."""
    major, _minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return EVERY_PRECISION if major >= BF16_SINCE else ("fp32", "fp16")
