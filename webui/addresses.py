"""Addresses that a browser names, read with care: where it came from, where it goes back to.

And what belongs to addresses of ours: the names of their cookies, how much may be sent to them.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from flask import request

_NOWHERE = urlsplit("")

LARGEST_BODY = 1024 * 1024
"""Bytes of a request's body."""
BULK = "/api/v1/jobs/bulk"
LARGEST_BULK = 4 * 1024 * 1024
"""Bytes of a body that submits several runs."""


def largest_body(path: str) -> int:
    """How many bytes a body may have that is sent to an address."""
    return LARGEST_BULK if path == BULK else LARGEST_BODY


def host_only(cookie: str) -> str:
    """The name of a cookie: browsers take `__Host-` from TLS alone, and keep it to one host."""
    return f"{'__Host-' if request.is_secure else ''}{cookie}"


def came_from() -> SplitResult:
    """The page that a request came from, of this server; an empty address where it was none."""
    parts = _split(request.referrer or "")
    return parts._replace(scheme="", netloc="") if parts.netloc == request.host else _NOWHERE


def own(address: str) -> str | None:
    """An address without a host, as it is; None where a browser could take it for another server's.

    Two slashes begin a host, and browsers read a backslash as a slash and leave some signs out.
    """
    parts = _split(address)
    leads_away = parts.scheme or parts.netloc or address[1:2] in ("/", "\\")
    is_plain = address.isprintable() and "\\" not in address
    return address if address.startswith("/") and is_plain and not leads_away else None


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # such as brackets that do not close
        return _NOWHERE
