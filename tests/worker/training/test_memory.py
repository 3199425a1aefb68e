"""How much memory a run takes."""

import platform
import subprocess
import sys

import pytest
import torch

from worker.training.memory import most_taken

PROGRAM = """
import resource, sys, torch
from worker.training.memory import keep_freed

torch.set_num_threads(1)
if sys.argv[1] == "keep":
    keep_freed()
def work():
    layers = [torch.ones(2**20) for _ in range(16)]
    del layers

for _ in range(5):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_cpu_counts_what_the_process_took():
    assert 50_000_000 < most_taken(torch.device("cpu")) < 100_000_000_000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="NOT RUN: it is glibc's malloc")
def test_memory_that_is_freed_is_kept_and_used_again():
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", PROGRAM, how]))
        for how in ("keep", "give")
    )

    assert kept < given_back / 5
