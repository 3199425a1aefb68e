"""The memory of a run: its peak, and how the allocator keeps it."""

from __future__ import annotations

import ctypes
import platform
import resource

import torch


def most_taken(device: torch.device) -> int:
    """The peak memory so far, in bytes: allocated on the GPU, or resident of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


# of glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed() -> None:
    """Configure the allocator of this process to keep the memory that it frees.

    glibc gives large blocks back to the system, and gets them again page by page, each zeroed: for
    the tutorial's network two thousand page faults a step. Where there is no glibc nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    library.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    library.mallopt(_M_TOP_PAD, 64 << 20)
