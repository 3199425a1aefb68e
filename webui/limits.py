"""How often somebody may ask the API: so many times a minute, and every answer says what is left.

It is counted in the memory of this server, which is one process: nothing has to be asked for it,
and after a restart everybody has a whole share. A stream counts once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, g, request

from core.errors import TooManyRequests
from core.messages import message
from core.settings import Settings
from webui.access import NOBODY
from webui.context import current

WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a share."""

    requests: int
    whole_in_s: float
    """Seconds until the next count starts."""
    is_refused: bool = False


class Limiter:
    """Counts requests by minutes; the last minute counts with the part of it that is not over."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        self._now: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def take(self, who: str) -> Left:
        """Count a request, unless it is one too many: of those that are refused none counts."""
        with self._lock:
            number, part = divmod(self._clock() / WINDOW_S, 1.0)
            self._turn_to(int(number))
            used = self._before[who] * (1.0 - part) + self._now[who]
            rest_s = (1.0 - part) * WINDOW_S
            if used + 1 > self.most:
                return Left(0, rest_s, is_refused=True)
            self._now[who] += 1
            return Left(int(self.most - used - 1), rest_s)

    def _turn_to(self, number: int) -> None:
        if number == self._number:
            return
        self._before = self._now if number == self._number + 1 else Counter()
        self._now, self._number = Counter(), number


def install(app: Flask, settings: Settings) -> None:
    """Let nobody ask an application's API more often than the settings say."""
    if not settings.most_requests:
        return
    limiter = Limiter(settings.most_requests)

    def count() -> None:
        if not request.path.startswith("/api/"):
            return
        g.left = left = limiter.take(_who())
        if left.is_refused:
            reason = message("request.too_many", most=limiter.most)
            raise TooManyRequests(reason, left.whole_in_s)

    def tell(response: Response) -> Response:
        left: Left | None = g.get("left")
        if left is not None:
            policy = f'"person";q={limiter.most};w={int(WINDOW_S)}'
            response.headers["RateLimit-Policy"] = policy
            response.headers["RateLimit"] = f'"person";r={left.requests};t={int(left.whole_in_s)}'
        return response

    app.before_request(count)
    app.after_request(tell)


def _who() -> str:
    """Whose share a request is of: a person's with all of their tokens, else an address's."""
    actor = current().actor
    return f"address {request.remote_addr}" if actor is NOBODY else f"{actor.kind} {actor.id}"
