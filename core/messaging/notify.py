"""The notifier: Celery on Redis, telling idle workers that there is work in a queue.

A message carries no job, so a lost one costs a few seconds and a double one an empty query.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis
from celery import Celery
from kombu.exceptions import KombuError

from core.messaging.keys import PREFIX

TASK = "trainyard.look"

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE_S = 2.0


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
        # an app of its own for ringing: a submit must not wait as long as a listener may for a
        # Redis that takes connections and does not answer
        self._bell = celery_app(redis_url)
        self._bell.conf.broker_transport_options |= {
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
        }
        self._silent_until = 0.0

    def notify(self, queue: str) -> bool:
        """Say that there is work in `queue`. While Redis is away it seldom waits for it.

        Returns:
            Whether the notification went out. False is no failure: workers poll as well.
        """
        if self._clock() < self._silent_until:
            return False
        try:
            self._bell.send_task(TASK, queue=queue, retry=False, ignore_result=True, expires=3600)
        except (KombuError, redis.RedisError) as error:
            self._silent_until = self._clock() + PAUSE_AFTER_FAILURE_S
            has_answered = isinstance(error.__cause__ or error, redis.ResponseError)
            what = "refuses" if has_answered else "is away"
            log.warning("Redis %s, no worker was notified of queue %s: %s", what, queue, error)
            return False
        return True
