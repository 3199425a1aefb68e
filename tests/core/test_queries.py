"""Lists go by keys: every row comes once, whatever the size of a page."""

from itertools import product

import pytest
from sqlalchemy import insert

from core import queries, workers
from core.database.clock import now
from core.database.models import Worker
from core.errors import InvalidInput, NotFound
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Publication
from core.jobs.recorder import Recorder
from core.protocol.reports import Line, StepMetrics
from core.queries import Selection
from core.spec import presets
from core.states import STATES
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests import reported
from tests.core.many import learn, plans

SPEC = presets.resolve("quick", {})


def test_paging_visits_every_job_once_newest_first(database):
    ids = [lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC).id for _ in range(7)]
    seen, cursor = [], ""
    while cursor is not None:
        with database.reading() as session:
            page = queries.jobs(session, limit=3, cursor=cursor)
        seen += [job.id for job, _worker in page.items]
        cursor = page.next

    assert seen == ids[::-1]


def test_a_last_page_that_is_full_has_no_next(database):
    for _ in range(3):
        lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)

    with database.reading() as session:
        assert queries.jobs(session, limit=3).next is None


def test_jobs_are_found_by_state(database):
    first = lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)
    lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)
    lifecycle.cancel(database, first.id, LOCAL_OWNER)

    with database.reading() as session:
        assert [job.id for job, _ in queries.jobs(session, Selection(["cancelled"])).items] == [
            first.id
        ]
        assert queries.count_by_state(session)["queued"] == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_any_number_of_jobs_is_asked_for_at_once(database):
    """More than the database takes values in a statement."""
    job = lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)
    many = [*range(job.id + 33_000, job.id, -1), job.id]

    with database.reading() as session:
        assert queries.revisions(session, many) == {job.id: (job.revision, "queued")}
        assert [each.id for each in queries.jobs_by_id(session, many)] == [job.id]
        assert queries.revisions(session, []) == {}


def test_a_made_up_cursor_is_refused(database):
    for cursor in ("x", "1.2", "-1", "٣", "9" * 30, "."):
        with database.reading() as session, pytest.raises(InvalidInput, match="cursor"):
            queries.jobs(session, limit=3, cursor=cursor)


def test_a_limit_out_of_bounds_is_refused(database):
    for limit in (0, -1, 1001):
        with database.reading() as session, pytest.raises(InvalidInput, match="limit"):
            queries.jobs(session, limit=limit)


def test_an_unknown_state_is_refused_with_the_known_ones(database):
    with database.reading() as session, pytest.raises(InvalidInput, match="queued, running"):
        queries.jobs(session, Selection(["sleeping"]))


def test_an_unknown_job_is_not_found_and_the_newest_is_named(database):
    newest = lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC).id

    with database.reading() as session, pytest.raises(NotFound, match=f"newest is {newest}"):
        queries.job(session, newest + 1)


LISTS = {
    "epochs": (queries.epochs, lambda row: row.epoch),
    "points": (queries.metrics, lambda row: row.step),
    "logs": (queries.logs, lambda row: (row.attempt, row.number)),
    "attempts": (queries.attempts, lambda row: row[0].number),
    "checkpoints": (queries.artifacts, lambda row: row.filename),
}


@pytest.fixture
def run(database, claimant):
    """The id of a job with seven rows in every list, beside another with rows of its own."""
    for _ in range(2):
        job_id = lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC).id
        for _ in range(6):
            endings.end(database, record(database, claimant, 1), "drained")
        endings.succeed(
            database,
            record(database, claimant, 7),
            "a" * 64,
            [Publication(Blob("b" * 64, 1), 1, "pt", f"{n}.pt") for n in range(7)],
        )
    return job_id


def record(database, claimant, count):
    lease = claim.claim(database, claimant, 30)
    recorder = Recorder(database, lease, 30)
    numbers = {"train_loss": 1, "learning_rate": 0.1, "images_per_s": 1, "eta_s": 1}
    recorder.record(reported.started(epochs=7, batches=1))
    for n in range(1, count + 1):
        recorder.record(StepMetrics(step=n, epoch=n, batch=1, **numbers))
        recorder.record(reported.epoch_end(step=n, epoch=n, batch=1))
    recorder.record(Line(text="line"))
    recorder.flush()
    return lease


def test_paging_visits_every_row_of_a_job_once_in_order(database, run):
    for (name, (query, key)), limit in product(LISTS.items(), (1, 3, 7, 50)):
        seen, cursor = [], ""
        with database.reading() as session:
            while cursor is not None:
                page = query(session, run, limit, cursor)
                assert len(page.items) <= limit, name
                seen += [key(row) for row in page.items]
                cursor = page.next

        assert len(seen) == len(set(seen)) == 7, name
        assert seen == sorted(seen), name


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_past_every_key_is_an_empty_page(database, name):
    for number in ("2147483648", "9" * 18):
        cursor = f"{number}.{number}" if name == "logs" else number
        with database.reading() as session:
            page = LISTS[name][0](session, 1, 3, cursor)

        assert (list(page.items), page.next) == ([], None)


def test_every_list_refuses_made_up_cursors_and_limits_out_of_bounds(database):
    for query, _key in LISTS.values():
        for cursor in ("x", "1.2.3", "-1", "9" * 30):
            with database.reading() as session, pytest.raises(InvalidInput, match="cursor"):
                query(session, 1, 3, cursor)
        for limit in (0, 1001):
            with database.reading() as session, pytest.raises(InvalidInput, match="limit"):
                query(session, 1, limit)


def test_jobs_that_come_while_one_pages_move_nothing(database):
    ids = [lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC).id for _ in range(4)]
    with database.reading() as session:
        first = queries.jobs(session, limit=2)
    lifecycle.submit(database, LOCAL_OWNER, name="new", spec=SPEC)
    with database.reading() as session:
        second = queries.jobs(session, limit=2, cursor=first.next)

    assert [job.id for job, _ in [*first.items, *second.items]] == ids[::-1]


@pytest.mark.parametrize("number", [1, 2**63, 2**200])
def test_what_was_never_made_is_not_found(database, number):
    with database.reading() as session:
        with pytest.raises(NotFound, match="there are none yet"):
            queries.job(session, number)
        with pytest.raises(NotFound, match=f"no artifact {number}"):
            queries.artifact(session, number)


def test_every_state_is_counted_though_it_has_no_job(database):
    with database.reading() as session:
        assert queries.count_by_state(session) == dict.fromkeys(STATES, 0)


def test_a_worker_is_listed_with_the_jobs_that_it_runs(database, claimant):
    busy = [lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC).id for _ in range(2)]
    for _ in busy:
        claim.claim(database, claimant, 30)
    idle = workers.register(database, WorkerFacts("idle", 2, "0", ["default"], [], 1))

    with database.reading() as session:
        first = queries.workers(session, 1)
        second = queries.workers(session, 1, first.next)

    [(worker, jobs, _)] = first.items
    assert (worker.id, [job.id for job in jobs]) == (claimant.worker_id, busy)
    assert [(w.id, runs, live) for w, runs, live in second.items] == [(idle, [], True)]
    assert second.next is None


@pytest.mark.parametrize("how", ["stopped", "killed", "killed just now"])
def test_a_worker_that_starts_again_and_again_pushes_no_live_one_away(database, claimant, how):
    for _ in range(5):
        facts = WorkerFacts("crash loop", 2, "0", ["default"], [], 1)
        started = workers.register(database, facts)
        if how == "stopped":
            workers.mark_stopped(database, started)
        if how == "killed":  # and nobody has found it to be lost
            with database.writing() as session:
                session.get(Worker, started).last_heartbeat_at = now(-1000)

    if how == "killed just now":
        with database.reading() as session:
            [(worker, _, _)] = queries.workers(session, 1).items
        assert worker.id == claimant.worker_id
        return
    with database.reading() as session:
        first = queries.workers(session, 2)
        rest = queries.workers(session, 10, first.next)

    assert [(w.name, live) for w, _, live in first.items] == [("w", True), ("crash loop", False)]
    assert len(rest.items) == 4
    ids = [w.id for w, _, _ in first.items[1:] + list(rest.items)]
    assert ids == sorted(ids, reverse=True)


def test_the_live_workers_are_found_by_an_index_however_many_there_were(database, claimant):
    gone = {"version": "0", "queues": [], "devices": [], "slots": 1, "process_id": 1, "name": "w"}
    with database.writing() as session:
        for values in ({"stopped_at": now(-9)}, {"lost_at": now(-9)}, {}):
            times = {"started_at": now(-9000), "last_heartbeat_at": now(-9000)} | values
            session.execute(insert(Worker).values(times), [gone] * 1000)
    learn(database)

    found = plans(database, lambda: listed(database, 1), "workers")

    assert "ix_workers_" in found[0]
    assert "Seq Scan" not in found[0]
    assert listed(database, 1) == [claimant.worker_id]


def listed(database, limit):
    with database.reading() as session:
        return [worker.id for worker, _, _ in queries.workers(session, limit).items]


def test_an_evaluation_is_found_by_its_job_and_known_without_being_read(database):
    job = lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    claimant = claim.Claimant(workers.register(database, facts), ["default"])
    recorder = Recorder(database, claim.claim(database, claimant, 30), 30)
    with database.reading() as session:
        assert queries.evaluated_attempt(session, job.id) == 0
        with pytest.raises(NotFound, match="has no evaluation"):
            queries.evaluation(session, job.id)
        with pytest.raises(NotFound, match="There is no run 99"):
            queries.evaluation(session, 99)

    recorder.record(reported.evaluated())
    recorder.flush()

    with database.reading() as session:
        assert queries.evaluated_attempt(session, job.id) == 1
        assert queries.evaluation(session, job.id).content == reported.evaluated().content


def test_the_epochs_of_several_runs_come_at_once_with_the_time_trained(database, claimant):
    measured = {}
    for count in (2, 10):
        job = lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)
        lease = claim.claim(database, claimant, 600)
        recorder = Recorder(database, lease, 600)
        for epoch in range(1, count + 1):
            recorder.record(reported.epoch_end(epoch=epoch, seconds=2.0, test_loss=1 / epoch))
        recorder.flush()
        measured[job.id] = count

    with database.reading() as session:
        few, many = queries.epochs_of_runs(session, measured, 3, ["test_loss"]).values()
        nothing = queries.epochs_of_runs(session, {99: 0}, 3, ["test_loss"])[99]

    assert (few.at, few.seconds, few.values["test_loss"]) == ((1, 2), (2.0, 4.0), (1.0, 0.5))
    assert (many.at, many.seconds) == ((2, 6, 10), (4.0, 12.0, 20.0))
    assert (nothing.at, nothing.values["test_loss"]) == ((), ())
