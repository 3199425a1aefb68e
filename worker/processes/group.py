"""The trainers of a run on several devices, which its supervisor handles as if they were one.

Rank 0 reports, and is asked to stop. None of them can continue without the others, so the end of
one is the end of all. The others often notice it before we do, and then fail too: their reports of
a broken connection are only echoes, which count only where no better reason arrives soon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from core.messages import Message, message
from core.protocol.orders import Order, Stop
from core.protocol.pulse import Pulse
from core.protocol.reports import Failed, Finished, Report, Stopped
from worker.processes.trainer import STATUS_TIMEOUT_S, Trainer, readable

RENDEZVOUS = "rendezvous"
ECHO_S = 2.0
"""How long after an echo its cause may still arrive."""
ECHOES = frozenset({"RuntimeError", "DistBackendError", "DistNetworkError", "DistStoreError"})
"""The errors of torch.distributed where another process has left; gloo has none of its own."""


def gather(trainers: Sequence[Trainer]) -> Trainer | Group:
    """The trainers of one run, rank 0 first, as one; where there is but one, it is that."""
    return trainers[0] if len(trainers) == 1 else Group(trainers)


class Group:
    """The trainers of one run. Use as a context manager: at the end no process is left."""

    def __init__(
        self, trainers: Sequence[Trainer], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._trainers = tuple(trainers)
        self._first = self._trainers[0]
        self._clock = clock
        self._open = set(range(len(self._trainers)))
        """The ranks whose sockets have not ended."""
        self._failures: list[tuple[int, Failed]] = []
        self._decide_due: float | None = None
        self._gone: int | None = None
        """The rank that ended first without having reported why."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, however long that takes, and remove their files."""
        while not self.reap(1.0):
            pass
        for trainer in self._trainers:
            trainer.close()

    @property
    def scratch(self) -> Path:
        """The folder of the one that writes files."""
        return self._first.scratch

    @property
    def pulse(self) -> Pulse:
        """That of rank 0: it gets no further than the others do."""
        return self._first.pulse

    @property
    def process_ids(self) -> Sequence[int]:
        """The process of each rank."""
        return [trainer.process_id for trainer in self._trainers]

    @property
    def is_alive(self) -> bool:
        """Whether one of the processes has not ended."""
        return any(trainer.is_alive for trainer in self._trainers)

    def give(self, order: Order) -> None:
        """Send each its order: the same but for its rank and its folder."""
        for rank, trainer in enumerate(self._trainers):
            part = {
                "rank": rank,
                "world_size": len(self._trainers),
                "rendezvous": self.scratch / RENDEZVOUS,
                "scratch": trainer.scratch,
            }
            trainer.give(order.model_copy(update=part))

    def read(self, timeout: float, wake: int) -> list[Report] | None:
        """Wait for reports, at most `timeout` seconds or until descriptor `wake` is readable.

        Returns:
            The reports of rank 0, perhaps none, and the failure of another one, with its rank; or
            None where a process has ended before rank 0 had reported how the run ended: then all
            of them are being killed.
        """
        if self._gone is not None:
            return None
        reports: list[Report] = []
        for rank in self._wait(timeout, wake):
            reports += self._receive(rank)
        if any(isinstance(report, Finished | Stopped) for report in reports):
            for trainer in self._trainers[1:]:
                trainer.kill()
            return reports
        failed = self._chosen_failure()
        if failed is None and self._gone is None:
            return reports
        self.kill()
        return [*reports, failed] if failed else reports or None

    def ask_to_stop(self, how: Stop) -> None:
        """Ask rank 0 to stop before its next batch; the others, which wait for it, are killed."""
        self._first.ask_to_stop(how)

    def extend(self, ends_at: float) -> None:
        """Say to each until when it may compute, by `elapsed`."""
        for trainer in self._trainers:
            trainer.extend(ends_at)

    def kill(self) -> None:
        """Kill the processes and all that they started, without waiting for their end."""
        for trainer in self._trainers:
            trainer.kill()

    def reap(self, timeout: float) -> bool:
        """Kill the processes and all that they started, and wait.

        Returns:
            Whether all are gone; False where one is not after `timeout` seconds.
        """
        self.kill()
        return self.wait(timeout)

    def wait(self, timeout: float) -> bool:
        """Wait, at most `timeout` seconds, for every process to end by itself.

        Returns:
            Whether they have, and with them, where the zygote lives, all that they started.
        """
        deadline = time.monotonic() + timeout
        if not all(trainer.has_ended(deadline - time.monotonic()) for trainer in self._trainers):
            return False
        deadline = time.monotonic() + STATUS_TIMEOUT_S  # for all: their zygote is the same
        for trainer in self._trainers:
            trainer.wait_for_status(deadline - time.monotonic())
        return True

    def held_up_s(self) -> float:
        """Of the seconds since the last call, those in which one waited for a core or memory."""
        return max(trainer.held_up_s() for trainer in self._trainers)

    def dump_stacks(self) -> None:
        """Have each process print where each of its threads is."""
        for trainer in self._trainers:
            trainer.dump_stacks()

    def stacks(self) -> str:
        """What the processes have printed since `dump_stacks`, rank by rank."""
        ranks = enumerate(trainer.stacks() for trainer in self._trainers)
        return "\n".join(f"Rank {rank}:\n{stacks}" for rank, stacks in ranks if stacks)

    def end_reason(self) -> Message:
        """How the process ended that did so first, after the end. To be asked once."""
        rank = self._gone or 0
        reason = self._trainers[rank].end_reason()
        return message("run.failed_on_rank", rank=rank, reason=reason)

    def output_tail(self) -> str:
        """The last output of the process that ended first."""
        return self._trainers[self._gone or 0].output_tail()

    def _wait(self, timeout: float, wake: int) -> list[int]:
        """Wait for reports; the ranks that have some, or whose sockets have ended, in order."""
        if self._decide_due is not None:
            timeout = min(timeout, self._decide_due - self._clock())
        ranks = {self._trainers[rank].fileno(): rank for rank in sorted(self._open)}
        ready = readable([*ranks, wake], timeout)
        return [rank for descriptor, rank in ranks.items() if descriptor in ready]

    def _receive(self, rank: int) -> list[Report]:
        """Receive the reports of a rank, and return those that are the run's."""
        received = self._trainers[rank].receive()
        if received is None:
            self._open.discard(rank)
            has_failed = any(rank == failed for failed, _ in self._failures)
            if self._gone is None and not has_failed:
                self._gone = rank
            return []
        self._failures += [(rank, report) for report in received if isinstance(report, Failed)]
        return [] if rank else [each for each in received if not isinstance(each, Failed)]

    def _chosen_failure(self) -> Failed | None:
        """The failure that ends the run, or None as long as its cause may still arrive."""
        if not self._failures:
            return None
        for rank, failed in self._failures:
            if failed.error_kind not in ECHOES:
                return _with_rank(rank, failed)
        if self._decide_due is None:
            self._decide_due = self._clock() + ECHO_S
        is_early = self._open and self._clock() < self._decide_due
        if is_early or self._gone is not None:  # an unreported end is rather the cause
            return None
        return _with_rank(*self._failures[0])


def _with_rank(rank: int, failed: Failed) -> Failed:
    if not rank:
        return failed
    reason = message("run.failed_on_rank", rank=rank, reason=failed.reason)
    return failed.model_copy(update={"reason": reason})
