"""The tokens that `trainyard login` keeps: in a file for its owner alone, one for each server."""

from __future__ import annotations

import json
import os
from pathlib import Path

from core.errors import TrainyardError
from core.messages import message
from core.settings import PRIVATE_FOLDER, Settings

FILE = "tokens.json"
_MODE = 0o600


def token_for(settings: Settings, url: str) -> str | None:
    """The token for a server: TRAINYARD_TOKEN, else the one that is kept; None: there is none."""
    if settings.token:
        return settings.token.get_secret_value()
    return _read(_path(settings)).get(url)


def servers(settings: Settings) -> list[str]:
    """The servers for which a token is kept."""
    return sorted(_read(_path(settings)))


def keep(settings: Settings, url: str, token: str) -> Path:
    """Keep a token for a server; the file in which it is.

    Raises:
        TrainyardError: it cannot be written.
    """
    path = _path(settings)
    _write(path, _read(path) | {url: token})
    return path


def forget(settings: Settings, url: str) -> bool:
    """Keep the token for a server no more; whether there was one."""
    path = _path(settings)
    kept = _read(path)
    if kept.pop(url, None) is None:
        return False
    _write(path, kept)
    return True


def _path(settings: Settings) -> Path:
    return settings.home / FILE


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TrainyardError(
            message("client.tokens_unreadable", path=str(path), detail=str(error))
        ) from error
    return {str(url): str(token) for url, token in dict(found).items()}


def _write(path: Path, kept: dict[str, str]) -> None:
    """Replace the file as a whole; nobody else could read it at any moment."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        scratch.touch(mode=_MODE)
        scratch.write_text(json.dumps(kept, indent=2))
        scratch.replace(path)
    except OSError as error:
        detail = error.strerror or str(error)
        reason = message("client.not_writable", path=str(path), detail=detail)
        raise TrainyardError(reason) from error
