"""A trainer's socket: it ends the process when the lease is nearly over."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from core.protocol.clock import elapsed
from core.protocol.orders import Order, lease_line
from core.spec.presets import resolve

COMPUTES = """
import socket, sys, time
from worker.training.process.link import Link
link = Link(socket.socket(fileno=int(sys.argv[1])))
while not link.stop_requested():
    time.sleep(0.01)
"""


@pytest.fixture
def started():
    """Starts a process that computes until it is asked to stop, and sends it an order first."""
    processes = []

    def start(ends_at, then=b""):
        order = Order(
            spec=resolve("quick", {}),
            data="/data",
            scratch="/none",
            device="cpu",
            threads=1,
            ends_at=ends_at,
        )
        ours, theirs = socket.socketpair()
        with theirs:
            ours.sendall(order.model_dump_json().encode() + b"\n" + then)
            process = subprocess.Popen(
                [sys.executable, "-c", COMPUTES, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        processes.append((process, ours))
        return process, ours

    yield start
    for process, connection in processes:
        connection.close()
        process.wait()


def test_a_trainer_whose_supervisor_says_nothing_ends_by_itself(started):
    process, _connection = started(elapsed() + 0.5)

    assert process.wait(60) == -signal.SIGKILL


def test_a_trainer_that_was_told_of_a_renewal_computes_on(started):
    process, connection = started(elapsed() - 1, lease_line(elapsed() + 600))

    connection.sendall(b"stop\n")

    assert process.wait(60) == 0
