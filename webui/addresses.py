"""Addresses that a browser names, read with care: where it came from, where it goes back to.

And the names of cookies, which say for which address they are.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from flask import request

_NOWHERE = urlsplit("")


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
