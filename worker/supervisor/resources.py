"""What a run takes of its GPUs and of its host, read beside its metric samples.

It travels with a sample that is there anyway, so it costs no write and no waking up of its
own; and it is made here, not in the trainer, so that no step waits for it. They are further apart
the longer an attempt lasts: some thousand cover weeks.

The GPUs are read in a thread of their own, ahead of the sample that takes the values: a driver may
hang, and the thread that asks for a sample renews the lease.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import psutil
import pynvml

from core import logs
from core.protocol.reports import ResourceSample, StepMetrics, StepMetricsBatch
from worker.devices import Device
from worker.supervisor import background

FIRST_EVERY_S = 2.0
BEFORE_DOUBLING = 300
"""Samples after which they are twice as far apart."""
_MILLIWATTS = 1000.0

log = logs.get_logger(__name__)


class ResourceSampler:
    """Samples what one attempt takes."""

    def __init__(
        self, devices: Sequence[Device], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take note of the devices that the run was given.

        Args:
            devices: of its slots; those that are no GPUs are not read.
            clock: seconds, for how far apart they are.
        """
        self._uuids = [each.uuid for each in devices if each.kind == "cuda" and each.uuid]
        self._clock = clock
        self._due = 0.0
        self._every_s = FIRST_EVERY_S
        self._count = 0
        self._gradient_norm: float | None = None
        self._processes: list[psutil.Process] = []
        self._gpus: list[Any] | None = None
        self._reading: Future[dict[str, Any]] | None = None
        self._busy_at = 0.0, 0.0

    def begin(self, process_ids: Sequence[int]) -> None:
        """Begin with an attempt's processes; the first sample is some seconds later."""
        self._processes = [each for each in map(_process, process_ids) if each is not None]
        self._gpus = None
        self._read_ahead()
        self._due = self._clock() + self._every_s
        self._busy_at = self._clock(), self._busy_s() or 0.0

    def beside(self, report: StepMetrics | StepMetricsBatch) -> ResourceSample | None:
        """What goes with a metric sample; None where none is due."""
        sample = report.last if isinstance(report, StepMetricsBatch) else report
        if sample.gradient_norm is not None:
            self._gradient_norm = sample.gradient_norm
        if self._clock() < self._due:
            return None
        self._count += 1
        if self._count % BEFORE_DOUBLING == 0:
            self._every_s *= 2
        self._due = self._clock() + self._every_s
        norm, self._gradient_norm = self._gradient_norm, None
        return ResourceSample(
            step=sample.step,
            gradient_norm=norm,
            cpu_cores=self._cores(),
            memory_bytes=_sum(_each(self._processes, lambda process: process.memory_info().rss)),
            **self._read_before(),
        )

    def _read_before(self) -> dict[str, Any]:
        """What the GPUs said since the last sample; nothing while the driver has not answered."""
        if self._reading is None or not self._reading.done():
            return {}
        values = self._reading.result()
        self._read_ahead()
        return values

    def _read_ahead(self) -> None:
        if self._uuids:
            self._reading = background.begin(self._of_gpus, "gpus")

    def _cores(self) -> float | None:
        """How many cores the processes kept busy since the last time."""
        now, busy = self._clock(), self._busy_s()
        before, busy_before = self._busy_at
        if busy is None or now <= before:
            return None
        self._busy_at = now, busy
        return max(0.0, busy - busy_before) / (now - before)

    def _busy_s(self) -> float | None:
        """The seconds of all cores that the processes have had."""
        busy: float | None = _sum(
            _each(self._processes, lambda process: sum(process.cpu_times()[:2]))
        )
        return busy

    def _of_gpus(self) -> dict[str, Any]:
        if self._gpus is None:
            self._gpus = _handles(self._uuids)
        utilization = _each(self._gpus, lambda gpu: pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu)
        memory = _each(self._gpus, lambda gpu: int(pynvml.nvmlDeviceGetMemoryInfo(gpu).used))
        milliwatts = _each(self._gpus, pynvml.nvmlDeviceGetPowerUsage)
        celsius = _each(self._gpus, _temperature)
        percent, power = _sum(utilization), _sum(milliwatts)
        return {
            "gpu_utilization": None if percent is None else percent / len(utilization) / 100,
            "gpu_memory_bytes": _sum(memory),
            "gpu_power_w": None if power is None else power / _MILLIWATTS,
            "gpu_temperature_c": None if None in celsius else max(celsius, default=None),
        }


def _temperature(gpu: Any) -> float:
    return float(pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU))


def _process(process_id: int) -> psutil.Process | None:
    try:
        return psutil.Process(process_id)
    except psutil.Error:
        return None


def _handles(uuids: Sequence[str]) -> list[Any]:
    """What NVML knows the GPUs by; none where one of them is not to be had.

    NVML counts how often it is begun, and is left so: the worker reads until its end.
    """
    if not uuids:
        return []
    try:
        pynvml.nvmlInit()
        return [_handle(uuid) for uuid in uuids]
    except pynvml.NVMLError as error:
        log.warning("gpus_not_read", reason=str(error))
        return []


def _handle(uuid: str) -> Any:
    """Of a GPU whose UUID cannot be read its number stands there."""
    if uuid.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(uuid))
    return pynvml.nvmlDeviceGetHandleByUUID(uuid)


def _each(things: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    """A counter of each process or GPU; None where it is not told."""
    return [_asked(read, thing) for thing in things]


def _asked(read: Callable[[Any], Any], thing: Any) -> Any:
    try:
        return read(thing)
    except (pynvml.NVMLError, psutil.Error):
        return None


def _sum(values: Sequence[Any]) -> Any:
    """The sum of what was read; None where something was not, or nothing is read at all."""
    return None if not values or None in values else sum(values)
