"""A zygote: a process that has imported torch, and forks a trainer in milliseconds when asked.

It must stay able to fork: it has one thread, computes nothing and never touches CUDA (a CUDA
context does not survive a fork). So it reads its requests, forks, and reaps what has exited.

Requests and answers are JSON messages on a SOCK_SEQPACKET socket, with descriptors attached. When
the worker at the other end is gone, the zygote kills what it has forked and ends.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import gc
import os
import select
import shutil
import signal
import socket
import time
import traceback
from pathlib import Path
from typing import NoReturn

import torch
import torch._dynamo  # its optimizers load it at their first step: here, once for all the forks

from core.protocol.orders import (
    DUMP_STACKS,
    LARGEST_MESSAGE,
    READY,
    Forked,
    ForkFailed,
    ForkRequest,
)
from core.protocol.pulse import Pulse
from worker.training.process import entry
from worker.training.process.lifeline import bind_lifetime

REAP_TIMEOUT_S = 2.0
DESCRIPTORS = 5
"""That come with a request."""


def serve(control: socket.socket, scratch: Path) -> NoReturn:
    """Fork trainers until the socket ends, then leave nothing of them behind.

    Args:
        control: SOCK_SEQPACKET socket to the worker.
        scratch: folder of the trainers' files, removed at the end.
    """
    leave_stops_to_the_worker()
    # in C, so that a fork answers while Python cannot; here, so that it does from its beginning
    faulthandler.register(DUMP_STACKS, file=2)
    refuse_what_cannot_fork()
    gc.collect()
    gc.freeze()  # so that the forks keep sharing these pages
    children = Children()
    control.send(READY)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(children.descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if children.descriptor in ready:
            children.reap()
        if control.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(control, LARGEST_MESSAGE, DESCRIPTORS)
            if not message:
                break
            _answer(ForkRequest.model_validate_json(message), descriptors, control, children)
    children.kill_all()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_stops_to_the_worker() -> None:
    """Let signals that ask to stop pass, in this process and in the trainers that it forks.

    A terminal's Ctrl-C, or a service manager that signals every process of a service, is the
    worker's to answer: it has running jobs saved first. A handler that does nothing, unlike
    `SIG_IGN`, ends at an exec, so that what a trainer starts can be terminated.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: None)


def restore_stop_signals() -> None:
    """Undo `leave_stops_to_the_worker`."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def refuse_what_cannot_fork() -> None:
    """Raise unless this process has one thread and has not touched CUDA."""
    threads = count_threads()
    if threads != 1:
        raise RuntimeError(f"The zygote has {threads} threads; it could not fork safely.")
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        raise RuntimeError("The zygote has touched CUDA; what it forks could not use a GPU.")


def count_threads() -> int:
    """The threads of this process, those of libraries included."""
    return len(list(Path("/proc/self/task").iterdir()))


class Children:
    """The children, and a descriptor that becomes readable when one of them has ended."""

    def __init__(self) -> None:
        self.descriptor, self._writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._writable, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._status: dict[int, int] = {}

    def expect(self, process_id: int, status: int) -> None:
        """Remember where a child's exit status is to be written."""
        self._status[process_id] = status

    def release(self) -> None:
        """In a new child: close everything that is the zygote's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (self.descriptor, self._writable, *self._status.values()):
            os.close(descriptor)

    def reap(self) -> None:
        """Reap every child that has exited, and send the worker its exit status."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 1024)
        while self._status:
            # not reaped yet: so its number cannot be another's, and its group can be killed
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            self._reap(ended.si_pid)

    def _reap(self, process_id: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process_id, signal.SIGKILL)
        _, status = os.waitpid(process_id, 0)
        deadline = time.monotonic() + REAP_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                os.killpg(process_id, 0)
            except (ProcessLookupError, PermissionError):
                break
            time.sleep(0.002)
        descriptor = self._status.pop(process_id)
        with contextlib.suppress(OSError):  # nobody waits for it
            os.write(descriptor, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(descriptor)

    def kill_all(self) -> None:
        """Kill every child, and return when they are gone."""
        for process_id in self._status:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        for process_id in list(self._status):
            os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)
            self._reap(process_id)


def _answer(
    request: ForkRequest, descriptors: list[int], control: socket.socket, children: Children
) -> None:
    """Fork a trainer, and answer with it, or with why there is none."""
    with contextlib.ExitStack() as passed:
        for descriptor in descriptors:
            passed.callback(os.close, descriptor)
        attached: list[int] = []
        answer: Forked | ForkFailed
        try:
            process_id = _fork(request, descriptors, control, children)
            attached = [os.pidfd_open(process_id)]
            answer = Forked(process_id=process_id)
        except OSError as error:  # a limit of processes or descriptors: the others live on
            answer = ForkFailed(reason=error.strerror or str(error))
        for descriptor in attached:
            passed.callback(os.close, descriptor)
        with contextlib.suppress(OSError):  # the worker is gone: the loop will see it
            socket.send_fds(control, [answer.model_dump_json().encode()], attached)


def _fork(
    request: ForkRequest, descriptors: list[int], control: socket.socket, children: Children
) -> int:
    """The process id of a new trainer.

    Raises:
        OSError: there is a limit of processes, memory or descriptors.
    """
    if len(descriptors) != DESCRIPTORS:  # the kernel drops those for which there is no room
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    connection, output, lifeline, status, pulse = descriptors
    kept_status = os.dup(status)
    try:
        process_id = os.fork()
    except OSError:
        os.close(kept_status)
        raise
    if process_id == 0:
        try:
            children.release()
            control.close()
            os.close(status)
            os.close(kept_status)
            _become_a_trainer(request, connection, output, lifeline, pulse)
        except BaseException:  # noqa: BLE001  (whatever it is, it must not reach the zygote's loop)
            traceback.print_exc()
        os._exit(1)
    children.expect(process_id, kept_status)
    return process_id


def _become_a_trainer(
    request: ForkRequest, connection: int, output: int, lifeline: int, pulse: int
) -> None:
    os.setsid()  # so that whatever it starts can be killed with it
    os.register_at_fork(after_in_child=restore_stop_signals)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    bind_lifetime(lifeline)
    shared = Pulse.shared(pulse)
    os.close(pulse)
    os.environ.update(request.environment)
    gc.unfreeze()
    entry.wait_and_run(
        socket.socket(fileno=connection),
        threads=request.threads,
        device=request.device,
        data=request.data,
        pulse=shared,
    )
