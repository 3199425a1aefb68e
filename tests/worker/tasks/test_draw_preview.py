"""A worker that draws previews: real processes, forked beside its slots."""

from __future__ import annotations

import io
import threading

import psutil
import pytest
from PIL import Image

from core import previews
from core.jobs import drains
from core.jobs.actors import LOCAL_OWNER
from core.messaging.pubsub import NO_JOB
from core.protocol.orders import PreviewOrder
from core.spec import presets
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import process_of
from worker.processes.zygote import ZygoteGone
from worker.tasks import beside
from worker.tasks import draw_preview as drawing
from worker.tasks.draw_preview import Previews


@pytest.fixture
def drawer(context):
    """The previews of a worker; the test does each look."""
    return Previews(context)


@pytest.fixture
def working(context):
    """The previews of a worker, in their thread, woken through Redis."""
    made, stop = Previews(context), threading.Event()
    listener = threading.Thread(
        target=context.wakeups.listen, args=("preview", made.wake, stop), daemon=True
    )
    listener.start()
    made.start()
    yield made
    made.stop()
    stop.set()
    listener.join()


def ask(database, dataset="digits", seed=0):
    spec = presets.resolve(None, {"dataset": dataset, "seed": seed})
    return previews.ask(database, previews.request(spec))


def is_over(database, key):
    found = previews.find(database, key)
    return found.image or found.error


def test_a_preview_is_drawn_while_every_slot_is_taken(context, drawer, database):
    assert context.slots.take() is not None
    keys = [ask(database, seed=seed) for seed in range(2)]

    drawer._look()

    for key in keys:
        picture = previews.find(database, key).image
        assert Image.open(io.BytesIO(picture)).size == (230, 230)
    assert previews.find(database, keys[0]).image != previews.find(database, keys[1]).image


def test_no_process_and_no_file_is_left(context, zygote, drawer, database):
    before = set(process_of(zygote).children())
    scratch = set(zygote._scratch.iterdir())
    ask(database)

    drawer._look()

    wait_until_gone([p for p in process_of(zygote).children() if p not in before])
    assert set(zygote._scratch.iterdir()) == scratch


def test_what_cannot_be_drawn_says_why(drawer, database, monkeypatch, caplog):
    monkeypatch.setattr("core.asked.LEFT_TO_OTHERS_S", 0.0)
    key = ask(database, "mnist")

    wait_until(lambda: drawer._look() or is_over(database, key), "it is taken")

    assert previews.find(database, key).error.text == (
        "No worker has MNIST yet; it is fetched when the first run needs it."
    )
    assert "MNIST is not on this worker" in caplog.text


def test_what_others_may_have_is_left_to_them(drawer, database):
    key = ask(database, "mnist")

    drawer._look()

    assert previews.find(database, key).taken_at is None


def test_one_that_hangs_is_killed_and_the_next_is_drawn(
    context, drawer, database, monkeypatch, data_folder
):
    fork = context.spares.fork
    forked = []

    def hanging(slot):
        trainer = fork(slot)
        forked.append(psutil.Process(trainer.process_id))
        if len(forked) == 1:
            forked[0].suspend()
        return trainer

    monkeypatch.setattr(type(context.spares), "fork", lambda _self, slot: hanging(slot))
    monkeypatch.setattr(drawing, "TIME_LIMIT_S", 0.3)
    first = ask(database, seed=0)
    drawer._look()
    monkeypatch.undo()
    second = ask(database, seed=1)

    drawer._look()

    assert "not drawn within 0.3 s" in previews.find(database, first).error.text
    wait_until_gone(forked)
    assert previews.find(database, second).image


def test_one_whose_process_is_killed_says_so(context, drawer, database, monkeypatch, caplog):
    fork = type(context.spares).fork

    def dying(spares, slot):
        trainer = fork(spares, slot)
        trainer.reap(60)
        return trainer

    monkeypatch.setattr(type(context.spares), "fork", dying)
    key = ask(database)

    drawer._look()

    assert "ended early" in previews.find(database, key).error.text


def test_without_a_zygote_it_says_so(context, drawer, database, monkeypatch):
    def refuse(_spares, _slot):
        raise ZygoteGone("gone")

    monkeypatch.setattr(type(context.spares), "fork", refuse)
    key = ask(database)

    drawer._look()

    assert "cannot draw it now" in previews.find(database, key).error.text


def test_a_fault_of_our_own_is_logged_and_ends_nothing(drawer, database, monkeypatch, caplog):
    broken = ask(database, seed=0)
    monkeypatch.setattr(PreviewOrder, "__init__", lambda *_, **__: 1 / 0)
    drawer._look()
    monkeypatch.undo()
    key = ask(database, seed=1)

    drawer._look()

    assert "its log says why" in previews.find(database, broken).error.text
    assert "ZeroDivisionError" in caplog.text
    assert previews.find(database, key).image


def test_a_worker_that_drains_draws_nothing(context, drawer, database):
    key = ask(database)
    context.drain()

    drawer._look()

    assert previews.find(database, key).taken_at is None


def test_a_worker_that_somebody_drains_draws_nothing(drawer, database):
    key = ask(database)
    drains.drain(database, "test", LOCAL_OWNER)

    drawer._look()

    assert previews.find(database, key).taken_at is None


def test_a_wake_up_has_it_drawn_at_once(context, working, database, monkeypatch):
    key = ask(database)

    def is_drawn():
        context.wakeups.announce("preview", NO_JOB)  # again: nobody may listen yet
        return previews.find(database, key).image

    wait_until(is_drawn, "it is drawn", every=0.2)


def test_what_nobody_has_is_looked_for_again_soon(working, database):
    key = ask(database, "mnist")
    working.wake(NO_JOB)

    wait_until(lambda: is_over(database, key), "it is taken", timeout=beside.LOOK_EVERY_S / 2)

    assert "No worker has" in previews.find(database, key).error.text


def test_without_wake_ups_it_is_drawn_by_looking(context, database, monkeypatch):
    monkeypatch.setattr(beside, "LOOK_EVERY_S", 0.1)
    made = Previews(context)
    made.start()
    try:
        key = ask(database)
        wait_until(lambda: is_over(database, key), "it is drawn")
    finally:
        made.stop()

    assert previews.find(database, key).image


def test_a_stop_waits_for_nothing_that_hangs(context, database, monkeypatch):
    fork = type(context.spares).fork
    forked = []

    def hanging(spares, slot):
        trainer = fork(spares, slot)
        forked.append(psutil.Process(trainer.process_id))
        forked[0].suspend()
        return trainer

    monkeypatch.setattr(type(context.spares), "fork", hanging)
    made = Previews(context)
    made.start()
    key = ask(database)
    made.wake(NO_JOB)
    wait_until(lambda: forked, "it is being drawn")

    made.stop()

    assert "was stopped" in previews.find(database, key).error.text
    wait_until_gone(forked)


def test_old_ones_are_swept(drawer, database, monkeypatch):
    monkeypatch.setattr(previews, "KEPT_FOR_S", 0.0)
    key = ask(database)
    drawer._sweep_due = 0.0
    drawer._look()

    wait_until(lambda: drawer._look() or swept(drawer, database, key), "it is swept")


def swept(drawer, database, key):
    drawer._sweep_due = 0.0
    return previews.find(database, key) is None
