"""The notifier: real Redis, full Redis, and Redis away."""

import json

import pytest
import redis

from core.messaging.notify import PAUSE_AFTER_FAILURE_S, Notifier, celery_app
from core.messaging.pubsub import Wakeups
from tests.services import wait_until

NOBODY = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("queue", ["default", "gpu-2.a_b"])
def test_a_notification_is_one_message_that_carries_no_job(redis_url, queue):
    assert Notifier(redis_url).notify(queue)

    with redis.Redis.from_url(redis_url) as connection:
        [message] = connection.lrange(f"trainyard:{queue}", 0, -1)
    sent = json.loads(message)
    assert sent["headers"]["task"] == "trainyard.look"
    assert (sent["headers"]["argsrepr"], sent["headers"]["kwargsrepr"]) == ("()", "{}")
    assert sent["headers"]["expires"]  # messages for a queue that nobody serves do not pile up
    assert sent["content-type"] == "application/json"


def test_each_notification_goes_to_its_own_queue(redis_url):
    notifier = Notifier(redis_url)
    for queue in ("a", "b", "a"):
        notifier.notify(queue)

    with redis.Redis.from_url(redis_url) as connection:
        assert [connection.llen(f"trainyard:{name}") for name in "ab"] == [2, 1]


def test_everything_on_redis_has_a_prefix_so_that_no_other_program_is_hurt(redis_url):
    """Another Celery application may have a queue of the same name in the same database."""
    Notifier(redis_url).notify("default")
    wakeups = Wakeups(redis_url)
    assert wakeups.trouble(["default"]) is None

    with redis.Redis.from_url(redis_url, decode_responses=True) as connection:
        keys = connection.keys()
    assert keys
    assert [key for key in keys if not key.startswith("trainyard:")] == []


def test_a_queue_whose_key_is_of_another_type_raises_nothing_and_is_told(redis_url, caplog):
    with redis.Redis.from_url(redis_url) as connection:
        connection.set("trainyard:default", "a string")

    assert not Notifier(redis_url).notify("default")

    assert "Redis refuses" in caplog.text
    assert "WRONGTYPE" in caplog.text


def test_while_redis_is_away_nothing_is_raised_and_it_is_not_tried_again_before_a_pause(caplog):
    now = [100.0]
    notifier = Notifier(NOBODY, clock=lambda: now[0])

    assert not any(notifier.notify("default") for _ in range(100))
    assert len(caplog.records) == 1
    assert "no worker was notified of queue default" in caplog.text

    now[0] += PAUSE_AFTER_FAILURE_S
    assert not notifier.notify("default")
    assert len(caplog.records) == 2


def test_a_notification_that_redis_refuses_raises_nothing(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        connection.config_set("maxmemory", "1")
        try:
            assert not Notifier(redis_url).notify("default")
        finally:
            connection.config_set("maxmemory", "0")


def test_a_notifier_works_again_once_redis_is_back(redis_server, redis_url):
    notifier = Notifier(redis_url)
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
