"""How long a process waited through no fault of its own, as the kernel counts it."""

from __future__ import annotations

import math
import os

import pytest

from worker.processes.held_up import HeldUp


class Kernel:
    """A `/proc` in which a test writes what the kernel would."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, delays, faults=0):
        """Seconds that each thread had to wait for a core, and pages that were waited for."""
        process = self.folder / "7"
        for thread, seconds in delays.items():
            (process / "task" / thread).mkdir(parents=True, exist_ok=True)
            (process / "task" / thread / "schedstat").write_text(f"1 {int(seconds * 1e9)} 2\n")
        (process / "stat").write_text(f"7 (a ) b) R 1 7 7 0 -1 4194304 99 0 {faults} 0 3 4\n")


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path)


def test_the_thread_that_waited_longest_for_a_core_counts(kernel, tmp_path):
    kernel.write({"7": 1.0, "8": 100.0})
    held_up = HeldUp(7, tmp_path)
    held_up.since_last()

    kernel.write({"7": 1.5, "8": 100.25, "9": 0.125})

    assert held_up.since_last() == pytest.approx(0.5)
    assert held_up.since_last() == 0


def test_whoever_had_to_wait_for_a_page_may_have_done_nothing_else(kernel, tmp_path):
    kernel.write({"7": 0.0}, faults=3)
    held_up = HeldUp(7, tmp_path)
    held_up.since_last()

    kernel.write({"7": 0.0}, faults=4)

    assert held_up.since_last() == math.inf
    assert held_up.since_last() == 0


def test_where_the_kernel_does_not_tell_nothing_was_waited_for(tmp_path):
    assert HeldUp(7, tmp_path).since_last() == 0


def test_a_real_process_can_be_read():
    own = HeldUp(os.getpid())
    own.since_last()

    assert own.since_last() >= 0
