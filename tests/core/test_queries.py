"""Lists go by keys: every row comes once, whatever the size of a page."""

import pytest

from core import presets, queries, queue, workers
from core.errors import InvalidInput, NotFound
from core.workers import WorkerFacts

SPEC = presets.resolve("quick", {})


def test_paging_visits_every_job_once_newest_first(database):
    ids = [queue.submit(database, name="job", spec=SPEC).id for _ in range(7)]
    seen, cursor = [], ""
    while cursor is not None:
        with database.reading() as session:
            page = queries.jobs(session, (), 3, cursor)
        seen += [job.id for job, _worker in page.items]
        cursor = page.next

    assert seen == ids[::-1]


def test_a_last_page_that_is_full_has_no_next(database):
    for _ in range(3):
        queue.submit(database, name="job", spec=SPEC)

    with database.reading() as session:
        assert queries.jobs(session, (), 3).next is None


def test_jobs_are_found_by_state(database):
    first = queue.submit(database, name="job", spec=SPEC)
    queue.submit(database, name="job", spec=SPEC)
    queue.cancel(database, first.id)

    with database.reading() as session:
        assert [job.id for job, _ in queries.jobs(session, ["cancelled"]).items] == [first.id]
        assert queries.count_by_state(session)["queued"] == 1


@pytest.mark.parametrize("cursor", ["x", "1.2", "-1", "٣", "9" * 30, "."])
def test_a_made_up_cursor_is_refused(database, cursor):
    with database.reading() as session, pytest.raises(InvalidInput, match="cursor"):
        queries.jobs(session, (), 3, cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_bounds_is_refused(database, limit):
    with database.reading() as session, pytest.raises(InvalidInput, match="limit"):
        queries.jobs(session, (), limit)


def test_an_unknown_state_is_refused_with_the_known_ones(database):
    with database.reading() as session, pytest.raises(InvalidInput, match="queued, running"):
        queries.jobs(session, ["sleeping"])


def test_an_unknown_job_is_not_found_and_the_newest_is_named(database):
    newest = queue.submit(database, name="job", spec=SPEC).id

    with database.reading() as session, pytest.raises(NotFound, match=f"newest is {newest}"):
        queries.job(session, newest + 1)


def test_workers_are_live_until_they_stop(database):
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    first, second = workers.register(database, facts), workers.register(database, facts)
    workers.stopped(database, first)
    workers.write_off_silent(database)

    with database.reading() as session:
        assert [worker.id for worker in queries.live_workers(session)] == [second]
    workers.seen(database, first)
    with database.reading() as session:
        assert len(queries.live_workers(session)) == 2
