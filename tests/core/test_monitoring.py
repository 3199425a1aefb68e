"""What monitoring is told of an installation."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update

from core.database.clock import now
from core.database.models import Delivery, Job, JobEvent, Worker
from core.jobs import claim, deletion, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.monitoring import Monitor
from core.notifications import notices, outbox
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


def test_the_age_of_the_outbox_is_that_of_what_is_due_first_to_be_sent(database, monitor):
    assert monitor.look()[0].outbox_s == 0
    with database.writing() as session:
        for way in ("mail", "mail", "browser", "mail"):
            outbox.put(session, LOCAL_OWNER.name, "test", way, notices.TEST)
        due = {1: now(-100), 2: now(-40), 3: now(-900), 4: now(3600)}
        for number, at in due.items():
            session.execute(update(Delivery).where(Delivery.id == number).values(due_at=at))

    assert 100 <= monitor.look()[0].outbox_s < 200
    with database.writing() as session:
        session.execute(
            update(Delivery).where(Delivery.id <= 2).values(state="delivered", due_at=now(-100))
        )
    assert monitor.look()[0].outbox_s == 0, "what is tried again later is not due, news never"


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
