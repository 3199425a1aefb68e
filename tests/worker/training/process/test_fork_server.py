"""What the zygote may not do: it must be able to fork children that use a GPU."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
import torch

from core.protocol.orders import LARGEST_MESSAGE, READY, Forked, ForkFailed, ForkRequest
from core.protocol.pulse import SIZE
from worker.processes.zygote import clean_environment
from worker.training.process import fork_server

LOOKS_AT_ITSELF = """
import worker.training.process.fork_server, torch
from pathlib import Path
worker.training.process.fork_server.refuse_what_cannot_fork()
opened = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
print(torch.cuda.is_initialized(), [path for path in opened if path.startswith("/dev/nvidia")])
"""


def test_when_all_is_imported_there_is_one_thread_and_cuda_is_untouched():
    seen = subprocess.run(
        [sys.executable, "-c", LOOKS_AT_ITSELF],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert seen.stdout == "False []\n"  # the driver is loaded, but its devices are not opened


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
import os, select, time
from worker.training.process.fork_server import Children
children = Children()
readable, writable = os.pipe()
process_id = os.fork()
if process_id == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(600)
    os._exit(3)
children.expect(process_id, writable)
poll = select.poll()
poll.register(children.descriptor, select.POLLIN)
while children._status:
    poll.poll()
    children.reap()
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


FORKS_ONCE = """
import errno, os, socket, sys
from pathlib import Path
from worker.training.process import fork_server
fork, allowed = os.fork, [True]
def fork_within_the_limit():
    if not allowed:
        raise OSError(errno.EAGAIN, "no more processes")
    allowed.pop()
    return fork()
os.fork = fork_within_the_limit
fork_server.serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.fixture
def at_a_limit(tmp_path):
    """Our end of the socket of a zygote that can fork once."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", FORKS_ONCE, str(theirs.fileno()), str(tmp_path / "scratch")],
            env=clean_environment(),
            pass_fds=[theirs.fileno()],
        )
    with process, ours:
        assert ours.recv(LARGEST_MESSAGE) == READY
        yield ours


def test_a_zygote_at_a_limit_refuses_and_still_sends_the_exit_status_of_others(
    at_a_limit, tmp_path
):
    with contextlib.ExitStack() as stack:
        forked, status = ask(at_a_limit, tmp_path, stack)
        refused, _ = ask(at_a_limit, tmp_path, stack)
        os.kill(Forked.model_validate_json(forked).process_id, signal.SIGKILL)

        assert ForkFailed.model_validate_json(refused).reason == "no more processes"
        assert status.readline() == f"{-signal.SIGKILL}\n"


def ask(control, folder, stack):
    """Ask for a trainer; give the answer, and the read end of the pipe for its exit status."""
    connection, theirs = socket.socketpair()
    stack.enter_context(connection)
    line, lifeline = os.pipe()
    stack.callback(os.close, lifeline)
    status, status_end = os.pipe()
    pipe = stack.enter_context(os.fdopen(status))
    request = ForkRequest(threads=1, device="cpu", data=folder, environment={})
    pulse = os.memfd_create("pulse")
    os.ftruncate(pulse, SIZE)
    with theirs, (folder / "output.txt").open("w") as output:
        descriptors = [theirs.fileno(), output.fileno(), line, status_end, pulse]
        socket.send_fds(control, [request.model_dump_json().encode()], descriptors)
        answer, received, _, _ = socket.recv_fds(control, LARGEST_MESSAGE, 1)
    for descriptor in (line, status_end, pulse, *received):
        os.close(descriptor)
    return answer, pipe


LEAVES_STOPS_TO_THE_WORKER = """
import multiprocessing, os, signal, subprocess, sys, threading
from worker.training.process import fork_server
def wait(connection):
    connection.send(None)
    threading.Event().wait()
fork_server.leave_stops_to_the_worker()
os.register_at_fork(after_in_child=fork_server.restore_stop_signals)
for number in fork_server.STOP_SIGNALS:
    os.kill(os.getpid(), number)
context = multiprocessing.get_context("fork")
ours, theirs = context.Pipe()
loader = context.Process(target=wait, args=(theirs,))
loader.start()
ours.recv()
loader.terminate()
loader.join()
program = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
program.terminate()
print(loader.exitcode, program.wait())
"""


def test_signals_to_stop_pass_but_what_a_trainer_starts_can_be_terminated():
    seen = subprocess.run(
        [sys.executable, "-c", LEAVES_STOPS_TO_THE_WORKER],
        capture_output=True,
        text=True,
        check=True,
    )

    assert seen.stdout == f"{-signal.SIGTERM} {-signal.SIGTERM}\n"
