"""The table of transitions: ended states are left by nothing, everything else can end."""

import pytest

from core.states import FINAL, STATES, TRANSITIONS, may_become


@pytest.mark.parametrize("state", STATES)
def test_nothing_leaves_an_ended_state_and_everything_else_can_be_cancelled(state):
    if state in FINAL:
        assert not TRANSITIONS[state]
    else:
        assert "cancelled" in TRANSITIONS[state]


@pytest.mark.parametrize("state", STATES)
def test_where_a_state_comes_from_is_where_it_may_be_moved_to(state):
    assert set(may_become(state)) == {s for s in STATES if state in TRANSITIONS[s]}


def test_only_a_queued_job_may_be_claimed():
    assert may_become("running") == ("queued",)
