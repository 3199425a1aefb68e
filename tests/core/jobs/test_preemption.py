"""A run gives way to one of a higher priority, where the queue allows it, and resumes later."""

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.models import Attempt, JobEvent, JobProgress
from core.errors import Forbidden
from core.jobs import drains, endings, event_messages, lifecycle, policies, polling, preemption
from core.jobs.actors import LOCAL_OWNER, Actor, of_worker
from core.jobs.capacity import Capacity
from core.jobs.recorder import Recorder
from core.spec.spec import TrainingSpec
from tests.core.jobs.conftest import attempts, claim, look, secure
from tests.core.jobs.waiting import GPU, explain, run, start_worker, submit

ADA = Actor("user", "7", "Ada", "member")


def allow(database, queue="default", preempts=True):
    with database.writing() as session:
        return policies.put(session, LOCAL_OWNER, queue, preempts=preempts)


def give_way(database, lease):
    """What a worker does with a run that is to give way."""
    assert Recorder(database, lease, 30).flush() == "yield"
    return endings.end(database, lease, "paused")


def age(database, lease, seconds):
    of_attempt = (Attempt.job_id == lease.job_id) & (Attempt.number == lease.attempt)
    with database.writing() as session:
        session.execute(update(Attempt).where(of_attempt).values(started_at=now(-seconds)))


def history(database, job_id):
    with database.reading() as session:
        events = session.scalars(
            select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)
        )
        return [event_messages.describe(event).text for event in events]


@pytest.fixture
def worker(database):
    allow(database)
    return start_worker(database)


@pytest.fixture
def low(database, worker):
    submit(database)
    return run(database, worker)


def test_nothing_gives_way_unless_somebody_allowed_it(database):
    worker = start_worker(database)
    submit(database)
    lease = run(database, worker)
    submit(database, priority=5)

    assert not polling.poll(database, worker).may_preempt
    assert preemption.preempt(database) == []

    assert allow(database)
    assert not allow(database)
    assert polling.poll(database, worker).may_preempt
    assert preemption.preempt(database) == [lease.job_id]
    assert allow(database, preempts=False)
    assert not polling.poll(database, worker).may_preempt


def test_only_people_who_may_set_limits_allow_it(database):
    with database.writing() as session, pytest.raises(Forbidden, match="w may not say whether"):
        policies.put(session, of_worker(1, "w"), "default", preempts=True)


def test_the_one_that_gives_way_resumes_by_itself(database, worker, low):
    high = submit(database, priority=5)

    assert preemption.preempt(database) == [low.job_id]
    assert preemption.preempt(database) == []  # it is asked once
    assert give_way(database, low) == "queued"
    first = claim(database, worker)
    assert first.job_id == high.id
    endings.succeed(database, first, "0" * 64, [])

    again = claim(database, worker)

    assert (again.job_id, again.attempt) == (low.job_id, 2)
    [before, _] = attempts(database, low.job_id)
    assert before.outcome == "paused"
    job = look(database, low.job_id)
    assert (job.desired, job.crashes, job.losses) == ("run", 0, 0)
    assert Recorder(database, again, 30).flush() == "run"


def test_both_say_why_they_wait(database, worker, low):
    high = submit(database, priority=5)
    preemption.preempt(database)

    assert explain(database, high).reason == (
        f"next in line on 1 CPU slot; run {low.job_id} is being paused for it, about 1 s"
    )
    give_way(database, low)
    claim(database, worker)

    waiting = look(database, low.job_id)
    assert explain(database, waiting).reason == (
        f"it was paused for run {high.id} of priority 5, and resumes when a worker is free: "
        "next in line on 1 CPU slot"
    )
    reason = f"Paused for run {high.id} of owner, priority 5 over 0."
    assert history(database, low.job_id)[-2:] == [
        f"Asked to save a snapshot and give way: {reason}",
        f"Returned to the queue: {reason}",
    ]


def test_of_a_private_run_no_other_owner_learns_the_name(database, worker, low):
    spec = TrainingSpec.model_validate(look(database, low.job_id).spec)
    lifecycle.submit(database, ADA, name="x", spec=spec, priority=5, private=True)
    preemption.preempt(database)
    give_way(database, low)
    claim(database, worker)

    assert "Ada" not in "".join(history(database, low.job_id))
    assert explain(database, look(database, low.job_id)).reason.startswith(
        "it was paused for a private run of priority 5, and resumes when a worker is free: "
    )


@pytest.mark.parametrize("priority", [0, -1])
def test_none_gives_way_to_the_same_or_a_lower_priority(database, low, priority):
    submit(database, priority=priority)

    assert preemption.preempt(database) == []


def test_none_gives_way_in_another_queue(database):
    allow(database, "fast")
    worker = start_worker(database, ["default", "fast"])
    submit(database)
    run(database, worker)
    submit(database, priority=5, queue="fast")

    assert preemption.preempt(database) == []


def test_the_lowest_priority_gives_way_then_whoever_loses_least(database):
    allow(database)
    worker = start_worker(database, slots=3)
    leases = []
    for priority in (1, 0, 0):
        submit(database, priority=priority)
        leases.append(run(database, worker))
    for lease, seconds in zip(leases, (1, 900, 600), strict=True):
        age(database, lease, seconds)
    submit(database, priority=5)

    assert preemption.preempt(database) == [leases[2].job_id]


def test_a_fresh_snapshot_counts_as_little_to_lose(database):
    allow(database)
    worker = start_worker(database, slots=2)
    leases = []
    for seconds in (900, 600):
        submit(database)
        leases.append(run(database, worker))
        age(database, leases[-1], seconds)
    secure(database, leases[0].job_id)
    submit(database, priority=5)

    assert preemption.preempt(database) == [leases[0].job_id]


def test_none_gives_way_twice_before_it_has_run_some_minutes(database, worker, low):
    submit(database, priority=5)
    preemption.preempt(database)
    give_way(database, low)
    endings.succeed(database, claim(database, worker), "0" * 64, [])
    again = claim(database, worker)
    submit(database, priority=5)

    assert preemption.preempt(database) == []

    age(database, again, preemption.SETTLED_S + 1)
    assert preemption.preempt(database) == [again.job_id]


@pytest.mark.parametrize("what", ["free", "ending", "pausing"])
def test_none_gives_way_where_there_is_room_anyway(database, what):
    allow(database)
    worker = start_worker(database, slots=2)
    eta_s = preemption.ENDS_SOON_S if what == "ending" else 900
    for seconds in (900, eta_s)[: 1 if what == "free" else 2]:
        submit(database)
        lease = run(database, worker, eta_s=seconds)
    if what == "pausing":
        lifecycle.pause(database, lease.job_id, LOCAL_OWNER)
    submit(database, priority=5)

    assert preemption.preempt(database) == []


def test_none_gives_way_where_the_other_could_not_run(database, worker, low):
    submit(database, priority=5, device="cuda")

    assert preemption.preempt(database) == []


def test_none_gives_way_on_a_drained_worker(database, worker, low):
    submit(database, priority=5)
    drains.drain(database, str(worker.worker_id), LOCAL_OWNER)

    assert preemption.preempt(database) == []


def test_none_gives_way_where_something_before_the_other_would_take_the_place(database):
    allow(database)
    worker = start_worker(database, ["default", "fast"])
    submit(database)
    run(database, worker)
    submit(database, priority=9, queue="fast")
    submit(database, priority=5)

    assert preemption.preempt(database) == []


def test_as_many_give_way_as_a_large_run_needs(database):
    allow(database)
    worker = start_worker(database, devices=[GPU] * 3, slots=3)
    leases = []
    for priority in (0, 9, 1):
        submit(database, priority=priority)
        leases.append(run(database, worker, held=Capacity(1, 1, has_gpus=True)))
    large = submit(database, devices=2, priority=5)

    assert preemption.preempt(database) == [leases[0].job_id, leases[2].job_id]

    for lease in (leases[0], leases[2]):
        give_way(database, lease)
    assert claim(database, worker, Capacity(2, 2, has_gpus=True)).job_id == large.id


def test_none_gives_way_to_a_large_run_that_would_not_start_all_the_same(database):
    allow(database)
    two = start_worker(database, devices=[GPU], slots=2)  # of one GPU, a run has one slot
    three = start_worker(database, devices=[GPU] * 3, slots=3)
    for claimant, priorities in ((two, (0, 0)), (three, (0, 9, 9))):
        for priority in priorities:
            submit(database, priority=priority)
            run(database, claimant, held=Capacity(1, 1, has_gpus=True))
    submit(database, devices=2, priority=5)

    assert preemption.preempt(database) == []


@pytest.mark.parametrize(("asked", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_what_a_person_wants_counts_before_another_run(database, worker, low, asked, state):
    submit(database, priority=5)
    preemption.preempt(database)
    {"pause": lifecycle.pause, "cancel": lifecycle.cancel}[asked](database, low.job_id, LOCAL_OWNER)

    assert Recorder(database, low, 30).flush() == asked
    outcome = {"pause": "paused", "cancel": "cancelled"}[asked]
    assert endings.end(database, low, outcome) == state
    assert attempts(database, low.job_id)[0].reason is None


def test_a_worker_that_is_lost_meanwhile_is_said_to_be_lost(database, worker, low):
    submit(database, priority=5)
    preemption.preempt(database)
    with database.writing() as session:
        over = update(JobProgress).where(JobProgress.job_id == low.job_id)
        session.execute(over.values(lease_expires_at=now(-1)))

    assert endings.reap(database, 30) == [low.job_id]

    assert attempts(database, low.job_id)[0].outcome == "lost"
    job = look(database, low.job_id)
    assert (job.state, job.progress.yields_to) == ("queued", None)
