"""The state of a run in words."""

import pytest

from cli.render import status
from core import messages
from core.messages import message


def waiting(code, **params):
    """The status of a run that waits, as the API sends it."""
    reason = message(code, **params)
    return {"queue_status": messages.as_json(reason) | {"reason": reason.text}}


@pytest.mark.parametrize(
    ("state", "desired", "word"),
    [
        ("running", "run", "running"),
        ("running", "cancel", "cancelling"),
        ("cancelled", "cancel", "cancelled"),
        ("running", "pause", "pausing"),
        ("paused", "pause", "paused"),
        ("failed", "pause", "failed"),
    ],
)
def test_a_desired_state_is_shown_while_a_run_is_on_its_way_there(state, desired, word):
    assert status.state({"state": state, "desired": desired}).plain == word


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        (waiting("queue.paused_by", name="ada"), "paused by ada"),
        (waiting("queue.paused"), ""),
        ({"queue_status": {"reason": "by an earlier release"}}, "by an earlier release"),
        ({"last_heartbeat_at": "2999-01-01T00:00:00Z"}, "last heartbeat 0 s ago"),
        ({"queue_status": None, "last_heartbeat_at": None}, ""),
    ],
)
def test_what_a_run_does_now_is_told_in_words(more, words):
    assert status.now({"state": "paused"} | more) == words


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"state": "paused"} | waiting("queue.paused_by", name="ada\x1b"), "paused by ada\ufffd"),
        ({"state": "paused"} | waiting("queue.paused"), "paused"),
        ({"state": "queued"} | waiting("queue.no_workers"), "queued: no worker is live"),
        ({"state": "succeeded"}, "succeeded"),
    ],
)
def test_a_state_is_told_with_why_a_run_waits(item, words):
    assert status.with_reason(item) == words


def test_a_run_that_gives_way_says_to_which():
    reason = message("queue.giving_way_to_private", priority=5, own_priority=0)
    way = messages.as_json(reason) | {"text": reason.text}
    item = {"state": "running", "desired": "run", "queue_status": None, "gives_way": way}

    assert status.with_reason(item).startswith("pausing: it is being paused for a private run")


@pytest.mark.parametrize(
    ("state", "snapshot", "words"),
    [
        ("failed", {"epoch": 2, "batch": 0}, "at a retry, from epoch 3"),
        ("paused", {"epoch": 0, "batch": 57}, "from epoch 1, batch 58"),
        ("paused", None, ""),
        ("running", {"epoch": 2, "batch": 0}, ""),
    ],
)
def test_the_place_to_resume_is_that_after_the_last_snapshot(state, snapshot, words):
    assert status.place_to_resume({"state": state, "snapshot": snapshot}) == words
