"""What monitoring is told of an installation."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from core.database.clock import now
from core.database.models import Delivery, Job, JobEvent, Worker
from core.jobs import claim, deletion, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.monitoring import Monitor, Unsent
from core.spec.presets import resolve
from tests.core.many import costly, learn, multiply, plans


@pytest.fixture
def submit(database):
    def ask(**more):
        spec = resolve("quick", {"device": "cpu"})
        return lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec, **more)

    return ask


@pytest.fixture
def monitor(database):
    return Monitor(database)


def test_queues_runs_and_workers_are_counted_as_they_are(database, monitor, submit, claimant):
    for number in range(4):
        submit(queue="night" if number == 3 else "default")
    deletion.delete(database, submit().id, LOCAL_OWNER, 3600)
    claim.claim(database, claimant, 30)
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == 2).values(available_at=now(-100)))
        session.execute(update(Worker).values(desired="drain"))

    reading, _ = monitor.look()

    lines = {line.queue: line for line in reading.lines}
    assert {name: line.length for name, line in lines.items()} == {"default": 2, "night": 1}
    assert 100 <= lines["default"].oldest_s < 200 > lines["night"].oldest_s
    assert (reading.states["queued"], reading.states["running"]) == (3, 1)
    assert reading.states["paused"] == 0, "a deleted run is none"
    crew = reading.crew
    assert (crew.live, crew.drained, crew.slots, crew.slots_in_use) == (1, 1, 1, 1)
    assert reading.database_bytes > 1000


def test_messages_that_are_due_and_not_tried_are_told_with_their_age(database, monitor):
    assert monitor.look()[0].unsent == Unsent(0, 0.0)
    with database.writing() as session:
        common = {"owner": "ada", "topic": "failed", "payload": {}, "tries": 0, "created_at": now()}
        for number, (way, state, due_s) in enumerate(
            [
                ("mail", "waiting", -400),
                ("webhook", "waiting", 60),
                ("browser", "waiting", -9000),
                ("mail", "failed", -9000),
            ]
        ):
            event_id, due_at = f"msg_{number}", now(due_s)
            row = common | {"event_id": event_id, "way": way, "state": state, "due_at": due_at}
            session.execute(insert(Delivery).values(row))

    unsent = monitor.look()[0].unsent

    assert unsent.waiting == 2
    assert 400 <= unsent.overdue_s < 500


def test_what_happens_between_two_looks_is_counted_once(database, monitor, submit, claimant):
    submit()
    first = monitor.look()[1]
    claim.claim(database, claimant, 30)
    with database.writing() as session:
        endings.take_back(session, claimant.worker_id)

    second, third = monitor.look()[1], monitor.look()[1]

    assert (first.events, third.events, third.claim_waits) == ({}, {}, [])
    assert second.events == {"claimed": 1, "lost": 1}


def test_an_event_that_is_written_late_is_counted_all_the_same(database, monitor, submit, claimant):
    monitor.look()
    submit(), submit(), submit()
    with database.writing() as session:  # as if its transaction had not ended yet
        late = session.get(JobEvent, 2)
        values = {c.key: getattr(late, c.key) for c in JobEvent.__mapper__.column_attrs}
        session.execute(delete(JobEvent).where(JobEvent.id == 2))
    assert monitor.look()[1].events == {"submitted": 2}

    with database.writing() as session:
        session.add(JobEvent(**values))

    assert monitor.look()[1].events == {"submitted": 1}


def test_the_wait_for_a_claim_is_known(database, monitor, submit, claimant):
    submit()
    monitor.look()
    with database.writing() as session:
        session.execute(update(Job).values(available_at=now(-50)))
    claim.claim(database, claimant, 30)

    [waited_s] = monitor.look()[1].claim_waits

    assert 50 <= waited_s < 100


def test_a_look_walks_through_no_runs_that_are_over(database, monitor, submit, claimant):
    for _ in range(2):
        submit()
    multiply(database, 2000)
    with database.writing() as session:
        done = {"state": "succeeded", "started_at": now(-9), "finished_at": now(), "attempt": 1}
        session.execute(update(Job).where(Job.id > 10).values(**done))
    claim.claim(database, claimant, 30)
    learn(database)
    monitor.look()

    # of the events the newest are looked at, by their key, whatever is planned for a few
    found = [plan for plan in plans(database, monitor.look) if "job_events" not in plan]

    assert [costly(plan) for plan in found] == [[]] * len(found)
    assert not [plan for plan in found if "succeeded" in plan], "counted once a minute"


def test_two_that_count_together_count_each_event_once_and_tell_the_same(
    database, submit, claimant, tmp_path
):
    one, other = (Monitor(database, tmp_path / "events.json") for _ in range(2))
    one.look()
    for _ in range(3):
        lifecycle.cancel(database, submit().id, LOCAL_OWNER)

    counted = [each.look() for each in (one, other, other, one)]

    assert [happened.events["submitted"] for _, happened in counted] == [3, 0, 0, 0]
    assert len({tuple(reading.states.items()) for reading, _ in counted}) == 1


@pytest.mark.parametrize("content", ["", '{"passed": 3'])
def test_a_broken_file_of_those_that_count_together_stops_nobody(
    database, submit, tmp_path, content
):
    shared = tmp_path / "events.json"
    monitor = Monitor(database, shared)
    monitor.look()
    shared.write_text(content)
    submit()

    assert monitor.look()[1].events["submitted"] == 1
    assert Monitor(database, shared).look()[1].events["submitted"] == 0
