"""The worker's side of the zygote: a process that forks trainers in milliseconds.

The process itself is `worker/training/process/fork_server.py`. Where it dies it is started again;
trainers that it has forked live on, because each hangs on a lifeline that the worker holds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from core import formats, logs
from core.errors import TrainyardError
from core.messages import message
from core.protocol.orders import LARGEST_MESSAGE, READY, Forked, ForkFailed, ForkRequest
from core.protocol.pulse import SIZE, Pulse
from core.scratch import SIGN, Scratch
from worker.processes.trainer import OUTPUT, Trainer, readable, tail
from worker.slots import Slot

END_TIMEOUT_S = 5.0
FORK_TIMEOUT_S = 10.0
# a trainer has no business with our database, broker or file store
SECRET_PREFIXES = ("TRAINYARD_", "AWS_", "PG", "REDIS_")
# the processes of a run are all on this host: nobody else is to reach the ports they listen on
AMONG_THEMSELVES = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}

log = logs.get_logger(__name__)

# the fields of each are refused by the other
_ANSWER: TypeAdapter[Forked | ForkFailed] = TypeAdapter(Forked | ForkFailed)


class ZygoteGone(TrainyardError):
    """The zygote has died, is not ready yet, or is at a limit: nothing can be forked now."""


class Zygote:
    """The process that trainers are forked from. Safe to use from several threads."""

    def __init__(self, data: Path, lent: Sequence[int] = ()) -> None:
        """Take note of what it is to be given. Starts nothing.

        Args:
            data: the data folder, whose datasets spares map.
            lent: descriptors that it, and all that it forks, keep open for as long as they live.
        """
        self._data = data
        self._lent = tuple(lent)
        self._lock = threading.Lock()
        self._own = Scratch()
        self._scratch = self._own.folder
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket
        self._lifeline: int
        self._is_ready = False

    def start(self) -> None:
        """Start the process. It is ready once it has imported torch, seconds later."""
        with self._lock:
            self._start()

    @property
    def is_ready(self) -> bool:
        """Whether it has imported torch."""
        with self._lock:
            return self._receive_ready(0.0)

    def wait_until_ready(self, timeout: float) -> None:
        """Wait for the process to be ready.

        Raises:
            ZygoteGone: it ended instead, or took longer than `timeout` seconds.
        """
        with self._lock:
            if not self._receive_ready(timeout):
                raise ZygoteGone(message("zygote.not_started", output=tail(self._output)))

    def revive(self) -> None:
        """Start the process again where it has died. Returns at once."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            log.warning("zygote_restarted", output=tail(self._output))
            self._clear()
            self._start()

    def fork(self, slot: Slot) -> Trainer:
        """Fork a trainer for a slot; it warms up by itself.

        Raises:
            ZygoteGone: nothing can be forked now; `revive` and try again later.
        """
        with self._lock:
            if not self._receive_ready(0.0):
                raise ZygoteGone(message("zygote.not_ready"))
            request = ForkRequest(
                threads=slot.threads,
                device=slot.device.kind,
                data=self._data,
                environment=slot.environment(),
            )
            try:
                return self._fork(request)
            except OSError as error:  # a full disk, a limit of descriptors
                detail = error.strerror or str(error)
                raise ZygoteGone(message("zygote.cannot_fork", detail=detail)) from error

    def stop(self) -> None:
        """End the process and what it has forked."""
        with self._lock:
            self._clear()
            self._own.remove()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line, self._lifeline = os.pipe()
        self._control = ours
        self._is_ready = False
        self._own.hold()
        try:
            with theirs, self._output.open("wb") as output:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "worker.training.process"),
                        *(str(theirs.fileno()), str(line), str(self._scratch)),
                    ],
                    pass_fds=[theirs.fileno(), line, *self._lent],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=clean_environment(),
                    start_new_session=True,
                )
        except OSError:
            ours.close()
            os.close(self._lifeline)
            raise
        finally:
            os.close(line)

    def _receive_ready(self, timeout: float) -> bool:
        if not self._is_ready and readable([self._control.fileno()], timeout):
            with contextlib.suppress(OSError):
                self._is_ready = self._control.recv(LARGEST_MESSAGE) == READY
        return self._is_ready

    def _fork(self, request: ForkRequest) -> Trainer:
        self._own.hold()
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            scratch = Path(tempfile.mkdtemp(dir=self._scratch))
            ours.callback(shutil.rmtree, scratch, ignore_errors=True)
            connection, their_connection = socket.socketpair()
            ours.enter_context(connection)
            theirs.enter_context(their_connection)
            line, lifeline = _pipe(theirs, ours)
            status, status_end = _pipe(ours, theirs)
            output = os.open(scratch / OUTPUT, os.O_WRONLY | os.O_CREAT, 0o600)
            theirs.callback(os.close, output)
            memory = os.memfd_create("pulse")
            theirs.callback(os.close, memory)
            os.ftruncate(memory, SIZE)
            pulse = Pulse.shared(memory)
            descriptors = [their_connection.fileno(), output, line, status_end, memory]
            try:
                process_id, pidfd = self._exchange(request, descriptors)
            except OSError as error:
                # an answer that came late would be taken for that to the next request
                self._kill()
                raise ZygoteGone(message("zygote.no_answer", detail=str(error))) from error
            ours.pop_all()
        return Trainer(
            process_id,
            pidfd=pidfd,
            connection=connection,
            status=status,
            lifeline=lifeline,
            pulse=pulse,
            scratch=scratch,
        )

    def _exchange(self, request: ForkRequest, descriptors: list[int]) -> tuple[int, int]:
        socket.send_fds(self._control, [request.model_dump_json().encode()], descriptors)
        if not readable([self._control.fileno()], FORK_TIMEOUT_S):
            raise TimeoutError(f"no answer for {formats.seconds(FORK_TIMEOUT_S)}")
        answered, received, _, _ = socket.recv_fds(self._control, LARGEST_MESSAGE, 1)
        if not answered:
            raise ConnectionError("it has died")
        answer = _ANSWER.validate_json(answered)
        if isinstance(answer, ForkFailed):
            raise ZygoteGone(message("zygote.cannot_fork", detail=answer.reason))
        return answer.process_id, received[0]

    def _kill(self) -> None:
        self._is_ready = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _clear(self) -> None:
        """Let go of a process that is to end, or has ended."""
        if self._process is None:
            return
        self._control.close()  # at this it kills what it has forked, and ends
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        self._kill()
        os.close(self._lifeline)
        self._process = None

    @property
    def _output(self) -> Path:
        return self._scratch / SIGN


def clean_environment() -> dict[str, str]:
    """Our environment without its secrets, for a process that must stay able to fork."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(SECRET_PREFIXES)
    }
    # numpy's library would start its threads at import, and a fork carries only one of them over;
    # torch computes with threads of its own
    return environment | {"OPENBLAS_NUM_THREADS": "1"} | AMONG_THEMSELVES


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with two stacks."""
    read_end, write_end = os.pipe()
    reader.callback(os.close, read_end)
    writer.callback(os.close, write_end)
    return read_end, write_end
