"""A trainer's bond to its supervisor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from core.presets import resolve
from worker.training.order import Order


def test_a_trainer_whose_supervisor_dies_ends_even_while_it_imports_torch(tmp_path):
    """With a torch whose import never ends, only the link can notice."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(
        "import threading\nprint('importing', flush=True)\nthreading.Event().wait()\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    order = Order(
        spec=resolve("quick", {}), data=tmp_path, scratch=scratch, device="cpu", threads=1
    )
    ours, theirs = socket.socketpair()
    with theirs:
        trainer = subprocess.Popen(
            [sys.executable, "-m", "worker.training", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            stdout=subprocess.PIPE,
        )
    with trainer:
        try:
            ours.sendall(order.model_dump_json().encode() + b"\n")
            assert trainer.stdout.readline() == b"importing\n"

            ours.close()

            assert trainer.wait(60) == 1
        finally:
            trainer.kill()
    assert not scratch.exists()
