"""The notifier: Celery on Redis, telling idle workers that there is work in a queue.

A message carries no job, so a lost one costs a few seconds and a double one an empty query.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.messaging.keys import PREFIX, of_queue

TASK = "trainyard.look"

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE_S = 2.0
EXPIRES_S = 3600
"""Messages for a queue that nobody serves are dropped by whoever reads them later."""


def celery_app(redis_url: str) -> Celery:
    """The Celery application that web, terminal and worker share. Connects to nothing yet."""
    app = Celery("trainyard", broker=redis_url, set_as_current=False)
    app.conf.update(
        # a message is an empty shell: nothing but JSON is needed, nothing else is accepted
        task_serializer="json",
        accept_content=["json"],
        # the result of a run is in the database
        task_ignore_result=True,
        result_backend=None,
        # acknowledged on receipt: a notification that is lost is made up for by polling, one
        # that is delivered twice would only ask twice
        task_acks_late=False,
        # a busy worker leaves messages in Redis for an idle one
        worker_prefetch_multiplier=1,
        # of tasks that are acknowledged late, and there are none: without it each loss of Redis
        # writes a warning into the log
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_disable_prefetch=True,
        # run state comes from the database alone: no events, no remote control
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        # keep trying for ever, at the start and after a loss
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # also where Redis answers with an error (a replica that only reads, a key of another
        # type): such errors count as those of a channel, and would end the worker
        broker_channel_error_retry=True,
        broker_transport_options={
            "global_keyprefix": PREFIX,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            # kombu would try for six seconds by default: a submit must not wait for Redis
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
        },
        # a web process that loses Redis must not wait in a submit
        task_publish_retry=False,
        # queues are made by being named
        task_create_missing_queues=True,
        task_default_queue="default",
        # logging is ours
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


class Notifier:
    """Rings for a queue."""

    def __init__(self, redis_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.app = celery_app(redis_url)
        # a connection of its own: a submit must not wait as long as a listener may for a Redis
        # that takes connections and does not answer
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 1)
        )
        self._shells: dict[str, str] = {}
        self._silent_until = 0.0

    def notify(self, queue: str) -> bool:
        """Say that there is work in `queue`. While Redis is away it seldom waits for it.

        Returns:
            Whether the notification went out. False is no failure: workers poll as well.
        """
        if self._clock() < self._silent_until:
            return False
        try:
            self._redis.lpush(of_queue(queue), self._message(queue))
        except redis.RedisError as error:
            self._silent_until = self._clock() + PAUSE_AFTER_FAILURE_S
            has_answered = isinstance(error, redis.ResponseError)
            what = "refuses" if has_answered else "is away"
            log.warning("Redis %s, no worker was notified of queue %s: %s", what, queue, error)
            return False
        return True

    def _message(self, queue: str) -> str:
        """A message as Celery writes it, with ids of its own.

        Celery takes ten times as long for one as Redis for taking it. All that differs between two
        of them are the ids and when they expire: a queue's is written by Celery once, into memory.
        """
        if queue not in self._shells:
            self._shells[queue] = json.dumps(_written_by_celery(queue))
        made = json.loads(self._shells[queue])
        headers, properties, own = made["headers"], made["properties"], str(uuid.uuid4())
        headers["id"] = headers["root_id"] = properties["correlation_id"] = own
        headers["expires"] = (datetime.now(UTC) + timedelta(seconds=EXPIRES_S)).isoformat()
        properties["delivery_tag"] = str(uuid.uuid4())
        return json.dumps(made)


def _written_by_celery(queue: str) -> dict[str, Any]:
    app = celery_app("memory://")
    with app.connection_for_write() as connection:
        options = {"retry": False, "ignore_result": True, "expires": EXPIRES_S}
        app.send_task(TASK, queue=queue, connection=connection, **options)
        written: dict[str, Any] = connection.default_channel._get(queue)  # noqa: SLF001
    return written
