"""The processes that train one run together: each on a device of its own, on a part of each batch.

All of them hold the same weights and take the same steps: DistributedDataParallel averages
their gradients. Rank 0 is the one that measures, reports, saves and decides; the others follow.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

LONGEST_WAIT = timedelta(hours=2)
"""The others wait while rank 0 measures, saves, or is stopped; when it is gone, they are killed."""


class Peers(Protocol):
    """The processes of a run, as each of them sees them."""

    rank: int
    size: int

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that its gradients are averaged over all processes."""

    def no_sync(self, network: nn.Module) -> AbstractContextManager[object]:
        """A context in which gradients accumulate in this process alone."""

    def all_reduce(self, value: Tensor) -> None:
        """Replace a value by its sum over all processes."""

    def broadcast(self, decision: Tensor) -> None:
        """Replace a tensor by that of rank 0."""


class SingleProcess:
    """A run of one process."""

    rank = 0
    size = 1

    def wrap(self, network: nn.Module) -> nn.Module:
        return network

    def no_sync(self, network: nn.Module) -> AbstractContextManager[object]:  # noqa: ARG002
        return contextlib.nullcontext()

    def all_reduce(self, value: Tensor) -> None:
        pass

    def broadcast(self, decision: Tensor) -> None:
        pass


class ProcessGroup:
    """A run of several processes on one host, which find each other by a file."""

    def __init__(self, rank: int, size: int, rendezvous: Path, device: torch.device) -> None:
        """Wait for the others.

        Args:
            rank: which of the processes this is; 0 is the first.
            size: how many there are.
            rendezvous: a path at which there is nothing yet, the same for all.
            device: where this process computes; NCCL connects GPUs, gloo CPUs.
        """
        self.rank = rank
        self.size = size
        self._device = device
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=rendezvous.absolute().as_uri(),
            rank=rank,
            world_size=size,
            timeout=LONGEST_WAIT,
        )

    def wrap(self, network: nn.Module) -> nn.Module:
        devices = [self._device] if self._device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def no_sync(self, network: nn.Module) -> AbstractContextManager[object]:
        assert isinstance(network, DistributedDataParallel)
        return network.no_sync()

    def all_reduce(self, value: Tensor) -> None:
        distributed.all_reduce(value)

    def broadcast(self, decision: Tensor) -> None:
        distributed.broadcast(decision, src=0)


def leave() -> None:
    """Destroy the process group, where there is one: for processes that live on."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
