"""The table of transitions: what ends stays ended, and everything else can be cancelled."""

import pytest

from core.states import FINAL, STATES, TRANSITIONS, may_become


@pytest.mark.parametrize("state", STATES)
def test_what_has_not_ended_can_be_cancelled_and_what_has_can_only_be_tried_again(state):
    if state in FINAL:
        assert TRANSITIONS[state] == ({"queued"} if state == "failed" else set())
    else:
        assert "cancelled" in TRANSITIONS[state]


@pytest.mark.parametrize("state", STATES)
def test_where_a_state_comes_from_is_where_it_may_be_moved_to(state):
    assert set(may_become(state)) == {s for s in STATES if state in TRANSITIONS[s]}


def test_only_a_queued_job_may_be_claimed():
    assert may_become("running") == ("queued",)
