"""Carrying out an order: the device, the dataset, the loop, and the reason of a failure."""

from __future__ import annotations

import threading
import traceback

import torch

from core.errors import DataUnavailable, TrainyardError
from core.messages import Message, message
from core.protocol.orders import Order
from core.protocol.pulse import Pulse
from core.protocol.reports import Failed, Line, Stopped, Unfit
from worker.training.data import download
from worker.training.process.link import Link
from worker.training.run import loop
from worker.training.run.context import RunContext
from worker.training.run.distributed import Peers, ProcessGroup, SingleProcess
from worker.training.run.divergence import Diverged
from worker.training.run.loop import StopRequested
from worker.training.run.snapshot_file import Unusable

# how torch's own allocator says it, in a plain RuntimeError
_CPU_IS_FULL = "DefaultCPUAllocator"

# how CUDA says that the fault is the GPU's or its driver's, and not that of what was computed
_GPU_IS_BROKEN = (
    "no CUDA-capable device",
    "no CUDA GPUs are available",
    "CUDA driver",
    "busy or unavailable",
    "uncorrectable ECC error",
    "no kernel image is available",
    "system not yet initialized",
    "unknown error",
    "hardware error",
    "GPU is lost",
)


class UnusableDevice(TrainyardError):
    """torch cannot compute on the device that the worker has."""


def run(link: Link, pulse: Pulse) -> None:
    """Carry out the order, and report how it ended."""
    order = link.order
    try:
        device = choose_device(order)
        peers = _peers(order, device)
        with pulse.within("downloading"):
            _ensure_data(order, link, pulse)
        context = RunContext(
            spec=order.spec,
            data=order.data,
            scratch=order.scratch,
            device=device,
            threads=order.threads,
            precision=order.precision,
            initial_weights=order.initial_weights,
            initial_sha256=order.initial_sha256,
            report=link.report,
            report_every_step=order.report_every_step,
            stop_requested=link.stop_requested,
            peers=peers,
            pulse=pulse,
        )
        loop.run(context, order.resume_from)
        if order.rank:
            threading.Event().wait()  # rank 0 has more to do, and our end would end the run
    except StopRequested:
        link.report(Stopped())
    except Exception as error:  # noqa: BLE001  (the boundary: every failure becomes a report)
        link.report(explain(error))


def _ensure_data(order: Order, link: Link, pulse: Pulse) -> None:
    """Fetch the dataset of an order where it is missing, or wait for another who does."""

    def say(text: str) -> None:
        pulse.beat()
        link.report(Line(text=text))

    download.ensure(order.spec.dataset, order.data, say)


def choose_device(order: Order) -> torch.device:
    """The device of an order.

    Raises:
        UnusableDevice: torch cannot compute on it.
    """
    device = torch.device(order.device)
    if order.device == "cuda":
        try:
            torch.ones(1, device=device).add_(1).item()
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError) as error:  # the latter: a torch without CUDA
            raise UnusableDevice(_gpu_reason(error)) from error
    return device


def _gpu_reason(error: Exception) -> Message:
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return message("worker.gpu_unusable", detail=first.removesuffix("."))


def _is_broken_gpu(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "CUDA" in text and any(words in text for words in _GPU_IS_BROKEN)
    )


def _peers(order: Order, device: torch.device) -> Peers:
    if order.world_size == 1 or order.rendezvous is None:
        return SingleProcess()
    return ProcessGroup(order.rank, order.world_size, order.rendezvous, device)


def explain(error: Exception) -> Failed:
    """The report of a failure, with its reason as the run's page shows it, and whose fault it is.

    A spec holds no paths and no code: a file that cannot be written or a module that cannot be
    imported is the worker's.
    """
    if isinstance(error, Diverged):
        return Failed(error_kind="diverged", reason=error.reason)
    if isinstance(error, Unusable):
        return Failed(error_kind="snapshot", reason=error.reason)
    if isinstance(error, DataUnavailable):
        return Failed(error_kind="data_unavailable", reason=error.reason, unfit_for="dataset")
    if isinstance(error, UnusableDevice):
        return _with_traceback("device_unusable", error.reason, "device")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or _CPU_IS_FULL in str(error):
        return _with_traceback("out_of_memory", message("run.out_of_memory"))
    if isinstance(error, OSError):
        detail = str(error.strerror or error)
        return _with_traceback("storage", message("run.file_error", detail=detail), "everything")
    if isinstance(error, ImportError):
        reason = message("worker.import_failed", detail=str(error).removesuffix("."))
        return _with_traceback("import", reason, "everything")
    if _is_broken_gpu(error):
        return _with_traceback("device_unusable", _gpu_reason(error), "device")
    name = type(error).__name__
    if isinstance(error, TrainyardError):
        return _with_traceback(name, error.reason)
    detail = str(error) or "no further information"
    return _with_traceback(name, message("run.error", type=name, detail=detail))


def _with_traceback(error_kind: str, reason: Message, unfit_for: Unfit | None = None) -> Failed:
    """The report of the failure that is being handled."""
    return Failed(
        error_kind=error_kind,
        reason=reason,
        traceback=traceback.format_exc(),
        unfit_for=unfit_for,
    )
