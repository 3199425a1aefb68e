"""When a trainer is taken to hang, and when it is only slow."""

from __future__ import annotations

import math

import pytest

from core.protocol.pulse import Pulse
from worker.supervisor.progress import LONGEST_LOOK_S, LOOK_EVERY_S, STEPS, ProgressWatch

SHORTEST_S = 60.0


class Process:
    """A trainer whose pulse and troubles a test makes."""

    def __init__(self):
        self.pulse = Pulse()
        self.held_up = 0.0
        """Seconds of each look in which it could not get on."""

    def held_up_s(self):
        return self.held_up


@pytest.fixture
def trainer():
    made = Process()
    made.pulse.enter("training")
    return made


@pytest.fixture
def watch(trainer, clock):
    return ProgressWatch(trainer, SHORTEST_S, clock)


def look_for(watch, clock, seconds, every=LOOK_EVERY_S):
    """Look as often as a supervisor does; the first hang that is seen, and after how long."""
    began = clock.now
    while clock.now < began + seconds:
        clock.now += every
        hang = watch.look()
        if hang is not None:
            return hang, clock.now - began
    return None


def test_silence_for_longer_than_the_limit_is_a_hang(watch, clock):
    hang, after = look_for(watch, clock, 10 * SHORTEST_S)

    assert (hang.phase, hang.silent_s) == ("training", SHORTEST_S)
    assert after == SHORTEST_S


def test_whoever_gets_on_does_not_hang(watch, trainer, clock):
    for _ in range(10):
        assert look_for(watch, clock, SHORTEST_S - LOOK_EVERY_S) is None
        trainer.pulse.beat()


def test_the_limit_grows_with_the_longest_step(watch, trainer, clock):
    a_step = SHORTEST_S / 2
    assert look_for(watch, clock, a_step) is None
    trainer.pulse.beat()
    assert look_for(watch, clock, LOOK_EVERY_S) is None

    _, after = look_for(watch, clock, 100 * STEPS * a_step)

    assert after == pytest.approx(STEPS * a_step, rel=0.1)


def test_many_short_steps_between_two_looks_are_not_taken_for_a_long_one(watch, trainer, clock):
    for _ in range(10):
        for _ in range(1000):
            trainer.pulse.beat()
        assert look_for(watch, clock, LOOK_EVERY_S) is None

    _, after = look_for(watch, clock, 10 * SHORTEST_S)

    assert after == SHORTEST_S


def test_what_was_learnt_of_one_phase_is_not_held_against_another(watch, trainer, clock):
    look_for(watch, clock, SHORTEST_S / 2)
    trainer.pulse.enter("evaluating")
    look_for(watch, clock, LOOK_EVERY_S)

    hang, after = look_for(watch, clock, 10 * SHORTEST_S)

    assert (hang.phase, after) == ("evaluating", SHORTEST_S)


@pytest.mark.parametrize("phase", ["starting", "downloading", "compiling", "saving", "exporting"])
def test_what_takes_long_by_itself_has_a_longer_limit(watch, trainer, clock, phase):
    trainer.pulse.enter(phase)
    look_for(watch, clock, LOOK_EVERY_S)

    assert look_for(watch, clock, 2 * SHORTEST_S - LOOK_EVERY_S) is None
    hang, _ = look_for(watch, clock, 100 * SHORTEST_S)
    assert hang.phase == phase


def test_a_trainer_that_waits_for_a_core_does_not_hang(watch, trainer, clock):
    trainer.held_up = 0.9 * LOOK_EVERY_S

    _, after = look_for(watch, clock, 100 * SHORTEST_S)

    assert after == pytest.approx(10 * SHORTEST_S, rel=0.1)


def test_a_trainer_whose_memory_is_on_the_disk_does_not_hang(watch, trainer, clock):
    trainer.held_up = math.inf

    assert look_for(watch, clock, 100 * SHORTEST_S) is None


def test_time_in_which_this_worker_stood_still_does_not_count(watch, clock):
    """A paused container, a stopped process, a host that swaps: the trainer stood still too."""
    clock.now += 86_400
    assert watch.look() is None

    _, after = look_for(watch, clock, 10 * SHORTEST_S)

    assert after == pytest.approx(SHORTEST_S - LONGEST_LOOK_S, abs=LOOK_EVERY_S)


def test_a_worker_that_is_slow_itself_counts_slowly(watch, clock):
    looks = SHORTEST_S / LONGEST_LOOK_S

    _, after = look_for(watch, clock, 86_400, every=600.0)

    assert after == pytest.approx(600.0 * looks)


def test_the_wait_for_an_order_does_not_count(watch, clock):
    look_for(watch, clock, SHORTEST_S - LOOK_EVERY_S)
    watch.begin()

    _, after = look_for(watch, clock, 10 * SHORTEST_S)

    assert after == SHORTEST_S


def test_a_look_before_it_is_due_costs_and_counts_nothing(watch, clock, trainer, monkeypatch):
    monkeypatch.setattr(trainer, "held_up_s", lambda: pytest.fail("it was looked at"))
    clock.now += LOOK_EVERY_S / 2

    assert watch.look() is None
