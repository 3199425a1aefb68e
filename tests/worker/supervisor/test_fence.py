"""The fence: training ends before the lease is over for others."""

from __future__ import annotations

import pytest

from tests.services import wait_until
from worker.supervisor.fence import ASK_AFTER, KILL_AFTER, Fence

LEASE_S = 10.0


class FakeTrainer:
    """Keeps what was done to it."""

    def __init__(self):
        self.actions = []

    def ask_to_stop(self, how):
        self.actions.append(how)

    def extend(self, ends_at):
        self.ends_at = ends_at

    def kill(self):
        self.actions.append("kill")


@pytest.fixture
def trainer():
    return FakeTrainer()


@pytest.fixture
def fence(trainer, clock):
    made = Fence(trainer, LEASE_S, clock=clock)
    made.order_given()
    return made


def test_a_trainer_whose_lease_nobody_renews_saves_and_is_dead_before_it_is_over(
    fence, trainer, clock
):
    for _ in range(10):
        clock.now += LEASE_S / 10
        fence.look()
        if clock.now < 100 + LEASE_S * ASK_AFTER - 1e-6:
            assert trainer.actions == []
            assert fence.fired_after_s is None

    assert trainer.actions == ["save", "kill"]
    assert KILL_AFTER < 1
    assert fence.fired_after_s == pytest.approx(LEASE_S * ASK_AFTER)


def test_a_renewal_counts_from_when_it_was_sent(fence, trainer, clock):
    clock.now += LEASE_S * 0.6
    fence.renewed(100 + LEASE_S * 0.1)  # the answer took half a lease

    clock.now = 100 + LEASE_S * (0.1 + ASK_AFTER) - 0.01
    fence.look()
    assert trainer.actions == []

    clock.now += 0.02
    fence.look()
    assert trainer.actions == ["save"]


def test_the_trainer_is_told_of_each_renewal(fence, trainer):
    assert fence.ends_at == pytest.approx(100 + LEASE_S * KILL_AFTER)

    fence.renewed(105)

    assert trainer.ends_at == fence.ends_at == pytest.approx(105 + LEASE_S * KILL_AFTER)

    fence.renewed(105.01)  # so soon it is no news
    assert trainer.ends_at < fence.ends_at


def test_an_answer_that_came_late_does_not_take_the_time_back(fence, trainer, clock):
    fence.renewed(105)
    fence.renewed(101)

    clock.now = 105 + LEASE_S * ASK_AFTER - 0.01
    fence.look()

    assert trainer.actions == []


def test_the_first_lease_counts_from_when_the_claim_was_sent(trainer, clock):
    fence = Fence(trainer, LEASE_S, claimed_at=clock.now - LEASE_S * KILL_AFTER, clock=clock)

    assert fence.look()
    assert trainer.actions == ["kill"]


def test_a_trainer_without_an_order_is_sent_no_other_line(trainer, clock):
    fence = Fence(trainer, LEASE_S, clock=clock)

    clock.now += LEASE_S * ASK_AFTER
    fence.look()
    assert trainer.actions == []

    clock.now += LEASE_S
    fence.look()
    assert trainer.actions == ["kill"]


def test_after_its_end_it_kills_nobody(fence, trainer, clock):
    with fence:
        pass
    clock.now += 2 * LEASE_S

    assert fence.look()
    assert trainer.actions == []
    assert fence.fired_after_s is None


def test_it_watches_by_itself_whatever_the_supervisor_waits_for(trainer, clock):
    with Fence(trainer, LEASE_S, clock=clock):
        clock.now += LEASE_S
        wait_until(lambda: trainer.actions == ["kill"], "it is killed")
