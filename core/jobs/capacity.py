"""What fits where: the one rule. The queue is divided by it into lanes (`core/jobs/lanes.py`).

A run asks for so many devices of a kind, on one worker. The slots of a CPU may work for one run
together; those of one GPU may not, because NCCL lets no two processes share one. A run that has a
snapshot is bound to what it began with, so that it resumes exactly. A worker that rests from a kind
of work has no room for it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

from sqlalchemy import Row

from core.database.engine import Database
from core.database.models import Job, Worker
from core.errors import InvalidInput
from core.messages import Message, message
from core.workers import live

Precision = Literal["fp32", "bf16", "fp16"]

EVERY_PRECISION: tuple[Precision, ...] = get_args(Precision)

EVERYTHING = "everything"
GPUS = "device:cuda"
"""Kinds of work that a worker can rest from; the others are `of_dataset`."""


def of_dataset(name: str) -> str:
    """The kind of work that is all runs on one dataset."""
    return f"dataset:{name}"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a job needs to run."""

    device: str
    devices: int
    precision: Precision | None = None
    """The precision that it began with, where its spec leaves that open; None: not bound to one."""
    threads: int | None = None
    """The threads that it began with on a CPU; None: it is not bound to them."""
    dataset: str = ""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one run can have of a worker, or of those of its slots that are held for it."""

    slots: int
    devices: int
    """How many of the slots can work for one run on `auto`: of those of one GPU but one."""
    has_gpus: bool = False
    threads: int = 1
    """Threads of a slot."""
    precisions: Sequence[str] = EVERY_PRECISION
    """Precisions that some GPU computes in: what a run on one device can have."""
    shared_precisions: Sequence[str] = EVERY_PRECISION
    """Precisions that every GPU computes in: what a run on several devices can have."""
    rests: frozenset[str] = frozenset()
    """Kinds of work that the worker rests from now."""

    @classmethod
    def of(cls, devices: Sequence[Any], slots: int, threads: int | None) -> Self:
        """The capacity of so many slots on some devices, as the workers' table describes them."""
        facts = [each for each in devices if isinstance(each, Mapping)]
        gpus = [each for each in facts if each.get("kind") == "cuda"]
        precisions = [each.get("precisions", EVERY_PRECISION) for each in gpus]
        return cls(
            slots,
            min(len(gpus), slots) if gpus else slots,
            has_gpus=bool(gpus),
            threads=threads or 1,
            precisions=_of_those(precisions, any),
            shared_precisions=_of_those(precisions, all),
        )

    def largest(self, device: str) -> int:
        """How many devices a run on `device`, as its spec has it, can have at most; 0: none."""
        if device == "cpu":
            return self.slots
        return self.devices if device == "auto" or self.has_gpus else 0

    def fits(self, wanted: Requirements) -> bool:
        """Whether a run fits in."""
        has_room = wanted.devices <= self.largest(wanted.device) and self.has_pin(wanted)
        return has_room and self.rests.isdisjoint(self.work(wanted))

    def work(self, wanted: Requirements) -> frozenset[str]:
        """The kinds of work that a run is here; on `auto` it is for the GPUs, if there are some."""
        kinds = {EVERYTHING, of_dataset(wanted.dataset)}
        if self.has_gpus and wanted.device != "cpu":
            kinds.add(GPUS)
        return frozenset(kinds)

    def has_pin(self, wanted: Requirements) -> bool:
        """Whether a run that is bound to what it began with finds that here."""
        if wanted.threads is not None and wanted.threads > self.threads:
            return False
        if wanted.precision is None or wanted.device == "cpu":
            return True
        return wanted.precision in self.precisions_for(wanted.devices)

    def precisions_for(self, devices: int) -> Sequence[str]:
        """The precisions that a run on so many GPUs can have."""
        return self.precisions if devices == 1 else self.shared_precisions


def _of_those(
    precisions: Sequence[Sequence[str]], quantifier: Callable[[Iterable[bool]], bool]
) -> tuple[str, ...]:
    """The precisions that any, or all, of some GPUs compute in; every one where there is no GPU."""
    if not precisions:
        return EVERY_PRECISION
    return tuple(
        each for each in EVERY_PRECISION if quantifier(each in some for some in precisions)
    )


ONE = Capacity(1, 1)


NEEDED = (Job.device, Job.devices, Job.pinned_precision, Job.pinned_threads, Job.dataset)


def requirements(job: Job | Row[Any]) -> Requirements:
    """What a job needs; a job as a row has the columns of `NEEDED`."""
    precision = cast("Precision | None", job.pinned_precision)
    return Requirements(job.device, job.devices, precision, job.pinned_threads, job.dataset)


def capacity_of(worker: Worker) -> Capacity:
    """What one run can have of a worker when it is idle and does not rest."""
    return Capacity.of(worker.devices, worker.slots, worker.threads)


def refuse_more_than_there_are(database: Database, queue: str, device: str, devices: int) -> None:
    """Refuse a run on several devices that none of the live workers of its queue can give it.

    Where no worker is live that serves the queue, nobody knows yet: nothing is refused.

    Raises:
        InvalidInput: naming the field, and the most that there is.
    """
    if devices == 1:
        return
    with database.reading() as session:
        serving = [worker for worker in live(session) if queue in worker.queues]
    most = max((capacity_of(worker).largest(device) for worker in serving), default=devices)
    if devices > most:
        raise InvalidInput.one("devices", _too_many(queue, devices, most))


def _too_many(queue: str, devices: int, most: int) -> Message:
    if not most:
        return message("spec.no_gpus", queue=queue, devices=devices)
    return message("spec.too_many_devices", queue=queue, devices=devices, most=most)
