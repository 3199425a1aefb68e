"""The devices of this host: its GPUs, or its CPU where it has none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pynvml

from core.jobs.capacity import EVERY_PRECISION
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
    """The precisions that it computes in."""

    def facts(self) -> dict[str, Any]:
        """The device as the workers' table keeps it."""
        facts = {"kind": self.kind, "name": self.name, "memory_bytes": self.memory_bytes}
        return facts | ({"precisions": list(self.precisions)} if self.kind == "cuda" else {})


def find_devices() -> list[Device]:
    """The host's GPUs as the NVIDIA driver lists them, or its CPU where there are none."""
    return _gpus() or [Device("cpu", f"CPU, {usable_cores()} cores")]


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
    """The precisions of a GPU: bf16 needs compute capability 8.0, as torch asks for it."""
    major, _minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return EVERY_PRECISION if major >= BF16_SINCE else ("fp32", "fp16")
