"""Wake-ups: "job N has changed", "something is asked of job N", by Redis publish and subscribe.

They only make watchers look sooner. Whoever waits for one also looks by itself every few
seconds, so a lost wake-up, or no Redis at all, costs a delay and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

import redis

from core.messages import Message, message
from core.messaging.keys import PREFIX, of_queue

Topic = Literal["changed", "asked", "preview", "derived"]
"""`changed` is for those who watch a job, `asked` for the worker that runs it, `preview` and
`derived` for any worker: they are of no job, and their number is `NO_JOB`."""

NO_JOB = 0

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE_S = 2.0
LONGEST_PAUSE_S = 10.0
PROBE_MS = 10_000


class Wakeups:
    """Sends and hears wake-ups. Subscribers of one Redis database hear each other only."""

    def __init__(self, redis_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=2, socket_connect_timeout=1, health_check_interval=0
        )
        number = self._redis.connection_pool.connection_kwargs.get("db", 0)
        self._prefix = f"{PREFIX}{number}"
        self._silent_until = 0.0

    def announce(self, topic: Topic, job_id: int) -> None:
        """Send a wake-up. Never fails and, while Redis is away, seldom waits."""
        if self._clock() < self._silent_until:
            return
        try:
            self._redis.publish(self._channel(topic), str(job_id))
        except redis.RedisError as error:
            self._silent_until = self._clock() + PAUSE_AFTER_FAILURE_S
            log.debug("no wake-up for job %s: %s", job_id, error)

    def check(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False

    def trouble(self, queues: Iterable[str] = ()) -> Message | None:
        """What is wrong with Redis; None where it takes what we write, and lists wait in its keys.

        Args:
            queues: those whose keys are looked at.
        """
        try:
            self._redis.set(f"{PREFIX}probe", 1, px=PROBE_MS)
            for queue in queues:
                self._redis.llen(of_queue(queue))
        except (redis.ResponseError, redis.AuthenticationError) as error:
            return message("redis.refuses", detail=str(error))
        except redis.RedisError:
            return message("redis.away")
        return None

    def listen(self, topic: Topic, hear: Callable[[int], None], stop: threading.Event) -> None:
        """Call `hear(job_id)` at each wake-up of a topic until `stop` is set; reconnects."""
        pause = 0.1
        while not stop.is_set():
            try:
                with self._subscription() as channel:
                    channel.subscribe(self._channel(topic))
                    while not stop.is_set():
                        message = channel.get_message(timeout=1.0)
                        pause = 0.1
                        if message is not None and message["type"] == "message":
                            hear(int(message["data"]))
            except (redis.RedisError, ValueError) as error:
                # an answer that refuses them is nothing that passes: whoever can change it is told
                level = logging.WARNING if isinstance(error, redis.ResponseError) else logging.DEBUG
                log.log(level, "wake-ups are not received: %s", error)
                stop.wait(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)

    def _subscription(self) -> Any:
        return self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

    def _channel(self, topic: Topic) -> str:
        return f"{self._prefix}:{topic}"
