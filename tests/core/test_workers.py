"""The workers' own rows: who is live, and whose heartbeats have stopped."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from core import workers
from core.database.clock import now
from core.database.models import Worker
from core.workers import WorkerFacts

FACTS = WorkerFacts("ada", 7, "1.0", ["gpu", "default"], [{"kind": "cpu", "name": "CPU"}], 2)


@pytest.fixture
def worker_id(database):
    return workers.register(database, FACTS)


def live(database):
    with database.reading() as session:
        return [worker.id for worker in workers.live(session)]


def last_seen(database, seconds_ago):
    with database.writing() as session:
        session.execute(update(Worker).values(last_heartbeat_at=now(-seconds_ago)))


def write_off(database):
    with database.writing() as session:
        workers.mark_silent_lost(session)


def missing(database):
    with database.reading() as session:
        return workers.missing(session)


def status(database, worker_id):
    with database.reading() as session:
        worker = session.get(Worker, worker_id)
        return workers.status(worker, is_live=worker_id in [w.id for w in workers.live(session)])


def test_a_worker_is_written_down_as_it_told_of_itself(database, worker_id):
    with database.reading() as session:
        worker = session.get(Worker, worker_id)

    reported = WorkerFacts(
        worker.name,
        worker.process_id,
        worker.version,
        worker.queues,
        worker.devices,
        worker.slots,
    )
    assert reported == FACTS
    assert worker.stopped_at is None


def starting(database):
    with database.reading() as session:
        return [worker.id for worker in workers.starting(session)]


def test_a_worker_that_loads_torch_is_starting_and_counts_for_nothing_yet(database):
    facts = replace(FACTS, slots=0)
    worker_id = workers.register(database, facts)
    assert (live(database), starting(database)) == ([], [worker_id])
    assert status(database, worker_id) == "starting"
    workers.heartbeat(database, worker_id, facts)

    workers.ready(database, worker_id, FACTS)

    assert (live(database), starting(database)) == ([worker_id], [])
    assert status(database, worker_id) == "live"


def test_a_worker_that_ended_while_it_started_is_lost_and_not_missed(database):
    worker_id = workers.register(database, replace(FACTS, slots=0))
    last_seen(database, workers.SILENT_AFTER_S + 1)
    assert (starting(database), missing(database)) == ([], [])
    write_off(database)

    assert status(database, worker_id) == "lost"
    assert missing(database) == []


def test_a_lost_worker_whose_successor_starts_is_not_missed(database, worker_id):
    last_seen(database, workers.SILENT_AFTER_S + 1)
    assert [each.name for each in missing(database)] == ["ada"]

    workers.register(database, replace(FACTS, slots=0))

    assert missing(database) == []


def test_two_workers_of_one_name_are_two(database, worker_id):
    assert workers.register(database, FACTS) != worker_id


def test_a_worker_that_stops_is_not_live(database, worker_id):
    other = workers.register(database, FACTS)
    workers.mark_stopped(database, worker_id)

    assert live(database) == [other]


@pytest.mark.parametrize(
    ("seconds", "is_live"),
    [(workers.SILENT_AFTER_S - 10, True), (workers.SILENT_AFTER_S + 1, False)],
)
def test_a_worker_that_is_silent_for_too_long_is_written_off(database, worker_id, seconds, is_live):
    last_seen(database, seconds)
    write_off(database)

    assert live(database) == ([worker_id] if is_live else [])


def test_a_heartbeat_without_a_row_is_a_fault_where_nothing_is_known_of_the_worker(database):
    with pytest.raises(LookupError, match="no worker 7"):
        workers.heartbeat(database, 7)


def test_a_worker_that_was_marked_lost_is_live_again_at_its_next_heartbeat(database, worker_id):
    last_seen(database, 1000)
    write_off(database)

    workers.heartbeat(database, worker_id)
    write_off(database)

    assert live(database) == [worker_id]


def test_a_silent_worker_is_lost_also_before_anybody_wrote_so(database, worker_id):
    last_seen(database, 1000)

    assert status(database, worker_id) == "lost"


def test_a_worker_that_was_found_to_have_ended_is_lost_whatever_its_last_heartbeat(
    database, worker_id
):
    with database.writing() as session:
        workers.mark_lost(session, worker_id)

    assert live(database) == []
    assert status(database, worker_id) == "lost"


def test_a_worker_that_stopped_is_not_lost(database, worker_id):
    workers.mark_stopped(database, worker_id)
    last_seen(database, 1000)
    write_off(database)

    assert status(database, worker_id) == "stopped"
    assert missing(database) == []


def test_a_lost_worker_is_missed_until_one_of_its_name_is_live(database, worker_id):
    last_seen(database, 1000)
    [found] = missing(database)
    assert found.name == "ada"
    assert found.silent_s == pytest.approx(1000, abs=60)

    workers.register(database, FACTS)

    assert missing(database) == []


def test_a_worker_that_was_lost_long_ago_is_missed_no_more(database, worker_id):
    last_seen(database, workers.MISSED_FOR_S + 60)

    assert missing(database) == []
