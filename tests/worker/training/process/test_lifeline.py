"""A process that hangs on a lifeline dies with the process that holds the other end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

HANGS = """
import os, sys
from worker.training.process.lifeline import bind_lifetime
bind_lifetime(int(sys.argv[1]))
print("armed", flush=True)
"""
BUSY = "while True: pass"
STOPPED = "import signal; os.kill(os.getpid(), signal.SIGSTOP)"


def start(program, line):
    return subprocess.Popen(
        [sys.executable, "-c", program, str(line)], pass_fds=[line], stdout=subprocess.PIPE
    )


@pytest.mark.parametrize("state", [BUSY, STOPPED], ids=["busy", "stopped"])
def test_it_is_killed_whatever_it_does_when_the_other_end_is_closed(state):
    line, lifeline = os.pipe()
    with start(HANGS + state, line) as process:
        os.close(line)
        assert process.stdout.readline() == b"armed\n"

        os.close(lifeline)

        assert process.wait(60) == -signal.SIGKILL


def test_it_ends_at_once_when_the_other_end_was_closed_before_it_listened():
    line, lifeline = os.pipe()
    os.close(lifeline)
    with start(HANGS + BUSY, line) as process:
        os.close(line)

        assert process.wait(60) == 1


def test_a_zygote_whose_worker_dies_ends_even_while_it_imports_torch(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(
        "import threading\nprint('importing', flush=True)\nthreading.Event().wait()\n"
    )
    line, lifeline = os.pipe()
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "worker.training.process",
            "0",
            str(line),
            str(tmp_path / "scratch"),
        ],
        pass_fds=[line],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
    ) as zygote:
        os.close(line)
        assert zygote.stdout.readline() == b"importing\n"

        os.close(lifeline)

        assert zygote.wait(60) == -signal.SIGKILL
