"""Whose turn it is: use is counted once, fades, and decides among owners of one priority."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from core import workers
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job, OwnerUse
from core.jobs import claim as claiming
from core.jobs import endings, lifecycle, limits, sharing
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import Capacity
from core.jobs.claim import Claimant
from core.jobs.sharing import HALF_LIFE_S, Limits, Use
from core.messages import message
from core.spec import presets
from core.workers import WorkerFacts
from tests.core.jobs.conftest import ADA, claim, look

BO = Actor("user", "8", "Bo", "administrator")
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
SPEC = presets.resolve("quick", {"dataset": "digits"})


def submit(database, actor, **options):
    return lifecycle.submit(database, actor, name="job", spec=SPEC, **options).id


def uses(database):
    with database.reading() as session:
        return {row.owner: row for row in session.scalars(select(OwnerUse))}


def have_used(database, actor, seconds):
    """Let somebody have used so much until now."""
    with database.writing() as session:
        session.add(
            OwnerUse(
                owner=actor.name, device_seconds=seconds, as_of=now(), devices=0, runs=0, days={}
            )
        )


def order(database, claimant, count):
    """The owners of the next jobs, each of which runs on."""
    return [look(database, claim(database, claimant).job_id).owner for _ in range(count)]


def test_whoever_has_used_less_goes_first_whatever_waits_longer(database, claimant):
    have_used(database, ADA, 1000.0)
    for actor in (ADA, ADA, BO, BO):
        submit(database, actor)

    assert order(database, claimant, 4) == ["Bo", "Bo", "Ada", "Ada"]


def test_those_who_have_used_nothing_take_turns(database, claimant):
    for actor in (ADA, ADA, ADA, BO, BO, BO):
        submit(database, actor)

    owners = order(database, claimant, 6)

    assert [sorted(owners[at : at + 2]) for at in (0, 2, 4)] == [["Ada", "Bo"]] * 3


def test_priority_is_before_what_was_used(database, claimant):
    have_used(database, ADA, 1000.0)
    submit(database, BO)
    urgent = submit(database, ADA, priority=1)

    assert claim(database, claimant).job_id == urgent


def test_of_one_owner_the_oldest_goes_first_whatever_it_needs(database, large):
    ids = [submit(database, ADA) for _ in range(2)]
    cpu = presets.resolve("quick", {"dataset": "digits", "device": "cpu"})
    ids += [lifecycle.submit(database, ADA, name="job", spec=cpu).id, submit(database, ADA)]

    assert [claim(database, large).job_id for _ in range(4)] == ids


def test_what_runs_counts_as_used_and_stays_counted_when_it_has_ended(database, claimant):
    submit(database, ADA)
    lease = claim(database, claimant)
    with database.writing() as session:
        session.execute(update(OwnerUse).values(as_of=now(-100)))
    assert (uses(database)["Ada"].devices, uses(database)["Ada"].runs) == (1, 1)

    endings.succeed(database, lease, "0" * 64, [])

    after = uses(database)["Ada"]
    assert (after.devices, after.runs) == (0, 0)
    assert after.device_seconds == pytest.approx(100, abs=30)
    assert sum(after.days.values()) == pytest.approx(100, abs=30)


@pytest.mark.parametrize("outcome", ["failed", "crashed", "lost", "drained", "paused"])
def test_every_end_of_an_attempt_is_counted_once(database, claimant, outcome):
    submit(database, ADA)

    endings.end(database, claim(database, claimant), outcome, endings.Failure("x", REASON))

    assert (uses(database)["Ada"].devices, uses(database)["Ada"].runs) == (0, 0)


REASON = message("worker.ended")


def test_the_second_persons_first_run_is_the_next_to_start(database, claimant):
    """One has submitted 500 runs first, and uses the only slot; another submits five."""
    first = submit(database, ADA)
    for _ in range(20):
        submit(database, ADA)
    lease = claim(database, claimant)
    assert lease.job_id == first
    own = [submit(database, BO) for _ in range(5)]

    endings.succeed(database, lease, "0" * 64, [])

    assert claim(database, claimant).job_id == own[0]


STEPS = st.lists(
    st.tuples(st.floats(0, 3 * HALF_LIFE_S), st.integers(-2, 2)), min_size=1, max_size=12
)


@given(STEPS)
def test_use_is_the_faded_sum_of_what_was_held(steps):
    use, moment, held = Use(as_of=MOMENT), MOMENT, []
    for passed_s, change in steps:
        moment += timedelta(seconds=passed_s)
        use = use.at(moment).changed(max(change, -use.devices), 0)
        held.append((moment, use.devices))

    ends = [start for start, _ in held[1:]] + [moment]
    lived = (
        devices * (_faded(moment, end) - _faded(moment, start))
        for (start, devices), end in zip(held, ends, strict=True)
    )
    assert use.device_seconds == pytest.approx(sum(lived), rel=1e-6, abs=1e-3)


def _faded(moment, at):
    """The integral of the half-life's power up to a time."""
    return HALF_LIFE_S / 0.6931471805599453 * 2 ** (-(moment - at).total_seconds() / HALF_LIFE_S)


def test_after_a_half_life_use_counts_half():
    use = Use(1000.0, as_of=MOMENT)

    assert use.at(MOMENT + timedelta(seconds=HALF_LIFE_S)).device_seconds == pytest.approx(500)


def test_a_clock_that_is_set_back_takes_no_use_away():
    use = Use(1000.0, 1, 1, MOMENT)

    assert use.at(MOMENT - timedelta(hours=1)) == use


@given(st.floats(0, 20 * 86400), st.integers(1, 4))
def test_the_days_are_those_of_the_last_week(passed_s, devices):
    moment = MOMENT + timedelta(hours=7, seconds=passed_s)
    use = Use(0.0, devices, 1, MOMENT + timedelta(hours=7)).at(moment)

    monday = datetime(moment.year, moment.month, moment.day, tzinfo=UTC) - timedelta(days=6)
    counted_s = (moment - max(MOMENT + timedelta(hours=7), monday)).total_seconds()
    assert sum(use.days.values()) == pytest.approx(devices * counted_s, abs=0.01)
    assert len(use.days) <= sharing.DAYS


def test_an_owner_at_the_limit_is_passed_by_until_a_run_has_ended(database, claimant):
    limits.put(database, LOCAL_OWNER, "Ada", Limits(most_running=1))
    first, second = submit(database, ADA), submit(database, ADA)
    lease = claim(database, claimant)
    other = submit(database, BO, priority=-5)

    assert (lease.job_id, claim(database, claimant).job_id) == (first, other)
    assert claim(database, claimant) is None
    endings.succeed(database, lease, "0" * 64, [])
    assert claim(database, claimant).job_id == second


def test_device_hours_of_the_week_hold_up_what_would_begin(database, claimant):
    limits.put(database, LOCAL_OWNER, sharing.EVERYBODY, Limits(device_hours_a_week=2.0))
    submit(database, ADA)
    lease = claim(database, claimant)
    submit(database, ADA)
    with database.writing() as session:
        session.execute(update(OwnerUse).values(as_of=now(-2 * 3600.0)))

    assert claim(database, claimant) is None
    assert look(database, lease.job_id).state == "running"
    limits.put(database, LOCAL_OWNER, "Ada", Limits(device_hours_a_week=3.0))
    assert claim(database, claimant) is not None


def claim_all(address, worker_id, found):
    with Database(address) as database:
        while True:
            claimant = Claimant(worker_id, ["default"], Capacity(1, 1))
            lease = claiming.claim(database, claimant, 30)
            if lease is None:
                return
            found.append(lease.job_id)


def test_racing_workers_start_no_more_than_the_limit(database, database_address):
    limits.put(database, LOCAL_OWNER, "Ada", Limits(most_running=3))
    for _ in range(12):
        submit(database, ADA)
    found = []
    facts = [WorkerFacts(f"w{number}", 1, "0", ["default"], [], 1) for number in range(4)]
    threads = [
        threading.Thread(
            target=claim_all, args=(database_address, workers.register(database, each), found)
        )
        for each in facts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) <= 3
    with database.reading() as session:
        running = session.scalars(select(Job.id).where(Job.state == "running")).all()
    assert sorted(running) == sorted(found)
    assert uses(database)["Ada"].runs == len(found)


def use_of(database, actor):
    row = uses(database)[actor.name]
    return Use(row.device_seconds, row.devices, row.runs, row.as_of, row.days)


@pytest.mark.parametrize("days_ago", [0.0, 0.01, 2.4, 30.0])
@pytest.mark.parametrize("own", [Limits(), Limits(most_running=9)], ids=["free", "limited"])
def test_a_claim_counts_what_was_in_use_until_then(database, claimant, days_ago, own):
    submit(database, ADA)
    limits.put(database, LOCAL_OWNER, ADA.name, own)
    have_used(database, ADA, 5000.0)
    with database.writing() as session:
        session.execute(
            update(OwnerUse).values(
                as_of=now(-86400 * days_ago), devices=3, runs=2, days={"2020-01-01": 9.0}
            )
        )
    before = use_of(database, ADA)

    claim(database, claimant)

    after = use_of(database, ADA)
    expected = before.at(after.as_of).changed(1, 1)
    assert (after.devices, after.runs) == (4, 3)
    assert after.device_seconds == pytest.approx(expected.device_seconds)
    assert after.days == pytest.approx(expected.days)
