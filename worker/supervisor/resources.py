"""What a run takes of its GPUs and of its host, read beside its metric samples.

It travels with a sample that is there anyway, so it costs no write and no waking up of its
own; and it is made here, not in the trainer, so that no step waits for it. They are further apart
the longer an attempt lasts: some thousand cover weeks.

The GPUs are read by the worker's gauges, in a thread of their own: a driver may hang, and the
thread that asks for a sample renews the lease.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from core.protocol.reports import ResourceSample, StepMetrics, StepMetricsBatch
from worker.devices import Device

FIRST_EVERY_S = 2.0
BEFORE_DOUBLING = 300
"""Samples after which they are twice as far apart."""


class ResourceSampler:
    """Samples what one attempt takes."""

    def __init__(
        self,
        devices: Sequence[Device],
        read: Callable[[Device], Mapping[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take note of the devices that the run was given.

        Args:
            devices: of its slots; those that are no GPUs are not read.
            read: what was read last of one, as `worker.gauges` names it.
            clock: seconds, for how far apart they are.
        """
        self._gpus = [each for each in devices if each.kind == "cuda"]
        self._read = read
        self._clock = clock
        self._due = 0.0
        self._every_s = FIRST_EVERY_S
        self._count = 0
        self._gradient_norm: float | None = None
        self._processes: list[psutil.Process] = []
        self._busy_at = 0.0, 0.0

    def begin(self, process_ids: Sequence[int]) -> None:
        """Begin with an attempt's processes; the first sample is some seconds later."""
        self._processes = [each for each in map(_process, process_ids) if each is not None]
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
            **self._of_gpus(),
        )

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
        latest = [self._read(each) for each in self._gpus]

        def each(name: str) -> list[Any]:
            return [of_gpu.get(name) for of_gpu in latest]

        busy, celsius = _sum(each("utilization")), each("temperature_c")
        return {
            "gpu_utilization": None if busy is None else busy / len(latest),
            "gpu_memory_bytes": _sum(each("memory_used_bytes")),
            "gpu_power_w": _sum(each("power_w")),
            "gpu_temperature_c": None if None in celsius else max(celsius, default=None),
        }


def _process(process_id: int) -> psutil.Process | None:
    try:
        return psutil.Process(process_id)
    except psutil.Error:
        return None


def _each(things: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    """A counter of each process; None where it is not told."""
    return [_asked(read, thing) for thing in things]


def _asked(read: Callable[[Any], Any], thing: Any) -> Any:
    try:
        return read(thing)
    except psutil.Error:
        return None


def _sum(values: Sequence[Any]) -> Any:
    """The sum of what was read; None where something was not, or nothing is read at all."""
    return None if not values or None in values else sum(values)
