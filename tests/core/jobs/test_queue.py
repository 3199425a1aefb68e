"""The queue: who gets which job, how jobs end, and that nobody else can end them."""

import multiprocessing
import threading

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from core import queries, workers
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Artifact, Attempt, Job
from core.errors import Conflict, Forbidden, LeaseLost, NotFound
from core.jobs import claim as claiming
from core.jobs import endings, lifecycle, polling, snapshots
from core.jobs.actors import LOCAL_OWNER, Actor, of_worker
from core.jobs.capacity import Capacity, Requirements
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication, decide
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import plain
from core.spec import presets
from core.states import FINAL
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.core.conftest import lose_the_answer_to_the_next_commit
from tests.services import wait_until

SPEC = presets.resolve("quick", {"dataset": "digits"})


ADA = Actor("user", "7", "Ada")
ONE_GPU = Capacity(1, 1, has_gpus=True)
TWO_GPUS = Capacity(2, 2, has_gpus=True)


def submit(database, **options):
    changes = {name: options.pop(name) for name in ("device", "devices") if name in options}
    chosen = presets.resolve("quick", {"dataset": "digits"} | changes)
    return lifecycle.submit(database, LOCAL_OWNER, name="job", spec=chosen, **options)


def claim(database, claimant, held=None):
    return claiming.claim(database, claimant, 30, held)


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
    everywhere = Claimant(claimant.worker_id, ["default", "other"], Capacity(1, 1, has_gpus=True))
    assert claim(database, everywhere) is not None
    assert claim(database, everywhere) is not None


@pytest.fixture
def large(claimant):
    """A worker with two GPUs, each divided into two slots."""
    return Claimant(claimant.worker_id, ["default"], Capacity(4, 2, has_gpus=True))


def test_a_job_for_several_devices_is_claimed_by_who_holds_as_many(database, large):
    job = submit(database, devices=2)

    assert claim(database, large) is None
    assert claim(database, large, Capacity(2, 1, has_gpus=True)) is None  # two slots of one GPU
    lease = claim(database, large, TWO_GPUS)

    assert (lease.job_id, lease.needs) == (job.id, Requirements("auto", 2))


def test_on_the_cpu_a_job_takes_any_slots(database, large):
    job = submit(database, device="cpu", devices=2)

    assert claim(database, large) is None
    assert claim(database, large, Capacity(2, 1, has_gpus=True)).job_id == job.id


def test_a_job_that_needs_fewer_devices_than_are_held_is_claimed_too(database, large):
    job = submit(database)

    assert claim(database, large, TWO_GPUS).job_id == job.id


def test_no_job_passes_a_large_one_that_waits_for_slots(database, large):
    first = submit(database).id
    waiting = submit(database, devices=2).id
    behind = submit(database).id
    urgent = submit(database, priority=1).id

    claimed = [claim(database, large).job_id for _ in range(2)]

    assert claimed == [urgent, first]
    assert claim(database, large) is None
    assert claim(database, large, TWO_GPUS).job_id == waiting
    assert claim(database, large).job_id == behind


def test_only_who_could_ever_run_a_large_job_waits_for_it(database, claimant, large):
    too_large = [
        submit(database, devices=3, priority=9).id,
        submit(database, devices=5, device="cpu", priority=9).id,
    ]
    small = [submit(database).id for _ in range(2)]

    assert [claim(database, each).job_id for each in (claimant, large)] == small
    assert claim(database, Claimant(claimant.worker_id, ["default"], Capacity(8, 3))) is None
    assert {look(database, job_id).state for job_id in too_large} == {"queued"}


@pytest.mark.parametrize("end", [lifecycle.cancel, lifecycle.pause])
def test_jobs_behind_a_large_one_go_on_when_it_does_not_wait_any_more(database, large, end):
    waiting = submit(database, devices=2).id
    behind = submit(database).id
    assert claim(database, large) is None

    end(database, waiting, LOCAL_OWNER)

    assert claim(database, large).job_id == behind


def test_a_large_job_that_backs_off_keeps_nobody_waiting(database, large):
    waiting = submit(database, devices=2)
    behind = submit(database).id
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == waiting.id).values(available_at=now(60)))

    assert claim(database, large).job_id == behind


def test_a_worker_can_ask_what_the_best_job_needs(database, claimant, large):
    assert claiming.next_requirements(database, large) is None
    submit(database)
    assert claiming.next_requirements(database, large) == Requirements("auto", 1)
    submit(database, devices=2, device="cuda", priority=1)
    assert claiming.next_requirements(database, large) == Requirements("cuda", 2)
    submit(database, devices=4, device="cpu", priority=2)
    assert claiming.next_requirements(database, large) == Requirements("cpu", 4)
    submit(database, devices=4, priority=3)
    assert claiming.next_requirements(database, large) == Requirements("cpu", 4)
    assert claiming.next_requirements(database, claimant) == Requirements("auto", 1)


@pytest.mark.parametrize(
    ("room", "wanted", "holds"),
    [
        (Capacity(2, 1, has_gpus=True), Requirements("cpu", 2), True),
        (Capacity(2, 1, has_gpus=True), Requirements("auto", 2), False),
        (TWO_GPUS, Requirements("cuda", 2), True),
        (TWO_GPUS, Requirements("cpu", 3), False),
    ],
)
def test_room_is_told_the_same_by_the_database(database, claimant, room, wanted, holds):
    submit(database, device=wanted.device, devices=wanted.devices)
    everything = Claimant(claimant.worker_id, ["default"], Capacity(9, 9, has_gpus=True))

    assert room.fits(wanted) is holds
    assert (claim(database, everything, room) is not None) is holds


def test_a_large_job_is_no_work_for_a_worker_that_is_too_small(database, claimant, large):
    submit(database, devices=2)

    assert polling.poll(database, claimant).due_in_s is None
    assert polling.poll(database, large).due_in_s <= 0


def claim_with(held, address, claimant, found, count):
    with Database(address) as database:
        while len(found) < count:
            if (lease := claiming.claim(database, claimant, 30, held)) is not None:
                found[lease.job_id] = held


def test_racing_threads_claim_nothing_out_of_turn(database, database_address, large):
    """Several look at a large job that none of them can run, while one can."""
    ids = [submit(database, devices=1 + number % 2).id for number in range(12)]
    found = {}
    threads = [
        threading.Thread(target=claim_with, args=(held, database_address, large, found, len(ids)))
        for held in (ONE_GPU, ONE_GPU, ONE_GPU, TWO_GPUS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    starts = [look(database, job_id).started_at for job_id in ids]
    for number in range(1, len(ids), 2):
        assert found[ids[number]] == TWO_GPUS
        assert starts[number] <= min(starts[number:])


def test_a_retried_job_needs_as_many_devices_as_before(database, large):
    job = submit(database, devices=2)
    endings.end(database, claim(database, large, TWO_GPUS), "failed", Failure("x", plain("y")))

    lifecycle.retry(database, job.id, LOCAL_OWNER)

    assert claim(database, large) is None
    assert claim(database, large, TWO_GPUS).needs.devices == 2


def test_a_claim_writes_the_attempt_and_the_lease(database, claimant):
    job = submit(database)

    lease = claim(database, claimant)

    running = look(database, job.id)
    assert (running.state, running.attempt, running.lease_token) == ("running", 1, lease.token)
    assert running.lease_expires_at > running.started_at
    assert lease.spec == SPEC.model_dump(mode="json")
    assert [(a.number, a.outcome) for a in attempts(database, job.id)] == [(1, None)]


def test_a_worker_knows_when_there_is_work_for_it(database, claimant):
    assert polling.poll(database, claimant).due_in_s is None
    submit(database, queue="other")
    submit(database, device="cuda")
    assert polling.poll(database, claimant).due_in_s is None
    job = submit(database)
    assert polling.poll(database, claimant).due_in_s <= 0
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(available_at=now(60)))
    assert 50 < polling.poll(database, claimant).due_in_s <= 60


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
    assert Recorder(database, lease, 30).flush() == "run"

    assert endings.reap(database, 30) == []


def test_a_stale_lease_cannot_be_renewed(database, claimant):
    submit(database)
    stale = claim(database, claimant)
    endings.end(database, stale, "drained")

    with pytest.raises(LeaseLost):
        Recorder(database, stale, 30).flush()


def claim_all(address, claimant, found):
    with Database(address) as database:
        while (lease := claiming.claim(database, claimant, 30)) is not None:
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
            taken.extend(endings.reap(own, 30))

    threads = [threading.Thread(target=reap_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken += endings.reap(database, 30)

    assert sorted(taken) == ids
    assert {look(database, job_id).losses for job_id in ids} == {1}


def test_success_publishes_the_files_in_the_same_moment(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    publication = Publication(Blob("a" * 64, 5), 1, "pt", "x.pt")

    endings.succeed(database, lease, "b" * 64, [publication])

    ended = look(database, job.id)
    assert (ended.state, ended.weights_sha256, ended.lease_token) == ("succeeded", "b" * 64, None)
    assert ended.finished_at is not None
    with database.reading() as session:
        [file] = session.scalars(select(Artifact)).all()
    assert (file.job_id, file.sha256, file.size, file.filename) == (job.id, "a" * 64, 5, "x.pt")
    assert attempts(database, job.id)[0].outcome == "succeeded"


def test_a_stale_lease_can_end_nothing_and_publish_nothing(database, claimant):
    job = submit(database)
    stale = claim(database, claimant)
    expire(database, job.id)
    endings.reap(database, 30)
    fresh = claim(database, claimant)

    for attempt in (
        lambda: endings.succeed(
            database, stale, "b" * 64, [Publication(Blob("a", 1), 1, "pt", "x")]
        ),
        lambda: endings.end(database, stale, "failed", Failure("x", plain("y"))),
    ):
        with pytest.raises(LeaseLost):
            attempt()

    assert look(database, job.id).lease_token == fresh.token
    with database.reading() as session:
        assert session.scalars(select(Artifact)).all() == []


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


def test_every_attempt_is_told_with_its_worker_and_its_end(database, claimant):
    job = submit(database)
    other = workers.register(database, WorkerFacts("other", 2, "0", ["default"], [], 1))
    endings.end(
        database, claim(database, claimant), "drained", Failure("drained", plain("going home"))
    )
    claim(database, Claimant(other, ["default"]))

    told = [(a.number, a.worker_id, a.outcome, a.reason) for a in attempts(database, job.id)]

    assert told == [
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


def test_a_retry_is_rung_for_when_it_is_due_and_not_before(database, claimant):
    submit(database)
    endings.end(database, claim(database, claimant), "crashed", Failure("crash", plain("gone")))
    assert polling.unnotified_queues(database, ["default"]) == set()

    with database.writing() as session:  # as it will be when the pause is over
        pause = endings.backoff(0)
        session.execute(
            update(Job).values(
                available_at=now(-1), notified_at=now(-polling.NOTIFY_AGAIN_S - pause)
            )
        )

    assert polling.unnotified_queues(database, ["default"]) == {"default"}


def test_a_job_that_was_handed_back_is_rung_for_at_once(database, claimant):
    submit(database)
    endings.end(database, claim(database, claimant), "drained")

    wait_until(lambda: polling.unnotified_queues(database, ["default"]), "the job is rung for", 5)


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
    assert 1 <= endings.backoff(0) <= 2
    assert 4 <= endings.backoff(2) <= 8
    assert endings.backoff(50) <= endings.LONGEST_BACKOFF_S


def test_a_queued_job_is_cancelled_at_once_and_never_claimed(database, claimant):
    job = submit(database)

    assert lifecycle.cancel(database, job.id, LOCAL_OWNER).state == "cancelled"
    assert claim(database, claimant) is None


def test_a_running_job_is_asked_to_stop_and_asking_again_changes_nothing(database, claimant):
    job = submit(database)
    claim(database, claimant)

    first = lifecycle.cancel(database, job.id, LOCAL_OWNER)
    second = lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert (first.state, first.desired) == ("running", "cancel")
    assert second.revision == first.revision


def test_cancelling_too_late_changes_nothing(database, claimant):
    job = submit(database)
    endings.succeed(database, claim(database, claimant), "b" * 64, [])
    before = look(database, job.id)

    after = lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert (after.state, after.desired, after.revision) == ("succeeded", "run", before.revision)


@pytest.mark.parametrize("job_id", [7, 0, 2**63, 2**200])
@pytest.mark.parametrize(
    "ask", [lifecycle.cancel, lifecycle.pause, lifecycle.resume, lifecycle.retry]
)
def test_what_does_not_exist_is_said(database, job_id, ask):
    with pytest.raises(NotFound, match=f"no job {job_id}"):
        ask(database, job_id, LOCAL_OWNER)


def bring_to(database, claimant, situation):
    """A job in one of the situations in which something may be asked of it."""
    job = submit(database)
    if situation == "paused":
        lifecycle.pause(database, job.id, LOCAL_OWNER)
    elif situation == "cancelled":
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
    elif situation != "queued":
        lease = claim(database, claimant)
        if situation == "succeeded":
            endings.succeed(database, lease, "b" * 64, [])
        elif situation == "failed":
            endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "tb"))
        elif situation == "pausing":
            lifecycle.pause(database, job.id, LOCAL_OWNER)
        elif situation == "cancelling":
            lifecycle.cancel(database, job.id, LOCAL_OWNER)
    return look(database, job.id)


# state and wish after it was asked for; None: nothing changed; a text: what a person is told
ASKED = {
    lifecycle.pause: {
        "queued": ("paused", "pause"),
        "running": ("running", "pause"),
        "pausing": None,
        "paused": None,
        "cancelling": "being cancelled",
        "succeeded": "is succeeded",
        "failed": "is failed",
        "cancelled": "is cancelled",
    },
    lifecycle.resume: {
        "queued": None,
        "running": None,
        "pausing": ("running", "run"),
        "paused": ("queued", "run"),
        "cancelling": "being cancelled",
        "succeeded": "is succeeded",
        "failed": "Retry it instead",
        "cancelled": "is cancelled",
    },
    lifecycle.retry: {
        "queued": "is queued",
        "running": "is running",
        "pausing": "is running",
        "paused": "is paused",
        "cancelling": "is running",
        "succeeded": "is succeeded",
        "failed": ("queued", "run"),
        "cancelled": "is cancelled",
    },
    lifecycle.cancel: {
        "queued": ("cancelled", "cancel"),
        "running": ("running", "cancel"),
        "pausing": ("running", "cancel"),
        "paused": ("cancelled", "cancel"),
        "cancelling": None,
        "succeeded": None,
        "failed": None,
        "cancelled": None,
    },
}


@pytest.mark.parametrize(
    ("ask", "situation", "answer"),
    [(ask, *each) for ask, answers in ASKED.items() for each in answers.items()],
    ids=[f"{ask.__name__}-{each}" for ask, answers in ASKED.items() for each in answers],
)
def test_what_is_asked_of_a_job_is_done_refused_or_changes_nothing(
    database, claimant, ask, situation, answer
):
    before = bring_to(database, claimant, situation)

    if isinstance(answer, str):
        with pytest.raises(Conflict, match=answer):
            ask(database, before.id, ADA)
    else:
        told = ask(database, before.id, ADA)
        state, desired = answer or (before.state, before.desired)
        assert (told.state, told.desired) == (state, desired)
        if answer:
            assert (told.desired_by, told.revision) == ("Ada", before.revision + 1)
            assert told.desired_at is not None

    after = look(database, before.id)
    if not isinstance(answer, tuple):
        assert (after.revision, after.desired, after.desired_by) == (
            before.revision,
            before.desired,
            before.desired_by,
        )
    assert (after.finished_at is None) == (after.state not in FINAL)


def test_a_second_retry_is_refused_while_the_first_waits(database, claimant):
    job = bring_to(database, claimant, "failed")
    lifecycle.retry(database, job.id, LOCAL_OWNER)

    with pytest.raises(Conflict, match="only a failed run"):
        lifecycle.retry(database, job.id, LOCAL_OWNER)


def test_a_paused_job_is_never_claimed_and_goes_on_when_it_is_resumed(database, claimant):
    job = bring_to(database, claimant, "paused")
    assert claim(database, claimant) is None
    assert polling.unnotified_queues(database, ["default"]) == set()
    assert endings.reap(database, 30) == []

    lifecycle.resume(database, job.id, LOCAL_OWNER)

    assert claim(database, claimant).job_id == job.id


def test_a_running_job_hears_of_the_pause_and_of_its_end(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    recorder = Recorder(database, lease, 30)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    assert recorder.flush() == "pause"
    lifecycle.resume(database, job.id, LOCAL_OWNER)
    assert recorder.flush() == "run"
    lifecycle.pause(database, job.id, LOCAL_OWNER)

    assert endings.end(database, lease, "paused") == "paused"
    assert [a.outcome for a in attempts(database, job.id)] == ["paused"]
    assert (look(database, job.id).crashes, look(database, job.id).losses) == (0, 0)


def test_a_pause_that_was_taken_back_too_late_queues_the_job_again(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    lifecycle.resume(database, job.id, LOCAL_OWNER)

    assert endings.end(database, lease, "paused") == "queued"


def test_a_lost_job_that_should_be_paused_is_paused(database, claimant):
    job = submit(database)
    claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    expire(database, job.id)

    endings.reap(database, 30)

    assert (look(database, job.id).state, look(database, job.id).losses) == ("paused", 1)


def test_a_resumed_job_is_due_at_once_however_it_was_paused(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    endings.end(database, lease, "crashed", Failure("crash", plain("gone")))

    lifecycle.resume(database, job.id, LOCAL_OWNER)

    assert claim(database, claimant).job_id == job.id


def secure(database, job_id, step=10, attempt=1):
    with database.writing() as session:
        snapshots.add(session, job_id, attempt, SnapshotRef(1, step, Blob(f"{step:064}", 5)))


def steps(database, job_id):
    with database.reading() as session:
        return [point.step for point in snapshots.newest_first(session, job_id)]


@pytest.mark.parametrize(
    ("from_scratch", "kept", "secured"), [(False, [10], 10), (True, [], 0)], ids=["on", "anew"]
)
def test_a_retry_has_its_whole_budget_and_goes_on_or_begins_anew(
    database, claimant, from_scratch, kept, secured
):
    job = submit(database)
    lease = claim(database, claimant)
    secure(database, job.id)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "tb"))
    with database.writing() as session:
        session.execute(update(Job).values(crashes=2, losses=9, secured_step=10))

    lifecycle.retry(database, job.id, LOCAL_OWNER, from_scratch=from_scratch)

    again = look(database, job.id)
    assert (again.crashes, again.losses, again.secured_step) == (0, 0, secured)
    assert (again.error_kind, again.error_message, again.error_traceback) == (None, None, None)
    assert again.finished_at is None
    assert steps(database, job.id) == kept
    assert claim(database, claimant).attempt == 2
    assert [a.outcome for a in attempts(database, job.id)] == ["failed", None]


@pytest.mark.parametrize("situation", ["queued", "paused"])
def test_a_cancelled_job_keeps_no_resume_point(database, claimant, situation):
    job = bring_to(database, claimant, situation)
    secure(database, job.id)

    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert steps(database, job.id) == []


@pytest.mark.parametrize(("outcome", "kept"), [("cancelled", []), ("failed", [10])])
def test_a_failed_job_keeps_its_resume_points_and_a_cancelled_one_does_not(
    database, claimant, outcome, kept
):
    job = submit(database)
    lease = claim(database, claimant)
    secure(database, job.id)

    endings.end(database, lease, outcome, Failure("x", plain("y")))

    assert steps(database, job.id) == kept


def test_a_job_that_succeeded_keeps_no_resume_point(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    secure(database, job.id)

    endings.succeed(database, lease, "b" * 64, [])

    assert steps(database, job.id) == []


@pytest.mark.parametrize(
    "ask", [lifecycle.cancel, lifecycle.pause, lifecycle.resume, lifecycle.retry]
)
def test_who_is_no_person_may_ask_nothing_of_a_job(database, ask):
    job = submit(database)

    with pytest.raises(Forbidden, match=f"w may not {ask.__name__} run {job.id}"):
        ask(database, job.id, of_worker(3, "w"))

    assert look(database, job.id).revision == job.revision


def test_a_cancelled_queued_job_has_no_attempt_and_is_never_reaped(database):
    job = submit(database)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert endings.reap(database, 30) == []
    assert attempts(database, job.id) == []
    assert lifecycle.cancel(database, job.id, LOCAL_OWNER).desired_at is not None


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


def test_the_tenth_lost_worker_is_the_last(database, claimant):
    job = submit(database)
    for _ in range(endings.LOSS_BUDGET):
        assert claim(database, claimant) is not None
        expire(database, job.id)
        assert endings.reap(database, 30) == [job.id]

    ended = look(database, job.id)
    assert (ended.state, ended.error_kind, ended.losses) == ("failed", "lost", endings.LOSS_BUDGET)
    assert claim(database, claimant) is None


def test_a_lost_job_that_should_be_cancelled_is_cancelled(database, claimant):
    job = submit(database)
    claim(database, claimant)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    expire(database, job.id)

    endings.reap(database, 30)

    assert look(database, job.id).state == "cancelled"


def test_queues_that_nobody_rang_for_are_found_once(database):
    submit(database, queue="gpu")
    submit(database, queue="nobody")
    assert polling.unnotified_queues(database, ["gpu"]) == set()
    with database.writing() as session:
        session.execute(update(Job).values(notified_at=now(-60)))

    assert polling.unnotified_queues(database, ["gpu"]) == {"gpu"}
    assert polling.unnotified_queues(database, ["gpu"]) == set()


@pytest.mark.parametrize(
    "values",
    [
        {"state": "sleeping"},
        {"desired": "explode"},
        {"state": "running"},
        {"state": "succeeded"},
        {"lease_token": "x"},
        {"finished_at": now()},
        {"state": "paused"},
        {"state": "queued", "desired": "pause"},
        {"state": "queued", "desired": "cancel"},
        {"state": "cancelled", "finished_at": now()},
        {"state": "failed"},
        {"state": "running", "attempt": 1, "lease_token": "x", "lease_expires_at": now(9)},
        {"lease_expires_at": now(9)},
    ],
)
def test_the_database_refuses_impossible_rows(database, values):
    submit(database)

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(Job).values(values))


@pytest.mark.parametrize(
    "values",
    [
        {"state": "queued"},
        {"state": "paused", "desired": "pause"},
        {"lease_token": None},
        {"worker_id": None},
        {"attempt": 0},
    ],
)
def test_the_database_refuses_an_impossible_running_job(database, claimant, values):
    submit(database)
    claim(database, claimant)

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(Job).values(values))


def test_the_database_refuses_two_open_attempts_of_one_job(database, claimant):
    job = submit(database)
    claim(database, claimant)
    second = {"job_id": job.id, "number": 2, "worker_id": claimant.worker_id, "started_at": now()}

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(insert(Attempt).values(second))


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
