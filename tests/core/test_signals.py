"""The doorbell and the wake-ups: real Redis, and Redis away."""

import json
import threading
import time

import redis

from core.doorbell import Doorbell
from core.wakeup import Wakeups
from tests.services import wait_until

NOBODY = "redis://127.0.0.1:1/0"


def test_a_ring_is_one_message_that_carries_no_job(redis_url):
    assert Doorbell(redis_url).ring("default")

    with redis.Redis.from_url(redis_url) as connection:
        [message] = connection.lrange("default", 0, -1)
    headers = json.loads(message)["headers"]
    assert headers["task"] == "trainyard.look"
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("()", "{}")


def test_a_ring_with_redis_away_returns_soon_and_raises_nothing():
    began = time.monotonic()

    assert not Doorbell(NOBODY).ring("default")

    assert time.monotonic() - began < 5


def test_a_wake_up_is_heard_by_its_topic_alone(redis_url):
    wakeups, heard, stop = Wakeups(redis_url), [], threading.Event()
    listener = threading.Thread(target=wakeups.listen, args=("asked", heard.append, stop))
    listener.start()

    def is_heard():
        wakeups.announce("changed", 1)
        wakeups.announce("asked", 2)
        return heard

    wait_until(is_heard, "the wake-up is heard")
    stop.set()
    listener.join()
    assert set(heard) == {2}


def test_a_listener_comes_back_after_redis_did(redis_server):
    redis_server.flush()
    wakeups, heard, stop = Wakeups(redis_server.url), [], threading.Event()
    listener = threading.Thread(target=wakeups.listen, args=("asked", heard.append, stop))
    listener.start()
    redis_server.stop()
    wakeups.announce("asked", 1)  # nobody is there: nothing is raised
    redis_server.start()

    def is_heard():
        wakeups.announce("asked", 2)
        return 2 in heard

    wait_until(is_heard, "the listener is back")
    stop.set()
    listener.join()


def test_a_wake_up_with_redis_away_costs_next_to_nothing():
    wakeups = Wakeups(NOBODY)
    began = time.monotonic()

    for _ in range(100):
        wakeups.announce("changed", 1)

    assert time.monotonic() - began < 3
    assert not wakeups.check()
