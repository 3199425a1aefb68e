"""How a running job is stopped, without a process."""

from __future__ import annotations

import pytest

from worker.supervisor import stopping as stopping_module
from worker.supervisor.stopping import Stopping


class Process:
    """A trainer that notes what is asked of it."""

    def __init__(self):
        self.asked = []
        self.is_alive = True
        self.kills = 0

    def ask_to_stop(self, how):
        self.asked.append(how)

    def kill(self):
        self.kills += 1


@pytest.fixture
def trainer():
    return Process()


def stopping(trainer, grace_seconds=60.0):
    return Stopping(trainer, grace_seconds)


def test_a_job_that_is_to_run_is_left_alone(trainer):
    made = stopping(trainer)

    made.apply_wanted("run", is_draining=False)

    assert not trainer.asked
    assert not made.is_asked
    assert made.kill_due is None


@pytest.mark.parametrize(
    ("desired", "is_draining", "how", "outcome"),
    [
        ("pause", False, "save", "paused"),
        ("cancel", False, "stop", "cancelled"),
        ("run", True, "save", "drained"),
        ("cancel", True, "stop", "cancelled"),
    ],
)
def test_a_job_is_stopped_as_is_desired(trainer, desired, is_draining, how, outcome):
    made = stopping(trainer)

    made.apply_wanted(desired, is_draining=is_draining)

    assert trainer.asked[-1] == how
    assert made.outcome == outcome


def test_a_trainer_is_asked_once(trainer):
    made = stopping(trainer)

    for _ in range(3):
        made.apply_wanted("pause", is_draining=False)

    assert trainer.asked == ["save"]


def test_a_cancel_outweighs_a_pause_but_a_pause_no_cancel(trainer):
    made = stopping(trainer)
    for desired in ("pause", "cancel", "pause"):
        made.apply_wanted(desired, is_draining=False)

    assert trainer.asked == ["save", "stop"]
    assert made.outcome == "cancelled"


def test_the_grace_runs_from_the_first_asking(trainer):
    made = stopping(trainer)
    made.apply_wanted("pause", is_draining=False)
    due = made.kill_due

    made.apply_wanted("cancel", is_draining=False)

    assert made.kill_due == due
    assert not made.kill_if_due()
    assert not trainer.kills


def test_after_the_grace_the_trainer_is_killed_once(trainer):
    made = stopping(trainer, grace_seconds=0.0)
    made.apply_wanted("cancel", is_draining=False)

    assert made.kill_if_due()
    assert not made.kill_if_due()
    assert trainer.kills == 1


def test_a_trainer_that_has_ended_meanwhile_was_not_killed(trainer):
    made = stopping(trainer, grace_seconds=0.0)
    made.apply_wanted("cancel", is_draining=False)
    trainer.is_alive = False

    assert not made.kill_if_due()


def test_a_trainer_that_stopped_without_being_asked_counts_as_drained(trainer):
    assert stopping(trainer).outcome == "drained"


def test_a_trainer_that_hangs_is_asked_to_save_and_its_end_is_a_crash(trainer):
    made = stopping(trainer)

    made.end_hang()

    assert trainer.asked == ["save"]
    assert made.kill_due is not None
    assert (made.is_for_hang, made.outcome) == (True, "crashed")


@pytest.mark.parametrize(
    ("desired", "is_for_hang", "outcome"),
    [("cancel", False, "cancelled"), ("pause", True, "crashed")],
)
def test_a_cancel_outweighs_a_hang(trainer, desired, is_for_hang, outcome):
    made = stopping(trainer)
    made.end_hang()

    made.apply_wanted(desired, is_draining=False)

    assert (made.is_for_hang, made.outcome) == (is_for_hang, outcome)


@pytest.fixture
def clock(clock, monkeypatch):
    monkeypatch.setattr(stopping_module, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("desired", "is_draining", "patience_s"),
    [
        ("run", False, stopping_module.STORE_PATIENCE_S),
        ("pause", False, stopping_module.STORE_PATIENCE_S),
        ("run", True, 60.0 + stopping_module.DRAIN_MARGIN_S),
        ("pause", True, 60.0 + stopping_module.DRAIN_MARGIN_S),
        ("cancel", False, 0.0),
    ],
)
def test_how_long_the_store_may_take_at_the_end(trainer, clock, desired, is_draining, patience_s):
    made = stopping(trainer, grace_seconds=60.0)
    made.apply_wanted(desired, is_draining=is_draining)
    began = clock.now

    clock.now = began + patience_s - 0.001
    assert made.may_wait_for_store(began) == (patience_s > 0)
    clock.now = began + patience_s
    assert not made.may_wait_for_store(began)
