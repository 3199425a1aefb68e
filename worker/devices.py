"""The devices of this host, and the slots that they are divided into: one running job a slot."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pynvml

from worker.training.order import DeviceKind


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or the host's CPU."""

    kind: DeviceKind
    name: str
    uuid: str | None = None
    memory_bytes: int | None = None

    def facts(self) -> dict[str, Any]:
        """The device as the workers' table keeps it."""
        return {"kind": self.kind, "name": self.name, "memory_bytes": self.memory_bytes}


@dataclass(frozen=True, slots=True)
class Slot:
    """Room for one job: a device, and a share of the host's cores."""

    number: int
    device: Device
    threads: int

    def environment(self) -> dict[str, str]:
        """What a trainer's environment must say for it to see its own device only."""
        return {"CUDA_VISIBLE_DEVICES": self.device.uuid or ""}

    def device_for(self, wanted: str) -> DeviceKind:
        """The device that a spec's `device` means here."""
        return "cpu" if wanted == "cpu" else self.device.kind


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

    def give_back(self, slot: Slot) -> None:
        """Free a slot."""
        with self._changed:
            self._free.append(slot)
            self._free.sort(key=lambda free: free.number)
            self._changed.notify_all()

    def has_free(self) -> bool:
        """Whether a slot is free."""
        with self._changed:
            return bool(self._free)

    def wait_until_all_free(self, timeout: float) -> bool:
        """Wait until no job runs; False where one still does after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._free) == len(self.all), timeout)


def find_devices() -> list[Device]:
    """The host's GPUs by the NVIDIA driver's word, or its CPU where there are none."""
    return _gpus() or [Device("cpu", f"CPU, {usable_cores()} cores")]


def divide(devices: Sequence[Device], count: int | None) -> list[Slot]:
    """Spread `count` slots over the devices in turn (None: one a device)."""
    count = count or len(devices)
    threads = max(1, usable_cores() // count)
    return [Slot(number, devices[number % len(devices)], threads) for number in range(count)]


def accepted(devices: Sequence[Device]) -> list[str]:
    """The values of a spec's `device` that these devices can serve."""
    return ["auto", "cpu"] + (["cuda"] if any(device.kind == "cuda" for device in devices) else [])


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
            )
            for handle in handles
        ]
    finally:
        pynvml.nvmlShutdown()
