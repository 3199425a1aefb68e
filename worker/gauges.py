"""How busy this host and its devices are, for the page of the workers, and which datasets it has.

They are read in a thread of their own: a driver or a file system that hangs must delay no
heartbeat, which takes what was read last. What a driver does not tell is left out, and what is old
is told to nobody.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pynvml

from core import logs
from core.datasets.builtin import present
from worker.devices import Device
from worker.slots import Slots

EVERY_S = 4.0
OLD_AFTER_S = 20.0

Values = Mapping[str, Any]

log = logs.get_logger(__name__)


class Gauges:
    """The gauges of one worker's host and devices."""

    def __init__(self, devices: Sequence[Device], slots: Slots, data_folder: Path) -> None:
        self._devices = devices
        self._data_folder = data_folder
        self._slots = slots
        self._latest: tuple[float, Values] = (-math.inf, {})
        self._stop = threading.Event()
        self._has_driver: bool | None = None
        self._is_blind = False
        self._thread = threading.Thread(target=self._run, name="gauges", daemon=True)

    def start(self) -> None:
        """Begin to read, again and again."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more. Nobody waits for a driver that hangs."""
        self._stop.set()

    def latest(self) -> Values:
        """What was read last, with the runs of each device as they are now; empty where it is old.

        Returns:
            `host`: `cpu` (a fraction of all its cores), `load` (processes that want a core, over a
            minute), `cores`, `memory_used_bytes` and `memory_bytes`; `devices`, in the order in
            which they are registered: `runs`, ids of jobs, and of a GPU, as far as its driver tells
            them, `utilization` (a fraction), `memory_used_bytes`, `memory_bytes`, `power_w` and
            `temperature_c`; `datasets`, the names of those in the data folder.
        """
        read = self._read_lately()
        if not read:
            return {}
        runs = self._slots.runs()
        devices = zip(self._devices, read["devices"], strict=True)
        return {
            "host": read["host"],
            "devices": [each | {"runs": runs.get(device, [])} for device, each in devices],
            "datasets": read["datasets"],
        }

    def of(self, device: Device) -> Values:
        """What was read last of a device of this worker; empty where it is old."""
        read = self._read_lately()
        return read["devices"][self._devices.index(device)] if read else {}

    def _read_lately(self) -> Values:
        at, values = self._latest
        return values if time.monotonic() - at <= OLD_AFTER_S else {}

    def read(self) -> None:
        """Read all gauges once."""
        found = {
            "host": _of_host(),
            "devices": [self._of_device(each) for each in self._devices],
            "datasets": present(self._data_folder),
        }
        self._latest = time.monotonic(), found

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.read()
            except Exception:  # nothing depends on it
                if not self._is_blind:
                    log.exception("gauges_not_read")
                self._is_blind = True
            self._stop.wait(EVERY_S)

    def _of_device(self, device: Device) -> dict[str, Any]:
        if device.kind != "cuda" or not self._open_driver():
            return {}
        with contextlib.suppress(pynvml.NVMLError):
            return _of_gpu(_handle(device))
        return {}

    def _open_driver(self) -> bool:
        """Whether the driver can be asked; it stays open for as long as this process lives."""
        if self._has_driver is None:
            try:
                pynvml.nvmlInit()
                self._has_driver = True
            except pynvml.NVMLError:
                self._has_driver = False
        return self._has_driver


def _of_host() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {
        "cpu": psutil.cpu_percent(None) / 100.0,  # since it was read the last time
        "load": psutil.getloadavg()[0],
        "cores": psutil.cpu_count() or 1,
        "memory_used_bytes": memory.total - memory.available,
        "memory_bytes": memory.total,
    }


def _handle(device: Device) -> Any:
    named = device.uuid or ""
    if named.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(named))
    return pynvml.nvmlDeviceGetHandleByUUID(named)


def _of_gpu(handle: Any) -> dict[str, Any]:
    """What the driver tells of a GPU; each fact by itself, because some GPUs lack one."""
    facts: dict[str, Callable[[], Any]] = {
        "utilization": lambda: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100.0,
        "memory_used_bytes": lambda: int(pynvml.nvmlDeviceGetMemoryInfo(handle).used),
        "memory_bytes": lambda: int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        "power_w": lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000.0,
        "temperature_c": lambda: pynvml.nvmlDeviceGetTemperature(
            handle, pynvml.NVML_TEMPERATURE_GPU
        ),
    }
    found: dict[str, Any] = {}
    for name, read in facts.items():
        with contextlib.suppress(pynvml.NVMLError):
            found[name] = read()
    return found
