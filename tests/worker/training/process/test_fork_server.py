"""What the zygote may not do: it must be able to fork children that use a GPU."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from worker.processes.zygote import clean_environment
from worker.training.process import fork_server

LOOKS_AT_ITSELF = """
import worker.training.process.fork_server, torch
from pathlib import Path
worker.training.process.fork_server.refuse_what_cannot_fork()
print(torch.cuda.is_initialized(), "libcuda.so" in Path("/proc/self/maps").read_text())
"""


def test_when_all_is_imported_there_is_one_thread_and_cuda_is_untouched():
    seen = subprocess.run(
        [sys.executable, "-c", LOOKS_AT_ITSELF],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert seen.stdout == "False False\n"


STEPS = """
import sys
from pathlib import Path
from worker.training.process import fork_server, warmup
before = set(sys.modules)
warmup.warm_up(1, "cpu", Path(sys.argv[1]))
print(*sorted(name for name in set(sys.modules) - before if name.split(".")[0] == "torch"))
"""


def test_all_of_torch_that_a_step_needs_is_loaded_before_the_fork(tmp_path):
    seen = subprocess.run(
        [sys.executable, "-c", STEPS, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert seen.stdout == "\n"


def test_a_second_thread_is_refused():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads"):
            fork_server.refuse_what_cannot_fork()
    finally:
        done.set()
        thread.join()


def test_a_touched_cuda_is_refused(monkeypatch):
    monkeypatch.setattr(fork_server, "count_threads", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)

    with pytest.raises(RuntimeError, match="CUDA"):
        fork_server.refuse_what_cannot_fork()


LEAVES_A_CHILD = """
import os, time
from worker.training.process.fork_server import Exited
dead = Exited()
readable, writable = os.pipe()
process_id = os.fork()
if process_id == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(600)
    os._exit(3)
dead.expect(process_id, writable)
while dead._status:
    dead.bury()
    time.sleep(0.01)
try:
    os.killpg(process_id, 0)
except ProcessLookupError:
    print("nothing is left")
"""


def test_what_a_trainer_has_started_is_killed_when_it_ends():
    seen = subprocess.run(
        [sys.executable, "-c", LEAVES_A_CHILD], capture_output=True, text=True, check=True
    )

    assert seen.stdout == "nothing is left\n"
