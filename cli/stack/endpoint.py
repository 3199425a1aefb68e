"""Where the server and its Redis are: as they were given, or as a running `up` wrote down.

Else the server is the one that `trainyard login` keeps a token for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from cli import tokens
from core.errors import InvalidInput
from core.messages import message
from core.settings import Settings

FILE = "up.json"


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that is up on this machine, as it wrote itself down."""

    url: str
    process_id: int
    started_at: float
    """The process's start by the system's clock: a process id alone may be used again."""
    redis_url: str = ""
    """Of its broker, with the password: for whoever may read the home folder's secrets."""


def write(home: Path, url: str, process_id: int, redis_url: str = "") -> None:
    """Write down that a stack is up, in a file that its owner alone can read."""
    running = Running(url, process_id, psutil.Process(process_id).create_time(), redis_url)
    scratch = home / f"{FILE}.{process_id}"
    scratch.touch(mode=0o600)
    scratch.write_text(json.dumps(asdict(running)))
    scratch.replace(home / FILE)


def erase(home: Path) -> None:
    """Write down that no stack is up."""
    (home / FILE).unlink(missing_ok=True)


def find_running(home: Path) -> Running | None:
    """The stack that is up on this machine, or None."""
    try:
        running = Running(**json.loads((home / FILE).read_text()))
        drift = psutil.Process(running.process_id).create_time() - running.started_at
    except (OSError, ValueError, TypeError, psutil.Error):
        return None
    return running if abs(drift) < 1 else None


def find_url(settings: Settings, *, by_tokens: bool = True) -> str:
    """The address of the server to talk to.

    Args:
        settings: of the terminal.
        by_tokens: whether a token that is kept says which; not for whoever brings another.

    Raises:
        InvalidInput: none was given, none is up, and tokens are kept for several.
        TrainyardError: the tokens that are kept cannot be read.
    """
    if settings.url:
        return settings.url
    running = find_running(settings.home)
    if running:
        return running.url
    kept = _of_kept_token(settings) if by_tokens else None
    return kept or f"http://127.0.0.1:{settings.port}"


def _of_kept_token(settings: Settings) -> str | None:
    """The server that somebody has logged in to, where nothing says that another is meant.

    A token of the environment names no server: it is sent to none that it was not made for.
    """
    if settings.token or settings.model_fields_set & {"host", "port"}:
        return None
    kept = tokens.servers(settings)
    if len(kept) > 1:
        raise InvalidInput.one("url", message("client.several_servers", servers=", ".join(kept)))
    return kept[0] if kept else None


def find_redis(settings: Settings) -> str:
    """The Redis of a worker: the one that was given, else that of a running `up`, else by default.

    `up` makes a password for its broker at each start, which nobody could type.
    """
    if "redis_url" in settings.model_fields_set:
        return settings.redis_url
    running = find_running(settings.home)
    return (running and running.redis_url) or settings.redis_url
