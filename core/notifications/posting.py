"""Sends a message to a web server that nobody here has to trust.

It follows no redirect and no proxy, connects to an address that was looked at, reads little of the
answer, and ends in any case after some seconds, also where a byte comes now and then.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpcore
import httpx

from core.characters import has_controls
from core.database.models import ANSWER_LENGTH
from core.messages import message
from core.notifications.addresses import Refused, parsed, permitted

TIMEOUT_S = 15.0
READ_BYTES = 4096
AGENT = "Trainyard"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    body: bytes = b""
    """Its beginning."""
    retry_after_s: float = 0.0
    """How long it wants to be left alone."""

    @property
    def is_good(self) -> bool:
        """Whether the message arrived. A redirect is none of these."""
        return 200 <= self.status < 300

    @property
    def excerpt(self) -> str:
        """The beginning of the answer, on one line."""
        text = " ".join(self.body.decode("utf-8", "replace").split())
        return "".join(" " if has_controls(each) else each for each in text)[:ANSWER_LENGTH]


def post(
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    allowed: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
    *,
    only: bool = False,
) -> Answer:
    """Send a JSON body.

    Args:
        address: of http or https.
        body: what is sent.
        headers: besides those of every request.
        allowed: names and networks that may be reached though they are private.
        timeout_s: for all of it, from the connection to the answer.
        only: whether no others may be reached.

    Raises:
        Refused: the message may not go there, or no answer came.
    """
    parsed(address)
    backend = _Backend(allowed, time.monotonic() + timeout_s, only=only)
    sent: dict[str, str] = {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Connection": "close",
    }
    try:
        with (
            httpcore.ConnectionPool(_trusted(), network_backend=backend) as pool,
            pool.stream(
                "POST", address, headers=list({**sent, **headers}.items()), content=body
            ) as response,
        ):
            beginning = _beginning(response.iter_stream())
            return Answer(response.status, beginning, _retry_after(response.headers))
    except httpcore.TimeoutException:
        raise Refused(message("delivery.too_slow", limit_s=timeout_s)) from None
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise Refused(message("delivery.no_answer", detail=_detail(error))) from None


@cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _detail(error: Exception) -> str:
    return (str(error) or type(error).__name__)[: ANSWER_LENGTH // 2]


def _beginning(parts: Iterable[bytes]) -> bytes:
    read = b""
    for part in parts:
        read += part
        if len(read) >= READ_BYTES:
            break
    return read[:READ_BYTES]


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float:
    """Seconds, or those until a moment; what cannot be read asks for nothing."""
    named = {name.lower(): value.decode("ascii", "replace") for name, value in headers}
    text = named.get(b"retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 9:
        return float(text)
    try:
        # by the receiver's own clock, where it shows it
        until = parsedate_to_datetime(text)
        since = parsedate_to_datetime(named.get(b"date", ""))
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError):
        return 0.0


class _Backend(httpcore.NetworkBackend):
    """Connects to permitted addresses alone, until a moment."""

    def __init__(self, allowed: Sequence[str], deadline: float, *, only: bool) -> None:
        self._allowed = allowed
        self._only = only
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  (the deadline is for all of it)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = Refused(message("webhook.unknown_host", host=host))
        for address in permitted(host, port, self._allowed, only=self._only):
            try:
                left = _left(self._deadline, httpcore.ConnectTimeout)
                inner = httpcore.SyncBackend().connect_tcp(
                    address, port, left, local_address, socket_options
                )
                return _Stream(inner, self._deadline)
            except httpcore.ConnectError as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection on which nothing lasts longer than until a moment."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._inner.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._inner.write(buffer, _left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002  (the deadline is for all of it)
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        # the name of the address, not the number that it was looked up as
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float, late: type[httpcore.TimeoutException]) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise late
    return left_s
