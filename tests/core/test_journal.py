"""The journal: what runs report is written once, in order, and only by who holds the lease."""

import pytest
from sqlalchemy import event

from core import presets, queries, queue, workers
from core.errors import DatabaseUnavailable, LeaseLost
from core.journal import LONGEST_LINE, Journal
from core.queue import Claimant
from core.reports import EpochEnd, Line, Reading, Started
from core.workers import WorkerFacts


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    return Claimant(workers.register(database, facts), ["default"], ["auto", "cpu"])


@pytest.fixture
def lease(database, claimant):
    queue.submit(database, name="job", spec=presets.resolve("quick", {}))
    return queue.claim(database, claimant, 30)


def reading(step, loss=1.0):
    return Reading(
        step=step,
        epoch=1,
        batch=step,
        train_loss=loss,
        learning_rate=0.1,
        images_per_s=10,
        eta_s=5,
    )


def epoch_end(epoch):
    return EpochEnd(
        epoch=epoch,
        step=10 * epoch,
        batch=10,
        train_loss=0.5,
        test_loss=0.4,
        test_accuracy=0.9,
        learning_rate=0.1,
        seconds=2,
        images_per_s=10,
        eta_s=1,
    )


STARTED = Started(device="CPU", threads=2, epochs=2, batches=10)


def written(database, job_id):
    with database.reading() as session:
        return (
            [row.step for row in queries.points(session, job_id).items],
            [row.epoch for row in queries.epochs(session, job_id).items],
            [row.text for row in queries.logs(session, job_id).items],
        )


def look(database, lease):
    with database.reading() as session:
        return queries.job(session, lease.job_id)[0]


def test_reports_reach_their_tables_and_the_jobs_own_row(database, lease):
    journal = Journal(database, lease, 30)
    for report in (STARTED, reading(1), Line(text="hello"), epoch_end(1), reading(11, 0.25)):
        journal.record(report)

    assert journal.flush() == "run"

    assert written(database, lease.job_id) == ([1, 11], [1], ["hello"])
    job = look(database, lease)
    assert (job.batches, job.train_loss, job.test_accuracy, job.eta_s) == (10, 0.25, 0.9, 5)
    assert not journal.has_news


def test_a_stale_lease_cannot_record_an_epoch(database, lease, claimant):
    queue.end(database, lease, "drained")
    queue.claim(database, claimant, 30)
    journal = Journal(database, lease, 30)
    for report in (STARTED, reading(1), Line(text="hello"), epoch_end(1)):
        journal.record(report)
    before = look(database, lease)

    with pytest.raises(LeaseLost):
        journal.flush()

    assert written(database, lease.job_id) == ([], [], [])
    assert look(database, lease).revision == before.revision


def test_a_flush_that_is_tried_again_doubles_nothing(database, lease, monkeypatch):
    journal = Journal(database, lease, 30)
    for report in (STARTED, reading(1), Line(text="one"), Line(text="two"), epoch_end(1)):
        journal.record(report)
    lose_next_answer(database)

    with pytest.raises(DatabaseUnavailable):
        journal.flush()
    journal.record(reading(2))
    journal.flush()

    assert written(database, lease.job_id) == ([1, 2], [1], ["one", "two"])


def lose_next_answer(database):
    """Let the next commit take place, and its answer be lost."""
    lost = []

    @event.listens_for(database.engine, "commit")
    def lose(connection):
        if not lost:
            lost.append(True)
            connection.connection.dbapi_connection.commit() if (
                connection.dialect.name == "postgresql"
            ) else connection.connection.dbapi_connection.execute("COMMIT")
            raise DatabaseUnavailable("the answer was lost")


def test_text_that_a_database_refuses_is_made_storable(database, lease):
    journal = Journal(database, lease, 30)
    journal.record(Line(text="a\0b"))
    journal.record(Line(text="x" * (LONGEST_LINE + 5)))

    journal.flush()

    _, _, lines = written(database, lease.job_id)
    assert lines == ["a\N{SYMBOL FOR NULL}b", "x" * LONGEST_LINE]


def test_a_new_attempt_takes_back_what_it_begins_again(database, lease, claimant):
    journal = Journal(database, lease, 30)
    for report in (STARTED, reading(1), epoch_end(1), reading(11), Line(text="first")):
        journal.record(report)
    journal.flush()
    queue.end(database, lease, "drained")
    again = queue.claim(database, claimant, 30)

    journal = Journal(database, again, 30)
    journal.record(STARTED)
    journal.record(Line(text="second"))
    journal.flush()

    assert written(database, lease.job_id) == ([], [], ["first", "second"])
    job = look(database, lease)
    assert (job.resets, job.train_loss, job.test_accuracy, job.epoch) == (2, None, None, 0)


def test_a_resumed_attempt_keeps_what_lies_before_it(database, lease, claimant):
    journal = Journal(database, lease, 30)
    for report in (STARTED, reading(1), epoch_end(1), reading(11), reading(12)):
        journal.record(report)
    journal.flush()
    queue.end(database, lease, "drained")

    journal = Journal(database, queue.claim(database, claimant, 30), 30)
    journal.record(STARTED.model_copy(update={"epoch": 1, "step": 11}))
    journal.flush()

    assert written(database, lease.job_id)[:2] == ([1, 11], [1])
    assert look(database, lease).test_accuracy == 0.9


def test_a_flush_tells_what_is_asked_of_the_job(database, lease):
    queue.cancel(database, lease.job_id)

    assert Journal(database, lease, 30).flush() == "cancel"
