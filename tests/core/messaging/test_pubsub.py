"""Wake-ups: real Redis, Redis that comes back, and Redis away."""

import logging
import threading
from contextlib import contextmanager

import pytest
import redis

from core.messaging.pubsub import PAUSE_AFTER_FAILURE_S, Wakeups
from tests.services import wait_until

NOBODY = "redis://127.0.0.1:1/0"


@contextmanager
def listening(wakeups, topic="asked"):
    """Yields the wake-ups that are received, as they come."""
    received, stop = [], threading.Event()
    listener = threading.Thread(target=wakeups.listen, args=(topic, received.append, stop))
    listener.start()
    try:
        yield received
    finally:
        stop.set()
        listener.join()


def announce_until_received(wakeups, received, *announcements):
    def is_received():
        for topic, job_id in announcements:
            wakeups.announce(topic, job_id)
        return announcements[-1][1] in received

    wait_until(is_received, "the wake-up is received")


def test_a_wake_up_is_received_by_its_topic_alone(redis_url):
    wakeups = Wakeups(redis_url)
    with listening(wakeups) as received:
        announce_until_received(wakeups, received, ("changed", 1), ("asked", 2))

    assert set(received) == {2}


def test_every_listener_receives_each_wake_up(redis_url):
    wakeups = Wakeups(redis_url)
    with listening(wakeups) as one, listening(Wakeups(redis_url)) as other:
        announce_until_received(wakeups, one, ("asked", 1))
        announce_until_received(wakeups, other, ("asked", 2))


def test_databases_of_one_server_do_not_receive_each_others_wake_ups(redis_url):
    here, there = Wakeups(redis_url), Wakeups(redis_url.removesuffix("0") + "1")
    with listening(here) as received:
        there.announce("asked", 1)
        announce_until_received(here, received, ("asked", 2))
        there.announce("asked", 1)
        announce_until_received(here, received, ("asked", 3))

    assert 1 not in received


def test_a_message_that_is_no_wake_up_ends_no_listener(redis_url):
    wakeups = Wakeups(redis_url)
    with listening(wakeups) as received, redis.Redis.from_url(redis_url) as connection:
        announce_until_received(wakeups, received, ("asked", 1))
        connection.publish("trainyard:0:asked", "not a number")
        announce_until_received(wakeups, received, ("asked", 2))


def test_a_listener_comes_back_after_redis_did(redis_server):
    redis_server.flush()
    wakeups = Wakeups(redis_server.url)
    with listening(wakeups) as received:
        announce_until_received(wakeups, received, ("asked", 1))
        redis_server.stop()
        wakeups.announce("asked", 2)  # nobody is there: nothing is raised
        redis_server.start()
        announce_until_received(wakeups, received, ("asked", 3))


def test_a_listener_can_be_stopped_while_redis_is_away(caplog):
    caplog.set_level(logging.DEBUG, "core.messaging.pubsub")
    with listening(Wakeups(NOBODY)):
        wait_until(lambda: "wake-ups are not" in caplog.text, "it has met no Redis")


def test_while_redis_is_away_wake_ups_do_not_try_it_again_before_a_pause(monkeypatch):
    now, tries = [100.0], []
    wakeups = Wakeups(NOBODY, clock=lambda: now[0])
    publish = wakeups._redis.publish

    def counted(*arguments):
        tries.append(arguments)
        return publish(*arguments)

    monkeypatch.setattr(wakeups._redis, "publish", counted)

    for _ in range(100):
        wakeups.announce("changed", 1)
    assert len(tries) == 1

    now[0] += PAUSE_AFTER_FAILURE_S
    wakeups.announce("changed", 1)
    assert len(tries) == 2


@pytest.mark.parametrize("is_there", [True, False])
def test_whether_redis_answers_can_be_asked(redis_url, is_there):
    assert Wakeups(redis_url if is_there else NOBODY).check() is is_there


def test_a_redis_that_is_away_is_told_as_away():
    assert Wakeups(NOBODY).trouble().code == "redis.away"


def test_a_key_of_another_type_is_a_refusal(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        connection.set("trainyard:gpu", "a string")
    wakeups = Wakeups(redis_url)

    assert wakeups.trouble(["default"]) is None
    refusal = wakeups.trouble(["default", "gpu"])
    assert refusal.code == "redis.refuses"
    assert "WRONGTYPE" in refusal.text


def test_a_replica_that_only_reads_is_a_refusal(read_only_redis):
    refusal = Wakeups(read_only_redis).trouble()

    assert refusal.code == "redis.refuses"
    assert "read only" in refusal.text


def test_a_password_that_is_missing_is_a_refusal(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        connection.config_set("requirepass", "secret")
        try:
            assert Wakeups(redis_url).trouble().code == "redis.refuses"
        finally:
            connection.execute_command("AUTH", "secret")
            connection.config_set("requirepass", "")
