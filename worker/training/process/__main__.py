"""The zygote: `python -m worker.training.process CONTROL LIFELINE SCRATCH`, started by a worker."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from worker.training.process.lifeline import bind_lifetime


def main() -> None:
    """Fork trainers for the worker at the other end of socket CONTROL until it is gone."""
    control, lifeline = int(sys.argv[1]), int(sys.argv[2])
    bind_lifetime(lifeline)  # importing torch takes seconds, in which a dead worker goes unnoticed
    from worker.training.process.fork_server import serve  # noqa: PLC0415

    os.close(lifeline)  # from here on the end of the control socket is the sign to clean up and go
    serve(socket.socket(fileno=control), Path(sys.argv[3]))


if __name__ == "__main__":
    main()
