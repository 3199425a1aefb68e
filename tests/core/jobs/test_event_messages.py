"""The history in words."""

from __future__ import annotations

import pytest

from core.database.models import JobEvent
from core.jobs.actors import CLEANER, REAPER, Actor
from core.jobs.event_messages import describe, describe_snapshots
from core.messages import as_json, plain
from core.states import EVENT_KINDS

ADA = Actor("user", "7", "Ada", "administrator")
WORKER = Actor("worker", "1", "w1")
BAD_LUCK = {"reason": as_json(plain("bad luck"))}
FACTS = {"device": "CPU", "precision": "fp32", "threads": 2}


def event(kind, actor=WORKER, attempt=1, **payload):
    return JobEvent(kind=kind, actor=actor.as_json(), attempt=attempt, payload=payload)


SAID = [
    (event("submitted", ADA, 0, state="queued"), "Submitted by Ada"),
    (event("claimed", attempt=2), "Claimed by w1 as attempt 2"),
    (event("started", **FACTS, step=0, epoch=0), "Started on CPU in fp32, 2 threads"),
    (
        event("started", **FACTS | {"threads": 1}, step=1938, epoch=2),
        "Resumed at step 1,938 on CPU in fp32, 1 thread",
    ),
    (event("snapshot", step=400, epoch=0), "Snapshot at step 400, in epoch 1"),
    (event("snapshot", step=938, epoch=1), "Snapshot at step 938, 1 epoch done"),
    (event("crashed", **BAD_LUCK), "Crashed: bad luck"),
    (event("crashed"), "Crashed"),
    (event("lost", REAPER, **BAD_LUCK), "bad luck"),
    (event("drained"), "Returned to the queue: w1 was shut down"),
    (event("drained", **BAD_LUCK), "Returned to the queue: bad luck"),
    (
        event("worker_fault", state="queued", **BAD_LUCK),
        "Returned to the queue: w1 could not run it. bad luck",
    ),
    (event("worker_resumed", ADA, worker="w1"), "Ada let w1 work again"),
    (event("pause_requested", ADA), "Pause requested by Ada"),
    (event("pause_withdrawn", ADA), "Pause withdrawn by Ada"),
    (event("paused", ADA, state="paused"), "Paused by Ada"),
    (event("paused", state="paused"), "Paused"),
    (
        event("paused", state="queued"),
        "Stopped for a pause that was withdrawn meanwhile; queued again",
    ),
    (event("resumed", ADA), "Resumed by Ada"),
    (event("cancel_requested", ADA), "Cancellation requested by Ada"),
    (event("cancelled", ADA), "Cancelled by Ada"),
    (event("cancelled"), "Cancelled"),
    (event("retried", ADA, from_scratch=False), "Retried by Ada"),
    (event("retried", ADA, from_scratch=True), "Restarted from scratch by Ada"),
    (event("finished", state="succeeded"), "Finished: all epochs completed"),
    (event("finished", state="succeeded", **BAD_LUCK), "bad luck"),
    (event("failed", **BAD_LUCK), "Failed: bad luck"),
    (event("deleted", ADA), "Deleted by Ada"),
    (event("deleted", ADA, state="paused"), "Taken off the queue and deleted by Ada"),
    (event("restored", ADA), "Restored by Ada"),
    (event("restored", ADA, state="queued"), "Restored and queued again by Ada"),
    (event("cleaned", CLEANER, what="snapshots"), "Snapshots removed by Trainyard to free space"),
    (event("cleaned", ADA, what="artifacts"), "Artifacts removed by Ada to free space"),
    (event("edited", ADA, fields=["tags", "notes"]), "Changed by Ada: tags, notes"),
    (event("edited", ADA, fields=["name"], former_name="x"), "Renamed from x by Ada"),
    (
        event("edited", ADA, fields=["name", "tags"], former_name="x"),
        "Renamed from x by Ada, who also changed: tags",
    ),
    (event("cleaned", ADA, what="logs"), "Log removed by Ada to free space"),
]


@pytest.mark.parametrize(("happened", "text"), SAID, ids=[text for _, text in SAID])
def test_an_event_says_what_happened(happened, text):
    assert describe(happened).text == text


def test_every_kind_of_event_has_words():
    assert {happened.kind for happened, _ in SAID} == set(EVENT_KINDS)


def test_several_snapshots_say_how_many_and_where_the_last_is():
    newest = event("snapshot", step=2000, epoch=2)

    assert describe_snapshots(newest, 1).text == "Snapshot at step 2,000, 2 epochs done"
    first = event("snapshot", step=400, epoch=0)
    assert describe_snapshots(first, 3).text == "3 snapshots, the last at step 400, in epoch 1"
    assert (
        describe_snapshots(newest, 12).text == "12 snapshots, the last at step 2,000, 2 epochs done"
    )
