"""The devices of this host: its GPUs, or its CPU where it has none.

A GPU of which something cannot be read is a GPU all the same: what runs on it finds out what it can
do. `CUDA_VISIBLE_DEVICES` says which of them this worker may use, as it does for any program.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pynvml

from core import logs
from core.jobs.capacity import EVERY_PRECISION
from core.protocol.orders import DeviceKind
from worker.cores import usable_cores

BF16_SINCE = 8
"""Major compute capability."""

VISIBLE = "CUDA_VISIBLE_DEVICES"

Fact = TypeVar("Fact")

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or the host's CPU."""

    kind: DeviceKind
    name: str
    uuid: str | None = None
    """By which CUDA finds a GPU: its UUID, or its number where that cannot be read."""
    memory_bytes: int | None = None
    precisions: tuple[str, ...] = EVERY_PRECISION
    """The precisions that it computes in."""

    def facts(self) -> dict[str, Any]:
        """The device as the workers' table keeps it."""
        facts = {"kind": self.kind, "name": self.name, "memory_bytes": self.memory_bytes}
        return facts | ({"precisions": list(self.precisions)} if self.kind == "cuda" else {})


def find_devices() -> list[Device]:
    """The host's GPUs that this worker may use, or its CPU where there are none."""
    cores = usable_cores()
    return _gpus() or [Device("cpu", f"CPU, {cores} core{'' if cores == 1 else 's'}")]


def driver_version() -> str | None:
    """The version of the NVIDIA driver, or None where there is none, or it does not tell."""
    try:
        pynvml.nvmlInit()
        try:
            return str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None


def _gpus() -> list[Device]:
    """The GPUs as the NVIDIA driver lists them, in the order of `CUDA_VISIBLE_DEVICES`."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        found = dict(_all_gpus())
        chosen = os.environ.get(VISIBLE)
        return list(found.values()) if chosen is None else list(_chosen(chosen, found))
    except pynvml.NVMLError as error:
        log.warning("gpus_not_listed", reason=str(error))
        return []
    finally:
        pynvml.nvmlShutdown()


def _all_gpus() -> Iterator[tuple[int, Device]]:
    """Every GPU by its number. One that is lost has no handle, and is left out."""
    for number in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
        except pynvml.NVMLError as error:
            log.warning("gpu_left_out", number=number, reason=str(error))
        else:
            yield number, _device(handle, str(number))


def _chosen(variable: str, found: dict[int, Device]) -> Iterator[Device]:
    """Those that the variable names, each once: by number, or by UUID or the beginning of it.

    As in CUDA, the first entry that names none ends the list; so does -1.
    """
    taken = set()
    for entry in (each.strip() for each in variable.split(",")):
        device = _named(entry, found)
        if device is None:
            if entry not in ("", "-1"):
                log.warning("visible_device_unknown", variable=VISIBLE, entry=entry)
            return
        if device.uuid not in taken:
            taken.add(device.uuid)
            yield device


def _named(entry: str, found: dict[int, Device]) -> Device | None:
    if entry.isdecimal():
        return found.get(int(entry))
    if entry.startswith("MIG-"):  # a part of a GPU, which is not counted as one
        return _part(entry)
    matching = [each for each in found.values() if entry and (each.uuid or "").startswith(entry)]
    return matching[0] if len(matching) == 1 else None


def _part(uuid: str) -> Device | None:
    try:
        return _device(pynvml.nvmlDeviceGetHandleByUUID(uuid), uuid)
    except pynvml.NVMLError:
        return None


def _device(handle: Any, named: str) -> Device:
    """A GPU as far as its facts can be read.

    Args:
        handle: of NVML.
        named: what CUDA finds it by, where it does not tell its UUID.
    """
    return Device(
        "cuda",
        _fact(lambda: str(pynvml.nvmlDeviceGetName(handle)), f"GPU {named}"),
        _fact(lambda: str(pynvml.nvmlDeviceGetUUID(handle)), named),
        _fact(lambda: int(pynvml.nvmlDeviceGetMemoryInfo(handle).total), None),
        _fact(lambda: _precisions(handle), EVERY_PRECISION),
    )


def _fact(read: Callable[[], Fact], otherwise: Fact) -> Fact:
    """A fact of a GPU, or another value where the driver does not tell it."""
    try:
        return read()
    except pynvml.NVMLError as error:
        log.warning("gpu_fact_unknown", reason=str(error))
        return otherwise


def _precisions(handle: Any) -> tuple[str, ...]:
    """The precisions of a GPU: bf16 needs compute capability 8.0, as torch asks for it."""
    major, _minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return EVERY_PRECISION if major >= BF16_SINCE else ("fp32", "fp16")
