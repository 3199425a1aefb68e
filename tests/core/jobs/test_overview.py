"""What waits in each queue and for what, and which GPUs are idle meanwhile."""

import pytest
from sqlalchemy import insert, update

from core import queries, workers
from core.database.clock import now
from core.database.models import Job, JobEvent, Worker
from core.jobs import drains, endings, overview
from core.queries import throughput
from core.workers import WorkerFacts
from tests.core.jobs.conftest import ADA, claim, submit
from tests.core.many import costly, learn, multiply, plans

GPU = {"kind": "cuda", "name": "GPU"}


@pytest.fixture
def two_gpus(database):
    """A worker with two GPUs, of which one runs something."""
    worker_id = workers.register(
        database, WorkerFacts("bo", 1, "0", ["default"], [GPU, GPU], slots=2)
    )
    gauges = {"host": {}, "devices": [{"runs": [7]}, {"runs": []}]}
    workers.heartbeat(database, worker_id, gauges=gauges)
    return worker_id


def look(database):
    with database.reading() as session:
        return overview.overview(session)


def last_day(database):
    with database.reading() as session:
        return queries.last_day(session)


def test_runs_that_need_the_same_wait_in_one_line(database, two_gpus):
    for _ in range(3):
        submit(database, device="cuda", devices=4)
    submit(database, queue="other")

    found = look(database)

    assert [(each.queue, each.devices, each.count, each.first_id) for each in found.waiting] == [
        ("default", 4, 3, 1),
        ("other", 1, 1, 4),
    ]
    assert found.waiting[0].first.reason.code == "queue.nothing_fits"
    assert found.count == 4


def test_gpus_are_idle_while_runs_wait_that_they_cannot_run(database, two_gpus):
    submit(database, device="cuda", devices=4)
    startable = submit(database, device="cuda")

    found = look(database)

    assert (found.gpus, found.idle_gpus) == (2, 1)
    assert startable.id not in [each.first_id for each in found.passed_by]
    assert [each.devices for each in found.passed_by] == [4]


def test_a_drained_workers_gpus_are_not_counted(database, two_gpus):
    drains.drain(database, "bo", ADA)

    assert (look(database).gpus, look(database).idle_gpus) == (0, 0)


def test_what_starts_next_comes_first_and_what_waits_for_a_moment_last(database, two_gpus):
    later = submit(database)
    with database.writing() as session:
        session.execute(update(Job).values(available_at=now(600)))
    stuck = submit(database, device="cuda", devices=4, priority=9)
    startable = submit(database, device="cuda")

    with database.reading() as session:
        found = overview.next_ids(session, 9)
        first = overview.next_ids(session, 1)

    assert found == [startable.id, stuck.id, later.id]
    assert first == [startable.id]


def test_where_nothing_waits_nothing_is_said(database):
    found = look(database)

    assert (found.waiting, found.gpus, found.count, found.passed_by) == ([], 0, 0, ())


def test_the_last_day_tells_waits_and_ends(database, claimant):
    for seconds in (10, 20, 600):
        job = submit(database)
        with database.writing() as session:
            session.execute(
                update(Job).where(Job.id == job.id).values(created_at=now(-float(seconds)))
            )
        endings.succeed(database, claim(database, claimant), "c" * 64, [])

    found = last_day(database)

    assert found.started == 3
    assert found.median_wait_s == pytest.approx(20, abs=5)
    assert found.tail_wait_s == pytest.approx(600, abs=5)
    assert (found.hours[-1].succeeded, found.hours[-1].failed) == (3, 0)
    assert found.ended_per_hour == pytest.approx(3 / 24)


def test_without_a_history_the_last_day_was_empty(database):
    found = last_day(database)

    assert (found.started, found.median_wait_s, found.ended_per_hour) == (0, None, 0)
    assert [hour.ended for hour in found.hours] == [0] * throughput.HOURS


def test_of_a_long_history_the_newest_part_is_read_and_it_says_since_when(
    database, claimant, monkeypatch
):
    monkeypatch.setattr(throughput, "LOOKED_AT", 5)
    job = submit(database)
    rows = [
        {"job_id": job.id, "at": now(-3600.0), "kind": "finished", "attempt": 1}
        | {"actor": {}, "payload": {}}
        for _ in range(9)
    ]
    with database.writing() as session:
        for row in rows:
            session.execute(insert(JobEvent).values(**row))

    found = last_day(database)

    assert sum(hour.succeeded for hour in found.hours) == 5
    assert found.ended_per_hour == pytest.approx(5, abs=0.1)


def test_the_overview_reads_an_index_and_the_first_of_each_lane(database, claimant):
    submit(database)
    submit(database, devices=2)
    multiply(database, 3000)
    with database.writing() as session:
        session.execute(update(Worker).values(last_heartbeat_at=now()))
    learn(database)

    found = plans(database, lambda: look(database))

    assert [costly(plan) for plan in found] == [[]] * len(found)
    assert found[0].count("ix_jobs_") == 3


def test_the_last_day_is_read_by_the_key_of_the_history(database, claimant):
    for _ in range(3):
        submit(database)
        endings.succeed(database, claim(database, claimant), "c" * 64, [])

    found = plans(database, lambda: last_day(database), table="job_events")

    if database.engine.dialect.name == "sqlite":  # PostgreSQL reads so few rows in any way
        read = [plan for plan in found if "job_events" in plan]
        assert read
        assert [plan for plan in read if "SCAN job_events" in plan] == []
