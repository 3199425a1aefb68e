"""How attempts end, what the job becomes then, and that each end takes place once."""

import threading

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from core import queries, workers
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Artifact, Job
from core.errors import LeaseLost
from core.jobs import endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication, decide
from core.jobs.recorder import Recorder
from core.messages import plain
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.core.jobs.conftest import attempts, claim, expire, look, secure, steps, submit
from tests.reported import epoch_end, started


def test_success_publishes_the_files_in_the_same_moment(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    publication = Publication(Blob("a" * 64, 5), 1, "pt", "x.pt")

    endings.succeed(database, lease, "b" * 64, [publication])

    ended = look(database, job.id)
    assert (ended.state, ended.weights_sha256, ended.progress.lease_token) == (
        "succeeded",
        "b" * 64,
        None,
    )
    assert ended.finished_at is not None
    with database.reading() as session:
        [file] = session.scalars(select(Artifact)).all()
    assert (file.job_id, file.sha256, file.size, file.filename) == (job.id, "a" * 64, 5, "x.pt")
    assert attempts(database, job.id)[0].outcome == "succeeded"


def test_a_run_that_publishes_its_best_epoch_has_the_measurements_of_that(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    recorder = Recorder(database, lease, 30)
    recorder.record(started(epochs=2))
    recorder.record(epoch_end(epoch=1, test_accuracy=0.98, train_loss=0.4))
    recorder.record(epoch_end(epoch=2, test_accuracy=0.95, train_loss=0.3))
    recorder.flush()
    while_it_runs = look(database, job.id)

    endings.succeed(database, lease, "b" * 64, [Publication(Blob("a" * 64, 5), 1, "pt", "x.pt")])

    ended = look(database, job.id)
    assert (while_it_runs.published_epoch, while_it_runs.test_accuracy) == (None, 0.95)
    assert (ended.published_epoch, ended.test_accuracy, ended.train_loss) == (1, 0.98, 0.4)
    assert ended.progress.epoch == 2
    with database.reading() as session:
        best = queries.jobs(session, queries.Selection(sort="-test_accuracy")).items
    assert [row.test_accuracy for row, _ in best] == [0.98]


def test_a_success_that_cannot_publish_is_no_success(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    nameless = Publication(Blob("a" * 64, 1), 1, "pt", None)

    with pytest.raises(IntegrityError):
        endings.succeed(database, lease, "b" * 64, [nameless])

    assert (look(database, job.id).state, look(database, job.id).weights_sha256) == (
        "running",
        None,
    )
    assert attempts(database, job.id)[0].outcome is None


@pytest.mark.parametrize("outcome", ["failed", "crashed", "cancelled", "drained"])
def test_an_attempt_ends_once(database, claimant, outcome):
    submit(database)
    lease = claim(database, claimant)
    endings.end(database, lease, outcome)

    with pytest.raises(LeaseLost):
        endings.end(database, lease, outcome)
    with pytest.raises(LeaseLost):
        endings.succeed(database, lease, "b" * 64, [])


def test_every_attempt_is_recorded_with_its_worker_and_its_outcome(database, claimant):
    job = submit(database)
    other = workers.register(database, WorkerFacts("other", 2, "0", ["default"], [], 1))
    endings.end(
        database, claim(database, claimant), "drained", Failure("drained", plain("going home"))
    )
    claim(database, Claimant(other, ["default"]))

    rows = [(a.number, a.worker_id, a.outcome, a.reason) for a in attempts(database, job.id)]

    assert rows == [
        (1, claimant.worker_id, "drained", plain("going home")),
        (2, other, None, None),
    ]


def test_an_error_of_the_job_fails_it_at_once_with_its_traceback(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)

    assert (
        endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "tb")) == "failed"
    )

    ended = look(database, job.id)
    assert (ended.error_kind, ended.error_message, ended.error_traceback) == (
        "ValueError",
        plain("no"),
        "tb",
    )


def test_a_crash_waits_before_the_next_try_and_the_third_is_the_last(database, claimant):
    job = submit(database)
    states = []
    for _ in range(endings.CRASH_BUDGET):
        lease = claim(database, claimant)
        states.append(endings.end(database, lease, "crashed", Failure("crash", plain("gone"))))
        assert claim(database, claimant) is None  # it backs off
        with database.writing() as session:
            session.execute(update(Job).values(available_at=now(-1)))

    assert states == ["queued", "queued", "failed"]
    assert look(database, job.id).error_kind == "crash"
    assert [a.outcome for a in attempts(database, job.id)] == ["crashed"] * 3


def test_draining_costs_nothing(database, claimant):
    job = submit(database)
    for _ in range(20):
        assert endings.end(database, claim(database, claimant), "drained") == "queued"

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
def test_an_outcome_decides_the_next_state(outcome, desired, crashes, losses, state):
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
    assert 1 <= endings.backoff(0) <= 2
    assert 4 <= endings.backoff(2) <= 8
    assert endings.backoff(50) <= endings.LONGEST_BACKOFF_S


@pytest.mark.parametrize(("outcome", "kept"), [("cancelled", []), ("failed", [10])])
def test_a_failed_job_keeps_its_snapshots_and_a_cancelled_one_does_not(
    database, claimant, outcome, kept
):
    job = submit(database)
    lease = claim(database, claimant)
    secure(database, job.id)

    endings.end(database, lease, outcome, Failure("x", plain("y")))

    assert steps(database, job.id) == kept


def test_a_job_that_succeeded_keeps_no_snapshot(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    secure(database, job.id)

    endings.succeed(database, lease, "b" * 64, [])

    assert steps(database, job.id) == []


def test_a_pause_that_was_taken_back_too_late_queues_the_job_again(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    lifecycle.resume(database, job.id, LOCAL_OWNER)

    assert endings.end(database, lease, "paused") == "queued"


def test_a_running_job_that_was_asked_to_stop_is_cancelled_once_it_has(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert endings.end(database, lease, "cancelled") == "cancelled"
    assert [a.outcome for a in attempts(database, job.id)] == ["cancelled"]
    assert look(database, job.id).error_kind is None


def test_a_lease_that_ran_out_is_taken_back_once(database, claimant):
    job = submit(database)
    claim(database, claimant)
    assert endings.reap(database, 30) == []
    expire(database, job.id)

    assert endings.reap(database, 30) == [job.id]
    assert endings.reap(database, 30) == []
    assert (look(database, job.id).state, look(database, job.id).losses) == ("queued", 1)
    assert attempts(database, job.id)[0].outcome == "lost"


def test_racing_reapers_take_each_job_back_once(database, database_address, claimant):
    ids = [submit(database).id for _ in range(8)]
    for job_id in ids:
        claim(database, claimant)
        expire(database, job_id)
    taken = []

    def reap_once():
        with Database(database_address) as own:
            taken.extend(endings.reap(own, 30))

    threads = [threading.Thread(target=reap_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken += endings.reap(database, 30)

    assert sorted(taken) == ids
    assert {look(database, job_id).losses for job_id in ids} == {1}


def test_the_tenth_lost_worker_is_the_last(database, claimant):
    job = submit(database)
    for _ in range(endings.LOSS_BUDGET):
        assert claim(database, claimant) is not None
        expire(database, job.id)
        assert endings.reap(database, 30) == [job.id]

    ended = look(database, job.id)
    assert (ended.state, ended.error_kind, ended.losses) == ("failed", "lost", endings.LOSS_BUDGET)
    assert claim(database, claimant) is None


def test_a_lost_job_that_should_be_paused_is_paused(database, claimant):
    job = submit(database)
    claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    expire(database, job.id)

    endings.reap(database, 30)

    assert (look(database, job.id).state, look(database, job.id).losses) == ("paused", 1)


def test_a_lost_job_that_should_be_cancelled_is_cancelled(database, claimant):
    job = submit(database)
    claim(database, claimant)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    expire(database, job.id)

    endings.reap(database, 30)

    assert look(database, job.id).state == "cancelled"
