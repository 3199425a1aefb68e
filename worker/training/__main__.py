"""A trainer: `python -m worker.training FD`, started by a supervisor for one job.

It talks over the socket FD: an order comes in as one JSON line, reports go out, one a line. When
the supervisor is gone, the socket ends, and so does this process at once.
"""

from __future__ import annotations

import socket
import sys

from worker.training.link import Link


def main() -> None:
    """Carry out one order."""
    link = Link(socket.socket(fileno=int(sys.argv[1])))
    # importing torch takes seconds, in which a supervisor that dies must be noticed too
    from worker.training.execution import run  # noqa: PLC0415

    run(link)


if __name__ == "__main__":
    main()
