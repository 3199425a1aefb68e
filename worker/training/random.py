"""Random numbers as a function of the run's seed and of a place in the run.

A generator is made from its names each time, so nothing depends on what was drawn before.
"""

from __future__ import annotations

import hashlib

import torch


def seed_for(seed: int, *place: str | int) -> int:
    """A 63-bit seed for one place in one run, such as `("order", epoch)`."""
    name = "/".join(str(part) for part in (seed, *place))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1


def generator(seed: int, *place: str | int) -> torch.Generator:
    """A generator on the CPU for one place in one run."""
    return torch.Generator().manual_seed(seed_for(seed, *place))


def order(seed: int, epoch: int, count: int) -> torch.Tensor:
    """The order in which an epoch goes through `count` images: int64 on the CPU, shape (count,)."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed what torch itself draws with on a device: first weights, dropout.

    `torch.manual_seed` would do, but for each kind of device that this process never uses it also
    notes the call, with a stack trace: a fifth of a small step's time.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
