"""How often somebody may ask the API: so many times a minute, and every answer says what is left.

It is counted in Redis, for all processes of the web server together. While Redis is away nobody is
refused: the limit keeps a program that runs wild from the others' way, and guards no door. A stream
counts once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from flask import Flask, Response, g, request
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import TooManyRequests
from core.logs import get_logger
from core.messages import message
from core.messaging.keys import PREFIX
from core.settings import Settings
from webui.access import NOBODY
from webui.context import current

WINDOW_S = 60
PATIENCE_S = 0.1
"""How long a request waits for Redis: a count is not worth more."""
PAUSE_AFTER_FAILURE_S = 2.0
LONGEST_PAUSE_S = 60.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a share."""

    requests: int
    more_in_s: float
    """Seconds until it is more."""
    is_refused: bool = False


class Limiter:
    """Counts requests by a sliding window of a minute, in Redis. Connects when it is asked."""

    def __init__(
        self, most: int, redis_url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most = most
        self._clock = clock
        self._silent_until = 0.0
        self._pause_s = PAUSE_AFTER_FAILURE_S
        self._each = RateLimitItemPerMinute(most)
        pool = redis.ConnectionPool.from_url(
            redis_url,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
        )
        storage = RedisStorage(redis_url, connection_pool=pool, key_prefix=f"{PREFIX}requests")
        self._window = SlidingWindowCounterRateLimiter(storage)

    def take(self, who: str) -> Left | None:
        """Count a request, unless it is one too many: of those that are refused none counts.

        Returns:
            What is left; None where Redis does not say.
        """
        if self._clock() < self._silent_until:
            return None
        try:
            is_taken = self._window.hit(self._each, who)
            left = self._window.get_window_stats(self._each, who)
        except redis.RedisError as error:
            self._silent_until = self._clock() + self._pause_s
            log.warning("requests_not_counted", reason=str(error), again_in_s=self._pause_s)
            self._pause_s = min(LONGEST_PAUSE_S, 2.0 * self._pause_s)
            return None
        self._pause_s = PAUSE_AFTER_FAILURE_S
        more_in_s = max(0.0, left.reset_time - time.time())
        return Left(int(left.remaining) if is_taken else 0, more_in_s, is_refused=not is_taken)


def install(app: Flask, settings: Settings) -> None:
    """Let nobody ask an application's API more often than the settings say."""
    if not settings.most_requests:
        return
    limiter = Limiter(settings.most_requests, settings.redis_url)

    def count() -> None:
        if not request.path.startswith("/api/"):
            return
        g.left = left = limiter.take(_who())
        if left is not None and left.is_refused:
            reason = message("request.too_many", most=limiter.most)
            raise TooManyRequests(reason, left.more_in_s)

    def tell(response: Response) -> Response:
        left: Left | None = g.get("left")
        if left is not None:
            policy = f'"person";q={limiter.most};w={WINDOW_S}'
            response.headers["RateLimit-Policy"] = policy
            response.headers["RateLimit"] = f'"person";r={left.requests};t={int(left.more_in_s)}'
        return response

    app.before_request(count)
    app.after_request(tell)


def _who() -> str:
    """Whose share a request is of: a person's with all of their tokens, else an address's."""
    actor = current().actor
    return f"address {request.remote_addr}" if actor is NOBODY else f"{actor.kind} {actor.id}"
