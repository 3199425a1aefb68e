"""The notifier: real Redis, full Redis, and Redis away."""

import json
import time

import pytest
import redis

from core.messaging.notify import Notifier, celery_app
from tests.services import wait_until

NOBODY = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("queue", ["default", "gpu-2.a_b"])
def test_a_ring_is_one_message_that_carries_no_job(redis_url, queue):
    assert Notifier(redis_url).notify(queue)

    with redis.Redis.from_url(redis_url) as connection:
        [message] = connection.lrange(queue, 0, -1)
    told = json.loads(message)
    assert told["headers"]["task"] == "trainyard.look"
    assert (told["headers"]["argsrepr"], told["headers"]["kwargsrepr"]) == ("()", "{}")
    assert told["headers"]["expires"]  # rings for a queue that nobody serves do not pile up
    assert told["content-type"] == "application/json"


def test_each_ring_is_heard_by_its_own_queue(redis_url):
    notifier = Notifier(redis_url)
    for queue in ("a", "b", "a"):
        notifier.notify(queue)

    with redis.Redis.from_url(redis_url) as connection:
        assert (connection.llen("a"), connection.llen("b")) == (2, 1)


def test_a_ring_with_redis_away_returns_soon_and_raises_nothing(caplog):
    began = time.monotonic()

    assert not Notifier(NOBODY).notify("default")

    assert time.monotonic() - began < 5
    assert "no worker was notified of queue default" in caplog.text


def test_a_ring_that_redis_refuses_raises_nothing(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        connection.config_set("maxmemory", "1")
        try:
            assert not Notifier(redis_url).notify("default")
        finally:
            connection.config_set("maxmemory", "0")


def test_a_doorbell_works_again_once_redis_is_back(redis_server):
    notifier = Notifier(redis_server.url)
    assert notifier.notify("default")
    redis_server.stop()
    assert not notifier.notify("default")
    redis_server.start()

    wait_until(lambda: notifier.notify("default"), "the notifier works again", 10)


def test_settings_that_keep_a_long_run_from_being_run_twice():
    conf = celery_app(NOBODY).conf

    assert conf.task_acks_late is False
    assert conf.worker_disable_prefetch is True
    assert conf.worker_prefetch_multiplier == 1
    assert conf.result_backend is None
    assert conf.accept_content == ["json"]
