"""Previews: who draws which, what is drawn again, and what is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from core import previews
from core.asked import LEFT_TO_OTHERS_S, key_of
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Preview
from core.messages import plain
from core.spec import presets
from tests.core.conftest import lose_the_answer_to_the_next_commit

DIGITS = ["digits"]


def request(seed=0, **changes):
    spec = presets.resolve(None, {"dataset": "digits", "seed": seed} | changes)
    return previews.request(spec)


def age(database, key, seconds, column="asked_at"):
    with database.writing() as session:
        session.execute(update(Preview).where(Preview.key == key).values({column: now(-seconds)}))


def count(database):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Preview))


def test_what_is_asked_for_is_what_decides_the_images_and_nothing_else():
    asked = request(augmentation={"kind": "handwriting", "rotation": 20}, epochs=7)

    assert asked.keys() == {"dataset", "augmentation", "seed"}
    assert asked["augmentation"]["rotation"] == 20.0


def test_equal_requests_have_one_key_and_others_another():
    assert key_of(request()) == key_of(dict(reversed(request().items())))
    assert key_of(request()) != key_of(request(seed=1))
    assert len(key_of(request())) == 64


def test_a_preview_is_asked_for_taken_and_finished(database):
    key = previews.ask(database, request())
    assert previews.find(database, key).taken_at is None

    assert previews.take(database, DIGITS) == (key, request())
    assert previews.find(database, key).taken_at is not None
    assert previews.take(database, DIGITS) is None
    previews.finish(database, key, b"a picture")

    assert previews.find(database, key).image == b"a picture"


def test_what_nobody_asked_for_is_not_found(database):
    assert previews.find(database, key_of(request())) is None


def test_the_oldest_is_taken_first(database):
    keys = [previews.ask(database, request(seed)) for seed in range(3)]
    for seconds, key in enumerate(keys):
        age(database, key, seconds)

    taken = [previews.take(database, DIGITS)[0] for _ in keys]

    assert taken == keys[::-1]


def test_takers_at_once_never_take_one_twice(database, database_address):
    keys = [previews.ask(database, request(seed)) for seed in range(20)]

    def take_all(_number):
        with Database(database_address) as own:
            return [key for key, _ in iter(lambda: previews.take(own, DIGITS), None)]

    with ThreadPoolExecutor(5) as pool:
        taken = [key for found in pool.map(take_all, range(5)) for key in found]

    assert sorted(taken) == sorted(keys)


def test_askers_at_once_ask_for_one_row(database, database_address):
    def ask(_number):
        with Database(database_address) as own:
            return previews.ask(own, request())

    with ThreadPoolExecutor(5) as pool:
        keys = set(pool.map(ask, range(5)))

    assert len(keys) == count(database) == 1


def test_a_worker_without_the_dataset_leaves_it_to_those_that_have_it(database):
    key = previews.ask(database, request())

    assert previews.take(database, []) is None
    assert previews.take(database, ["mnist"]) is None
    age(database, key, LEFT_TO_OTHERS_S + 1)
    assert previews.take(database, ["mnist"], elsewhere=DIGITS) is None

    assert previews.take(database, ["mnist"]) == (key, request())


def test_what_is_drawn_or_being_drawn_is_not_drawn_again(database):
    key = previews.ask(database, request())
    previews.take(database, DIGITS)

    previews.ask(database, request())
    assert previews.take(database, DIGITS) is None
    previews.finish(database, key, b"a picture")
    age(database, key, 60, "taken_at")
    previews.ask(database, request())

    assert previews.take(database, DIGITS) is None
    assert previews.find(database, key).image == b"a picture"


def test_a_failed_preview_is_drawn_again_when_it_is_requested_again(database):
    key = previews.ask(database, request())
    previews.take(database, DIGITS)
    previews.fail(database, key, plain("the disk is\0 full"))
    assert previews.find(database, key).error == plain("the disk is\N{SYMBOL FOR NULL} full")
    assert previews.take(database, DIGITS) is None

    previews.ask(database, request())

    assert previews.find(database, key).error is None
    assert previews.take(database, DIGITS) == (key, request())


def test_a_preview_that_killed_its_worker_is_drawn_again_when_it_is_requested_again(database):
    key = previews.ask(database, request())
    previews.take(database, DIGITS)
    age(database, key, previews.FORGOTTEN_AFTER_S + 1, "taken_at")
    assert previews.take(database, DIGITS) is None

    previews.ask(database, request())

    assert previews.take(database, DIGITS) == (key, request())


def test_who_fails_late_takes_no_picture_away(database):
    key = previews.ask(database, request())
    previews.finish(database, key, b"a picture")

    previews.fail(database, key, plain("too late"))

    found = previews.find(database, key)
    assert (found.image, found.error) == (b"a picture", None)


def test_a_take_whose_answer_was_lost_is_forgotten_and_not_taken_twice(database):
    previews.ask(database, request())
    lose_the_answer_to_the_next_commit(database)

    with pytest.raises(Exception, match="lost"):
        previews.take(database, DIGITS)

    assert previews.take(database, DIGITS) is None


def test_a_sweep_deletes_what_is_older_than_a_day(database):
    old, young = (previews.ask(database, request(seed)) for seed in range(2))
    age(database, old, previews.KEPT_FOR_S + 60)
    age(database, young, previews.KEPT_FOR_S - 60)

    previews.sweep(database)

    assert previews.find(database, old) is None
    assert previews.find(database, young) is not None


def test_a_sweep_keeps_the_newest_only(database, monkeypatch):
    monkeypatch.setattr(previews, "MOST_KEPT", 3)
    keys = [previews.ask(database, request(seed)) for seed in range(5)]
    for seconds, key in enumerate(keys):
        age(database, key, seconds)

    previews.sweep(database)

    assert [previews.find(database, key) is not None for key in keys] == [True] * 3 + [False] * 2


def test_whoever_asks_for_very_many_keeps_nobody_waiting_for_long(database, monkeypatch):
    monkeypatch.setattr(previews, "MOST_WAITING", 3)
    drawn = previews.ask(database, request(99))
    previews.take(database, DIGITS)
    keys = []
    for seed in range(6):
        keys.append(previews.ask(database, request(seed)))
        age(database, keys[-1], 60 - seed)

    assert count(database) == 4
    assert previews.find(database, drawn) is not None
    assert [previews.find(database, key) is not None for key in keys] == [False] * 3 + [True] * 3
