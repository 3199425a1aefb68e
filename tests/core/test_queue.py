"""The queue: who gets which job, how jobs end, and that nobody else can end them."""

import multiprocessing
import threading

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from core import presets, queries, queue, workers
from core.artifacts import Blob
from core.database import Database, now
from core.errors import LeaseLost, NotFound
from core.journal import Journal
from core.models import Attempt, Checkpoint, Job
from core.queue import Claimant, Failure, Publication, decide
from core.workers import WorkerFacts
from tests.core.conftest import lose_the_answer_to_the_next_commit
from tests.services import wait_until

SPEC = presets.resolve("quick", {"dataset": "digits"})


def submit(database, **options):
    changes = {"device": options.pop("device")} if "device" in options else {}
    chosen = presets.resolve("quick", {"dataset": "digits"} | changes)
    return queue.submit(database, name="job", spec=chosen, **options)


def claim(database, claimant):
    return queue.claim(database, claimant, 30)


def look(database, job_id):
    with database.reading() as session:
        return queries.job(session, job_id)[0]


def attempts(database, job_id):
    with database.reading() as session:
        return session.scalars(select(Attempt).where(Attempt.job_id == job_id)).all()


def expire(database, job_id):
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=now(-1)))


def test_the_highest_priority_goes_first_then_the_oldest(database, claimant):
    low, high, also_high = (submit(database, priority=p).id for p in (0, 5, 5))

    claimed = [claim(database, claimant).job_id for _ in range(3)]

    assert claimed == [high, also_high, low]
    assert claim(database, claimant) is None


def test_a_worker_gets_only_what_its_queues_and_devices_allow(database, claimant):
    submit(database, queue="other")
    submit(database, device="cuda")
    own = submit(database, device="cpu").id

    assert claim(database, claimant).job_id == own
    assert claim(database, claimant) is None
    everywhere = Claimant(claimant.worker_id, ["default", "other"], ["auto", "cpu", "cuda"])
    assert claim(database, everywhere) is not None
    assert claim(database, everywhere) is not None


def test_a_claim_writes_the_attempt_and_the_lease(database, claimant):
    job = submit(database)

    lease = claim(database, claimant)

    running = look(database, job.id)
    assert (running.state, running.attempt, running.lease_token) == ("running", 1, lease.token)
    assert running.lease_expires_at > running.started_at
    assert lease.spec == SPEC.model_dump(mode="json")
    assert [(a.number, a.outcome) for a in attempts(database, job.id)] == [(1, None)]


def test_a_worker_knows_whether_there_is_work_for_it(database, claimant):
    assert not queue.has_work(database, claimant)
    submit(database, queue="other")
    assert not queue.has_work(database, claimant)
    submit(database)
    assert queue.has_work(database, claimant)


def test_a_claim_whose_answer_was_lost_is_settled_by_its_token(database, claimant):
    job = submit(database)
    lose_the_answer_to_the_next_commit(database)

    lease = claim(database, claimant)

    assert (lease.job_id, lease.attempt) == (job.id, 1)
    assert look(database, job.id).lease_token == lease.token
    assert claim(database, claimant) is None


def test_a_renewed_lease_is_not_taken_back(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    expire(database, job.id)
    assert Journal(database, lease, 30).flush() == "run"

    assert queue.reap(database) == []


def test_a_stale_lease_cannot_be_renewed(database, claimant):
    submit(database)
    stale = claim(database, claimant)
    queue.end(database, stale, "drained")

    with pytest.raises(LeaseLost):
        Journal(database, stale, 30).flush()


def claim_all(address, claimant, found):
    with Database(address) as database:
        while (lease := queue.claim(database, claimant, 30)) is not None:
            found.append(lease.job_id)


def test_racing_threads_claim_each_job_once(database, database_address, claimant):
    ids = [submit(database).id for _ in range(20)]
    found = []
    threads = [
        threading.Thread(target=claim_all, args=(database_address, claimant, found))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == ids


def test_racing_processes_claim_each_job_once(database, database_address, claimant):
    ids = [submit(database).id for _ in range(12)]
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        found = manager.list()
        processes = [
            context.Process(target=claim_all, args=(database_address, claimant, found))
            for _ in range(3)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert sorted(found) == ids


def test_racing_reapers_take_each_job_back_once(database, database_address, claimant):
    ids = [submit(database).id for _ in range(8)]
    for job_id in ids:
        claim(database, claimant)
        expire(database, job_id)
    taken = []

    def reap_once():
        with Database(database_address) as own:
            taken.extend(queue.reap(own))

    threads = [threading.Thread(target=reap_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken += queue.reap(database)

    assert sorted(taken) == ids
    assert {look(database, job_id).losses for job_id in ids} == {1}


def test_success_publishes_the_files_in_the_same_moment(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    publication = Publication(Blob("a" * 64, 5), 1, "pt", "x.pt")

    queue.succeed(database, lease, "b" * 64, [publication])

    ended = look(database, job.id)
    assert (ended.state, ended.weights_sha256, ended.lease_token) == ("succeeded", "b" * 64, None)
    assert ended.finished_at is not None
    with database.reading() as session:
        [file] = session.scalars(select(Checkpoint)).all()
    assert (file.job_id, file.sha256, file.size, file.filename) == (job.id, "a" * 64, 5, "x.pt")
    assert attempts(database, job.id)[0].outcome == "succeeded"


def test_a_stale_lease_can_end_nothing_and_publish_nothing(database, claimant):
    job = submit(database)
    stale = claim(database, claimant)
    expire(database, job.id)
    queue.reap(database)
    fresh = claim(database, claimant)

    for attempt in (
        lambda: queue.succeed(database, stale, "b" * 64, [Publication(Blob("a", 1), 1, "pt", "x")]),
        lambda: queue.end(database, stale, "failed", Failure("x", "y")),
    ):
        with pytest.raises(LeaseLost):
            attempt()

    assert look(database, job.id).lease_token == fresh.token
    with database.reading() as session:
        assert session.scalars(select(Checkpoint)).all() == []


def test_a_success_that_cannot_publish_is_no_success(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    nameless = Publication(Blob("a" * 64, 1), 1, "pt", None)

    with pytest.raises(IntegrityError):
        queue.succeed(database, lease, "b" * 64, [nameless])

    assert (look(database, job.id).state, look(database, job.id).weights_sha256) == (
        "running",
        None,
    )
    assert attempts(database, job.id)[0].outcome is None


@pytest.mark.parametrize("outcome", ["failed", "crashed", "cancelled", "drained"])
def test_an_attempt_ends_once(database, claimant, outcome):
    submit(database)
    lease = claim(database, claimant)
    queue.end(database, lease, outcome)

    with pytest.raises(LeaseLost):
        queue.end(database, lease, outcome)
    with pytest.raises(LeaseLost):
        queue.succeed(database, lease, "b" * 64, [])


def test_every_attempt_is_told_with_its_worker_and_its_end(database, claimant):
    job = submit(database)
    other = workers.register(database, WorkerFacts("other", 2, "0", ["default"], [], 1))
    queue.end(database, claim(database, claimant), "drained", Failure("drained", "going home"))
    claim(database, Claimant(other, ["default"], ["auto"]))

    told = [(a.number, a.worker_id, a.outcome, a.reason) for a in attempts(database, job.id)]

    assert told == [
        (1, claimant.worker_id, "drained", "going home"),
        (2, other, None, None),
    ]


def test_an_error_of_the_job_fails_it_at_once_with_its_traceback(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)

    assert queue.end(database, lease, "failed", Failure("ValueError", "no", "tb")) == "failed"

    ended = look(database, job.id)
    assert (ended.error_kind, ended.error_message, ended.error_traceback) == (
        "ValueError",
        "no",
        "tb",
    )


def test_a_crash_waits_before_the_next_try_and_the_third_is_the_last(database, claimant):
    job = submit(database)
    states = []
    for _ in range(queue.CRASH_BUDGET):
        lease = claim(database, claimant)
        states.append(queue.end(database, lease, "crashed", Failure("crash", "gone")))
        assert claim(database, claimant) is None  # it backs off
        with database.writing() as session:
            session.execute(update(Job).values(available_at=now(-1)))

    assert states == ["queued", "queued", "failed"]
    assert look(database, job.id).error_kind == "crash"
    assert [a.outcome for a in attempts(database, job.id)] == ["crashed"] * 3


def test_a_retry_is_rung_for_when_it_is_due_and_not_before(database, claimant):
    submit(database)
    queue.end(database, claim(database, claimant), "crashed", Failure("crash", "gone"))
    assert queue.unheard_queues(database, ["default"]) == set()

    with database.writing() as session:  # as it will be when the pause is over
        pause = queue.backoff(0)
        session.execute(
            update(Job).values(available_at=now(-1), rung_at=now(-queue.RING_AGAIN_S - pause))
        )

    assert queue.unheard_queues(database, ["default"]) == {"default"}


def test_a_job_that_was_handed_back_is_rung_for_at_once(database, claimant):
    submit(database)
    queue.end(database, claim(database, claimant), "drained")

    wait_until(lambda: queue.unheard_queues(database, ["default"]), "the job is rung for", 5)


def test_draining_costs_nothing(database, claimant):
    job = submit(database)
    for _ in range(20):
        assert queue.end(database, claim(database, claimant), "drained") == "queued"

    assert (look(database, job.id).crashes, look(database, job.id).losses) == (0, 0)


@pytest.mark.parametrize(
    ("outcome", "desired", "crashes", "losses", "state"),
    [
        ("failed", "run", 0, 0, "failed"),
        ("failed", "cancel", 0, 0, "failed"),
        ("crashed", "run", 0, 0, "queued"),
        ("crashed", "run", 2, 0, "failed"),
        ("crashed", "cancel", 0, 0, "cancelled"),
        ("lost", "run", 0, 0, "queued"),
        ("lost", "run", 0, 9, "failed"),
        ("lost", "cancel", 0, 0, "cancelled"),
        ("drained", "run", 2, 9, "queued"),
        ("drained", "cancel", 0, 0, "cancelled"),
        ("cancelled", "cancel", 0, 0, "cancelled"),
        ("cancelled", "run", 0, 0, "cancelled"),
        ("crashed", "cancel", 2, 9, "cancelled"),
        ("lost", "cancel", 2, 9, "cancelled"),
        ("paused", "pause", 2, 9, "paused"),
        ("paused", "run", 2, 9, "queued"),
        ("drained", "pause", 2, 9, "paused"),
        ("crashed", "pause", 0, 0, "paused"),
        ("lost", "pause", 0, 0, "paused"),
        ("crashed", "pause", 2, 0, "failed"),
        ("failed", "pause", 0, 0, "failed"),
    ],
)
def test_what_becomes_of_a_job(outcome, desired, crashes, losses, state):
    move = decide(outcome, desired=desired, crashes=crashes, losses=losses)

    assert move.state == state


@pytest.mark.parametrize(
    ("outcome", "counts"), [("crashed", (2, 1)), ("lost", (1, 2)), ("drained", (1, 1))]
)
def test_each_kind_of_end_is_counted_by_itself(outcome, counts):
    move = decide(outcome, desired="run", crashes=1, losses=1)

    assert (move.crashes, move.losses) == counts
    assert (move.delay_s > 0) == (outcome == "crashed")


def test_pauses_double_up_to_a_limit():
    assert 1 <= queue.backoff(0) <= 2
    assert 4 <= queue.backoff(2) <= 8
    assert queue.backoff(50) <= queue.LONGEST_BACKOFF_S


def test_a_queued_job_is_cancelled_at_once_and_never_claimed(database, claimant):
    job = submit(database)

    assert queue.cancel(database, job.id).state == "cancelled"
    assert claim(database, claimant) is None


def test_a_running_job_is_asked_to_stop_and_asking_again_changes_nothing(database, claimant):
    job = submit(database)
    claim(database, claimant)

    first = queue.cancel(database, job.id)
    second = queue.cancel(database, job.id)

    assert (first.state, first.desired) == ("running", "cancel")
    assert second.revision == first.revision


def test_cancelling_too_late_changes_nothing(database, claimant):
    job = submit(database)
    queue.succeed(database, claim(database, claimant), "b" * 64, [])
    before = look(database, job.id)

    after = queue.cancel(database, job.id)

    assert (after.state, after.desired, after.revision) == ("succeeded", "run", before.revision)


@pytest.mark.parametrize("job_id", [7, 0, 2**63, 2**200])
def test_cancelling_what_does_not_exist_says_so(database, job_id):
    with pytest.raises(NotFound, match=f"no job {job_id}"):
        queue.cancel(database, job_id)


def test_a_cancelled_queued_job_has_no_attempt_and_is_never_reaped(database):
    job = submit(database)
    queue.cancel(database, job.id)

    assert queue.reap(database) == []
    assert attempts(database, job.id) == []
    assert queue.cancel(database, job.id).desired_at is not None


def test_a_running_job_that_was_asked_to_stop_is_cancelled_once_it_has(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    queue.cancel(database, job.id)

    assert queue.end(database, lease, "cancelled") == "cancelled"
    assert [a.outcome for a in attempts(database, job.id)] == ["cancelled"]
    assert look(database, job.id).error_kind is None


def test_a_lease_that_ran_out_is_taken_back_once(database, claimant):
    job = submit(database)
    claim(database, claimant)
    assert queue.reap(database) == []
    expire(database, job.id)

    assert queue.reap(database) == [job.id]
    assert queue.reap(database) == []
    assert (look(database, job.id).state, look(database, job.id).losses) == ("queued", 1)
    assert attempts(database, job.id)[0].outcome == "lost"


def test_the_tenth_lost_worker_is_the_last(database, claimant):
    job = submit(database)
    for _ in range(queue.LOSS_BUDGET):
        assert claim(database, claimant) is not None
        expire(database, job.id)
        assert queue.reap(database) == [job.id]

    ended = look(database, job.id)
    assert (ended.state, ended.error_kind, ended.losses) == ("failed", "lost", queue.LOSS_BUDGET)
    assert claim(database, claimant) is None


def test_a_lost_job_that_should_be_cancelled_is_cancelled(database, claimant):
    job = submit(database)
    claim(database, claimant)
    queue.cancel(database, job.id)
    expire(database, job.id)

    queue.reap(database)

    assert look(database, job.id).state == "cancelled"


def test_queues_that_nobody_rang_for_are_found_once(database):
    submit(database, queue="gpu")
    submit(database, queue="nobody")
    assert queue.unheard_queues(database, ["gpu"]) == set()
    with database.writing() as session:
        session.execute(update(Job).values(rung_at=now(-60)))

    assert queue.unheard_queues(database, ["gpu"]) == {"gpu"}
    assert queue.unheard_queues(database, ["gpu"]) == set()


@pytest.mark.parametrize(
    "values",
    [
        {"state": "sleeping"},
        {"desired": "explode"},
        {"state": "running"},
        {"state": "succeeded"},
        {"lease_token": "x"},
        {"finished_at": now()},
    ],
)
def test_the_database_refuses_impossible_rows(database, values):
    submit(database)

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(Job).values(values))


@pytest.mark.parametrize(
    "values", [{"outcome": "bored", "finished_at": now()}, {"outcome": "lost"}, {"number": 2}]
)
def test_the_database_refuses_impossible_attempts(database, claimant, values):
    submit(database)
    claim(database, claimant)
    if "number" in values:
        values = values | {"worker_id": 999}  # there is no such worker

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(Attempt).values(values))
