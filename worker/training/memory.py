"""How much memory a run takes."""

from __future__ import annotations

import resource

import torch


def most_taken(device: torch.device) -> int:
    """The most bytes that were taken so far: of the GPU's memory, or by this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
