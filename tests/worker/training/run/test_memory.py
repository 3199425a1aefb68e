"""How much memory a run takes."""

import platform
import subprocess
import sys

import pytest
import torch

from worker.training.run.memory import most_taken

PROGRAM = """
import resource, sys, torch
from core.datasets.builtin import DATASETS
from core.spec.hyperparameters import CNN
from worker.training.run.memory import keep_freed
from worker.training.model.network import build

torch.set_num_threads(1)
if sys.argv[1] == "keep":
    keep_freed()
network = build(CNN(), DATASETS["mnist"]).to(memory_format=torch.channels_last)

def steps(count):
    for _ in range(count):
        network(torch.rand(64, 1, 28, 28)).sum().backward()

steps(10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
steps(20)
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
