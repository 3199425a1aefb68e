"""The explained queue: a place, a reason and a time, for a whole page at a bounded cost."""

import pytest
from sqlalchemy import select, update

from core import queries, workers
from core.database.clock import now
from core.database.models import Attempt, Job, JobEvent, Worker
from core.jobs import claim, endings, eta, events, lifecycle
from core.jobs import status as queue_status
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import Capacity, Requirements
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.messages import plain
from core.messages.template import LONGEST_WHY
from core.workers import SILENT_AFTER_S, WorkerFacts
from tests.core.jobs.conftest import pin
from tests.core.jobs.waiting import (
    CPU,
    GPU,
    change,
    counted,
    explain,
    leave_a_finished_run,
    run,
    start_worker,
    submit,
)


def test_while_a_worker_that_serves_its_queue_starts_a_job_is_not_stuck(database):
    starting = WorkerFacts("comes", 1, "0", ["default"], [{"kind": "cpu", "name": "CPU"}], 0)
    workers.register(database, starting)

    status = explain(database, submit(database))
    elsewhere = explain(database, submit(database, queue="night"))

    assert (status.reason, status.is_stuck, status.position) == (
        "a worker is starting: it loads PyTorch, which takes a moment",
        False,
        1,
    )
    assert elsewhere.is_stuck


def test_with_no_worker_a_job_is_stuck_and_has_a_place_all_the_same(database):
    submit(database)
    status = explain(database, submit(database))

    assert (status.reason, status.is_stuck) == ("no worker is live", True)
    assert (status.position, status.eta_s) == (2, None)


def test_a_queue_that_nobody_serves_is_named(database):
    start_worker(database)

    status = explain(database, submit(database, queue="gpu"))

    assert (status.reason, status.is_stuck) == ("no live worker serves queue gpu", True)


def test_a_device_that_nobody_has_is_named(database):
    start_worker(database)
    start_worker(database, ["other"], [GPU])

    status = explain(database, submit(database, device="cuda"))

    reason = "no live worker that serves queue default has a CUDA GPU"
    assert (status.reason, status.is_stuck) == (reason, True)


@pytest.mark.parametrize(
    "gone",
    [{"stopped_at": now()}, {"last_heartbeat_at": now(-SILENT_AFTER_S - 1)}],
    ids=["stopped", "silent"],
)
def test_a_worker_that_is_gone_counts_for_nothing(database, gone):
    start_worker(database)
    with database.writing() as session:
        session.execute(update(Worker).values(gone))

    assert explain(database, submit(database)).reason == "no worker is live"


def test_a_job_with_a_free_slot_is_about_to_start(database):
    start_worker(database, slots=2)
    first, second, third = (submit(database) for _ in range(3))

    statuses = explain(database, first, second, third)

    assert [(each.position, each.reason, each.eta_s) for each in statuses] == [
        (1, "about to start", 0.0),
        (2, "about to start", 0.0),
        (3, "2 runs ahead on 2 CPU slots", None),
    ]
    assert not any(each.is_stuck for each in statuses)


def rest(database, claimant, failure, times=1):
    """Have a worker claim what is next, so often, and rest because it cannot do it."""
    for _ in range(times):
        lease = claim.claim(database, claimant, 30)
        endings.end(database, lease, "worker_fault", failure)


NO_DATA = Failure("data_unavailable", plain("No network."), work="dataset:mnist")


def test_a_run_whose_only_worker_rests_says_why_and_when_it_is_tried(database):
    bad, job = start_worker(database), submit(database)
    rest(database, bad, NO_DATA)

    status, other = explain(database, job, submit(database, "digits"))

    words = "worker w, the only one that could run it, rests (No network); next try in about "
    assert status.reason in (f"{words}30 s", f"{words}29 s")  # a second may pass meanwhile
    assert (status.position, status.is_stuck) == (None, False)
    assert 25 < status.eta_s <= 30
    assert other.reason == "about to start"


def test_a_run_whose_workers_all_rest_is_told_who_tries_first(database):
    job = submit(database)
    for claimant in [start_worker(database), start_worker(database)]:
        rest(database, claimant, NO_DATA)

    reason = explain(database, job).reason

    assert reason.startswith("all 2 workers that could run it rest; the first to try again is w (")


def test_beside_a_worker_that_rests_a_run_waits_for_the_others(database):
    bad, job = start_worker(database), submit(database)
    rest(database, bad, NO_DATA)
    start_worker(database)

    assert explain(database, job).reason == "about to start"


def test_a_run_that_may_be_at_fault_says_when_it_is_tried_again(database):
    bad, job = start_worker(database), submit(database)
    full = Failure("storage", plain("The disk is full."), work="everything")
    rest(database, bad, full)
    with database.writing() as session:
        session.execute(update(Worker).values(rests=[]))
    rest(database, bad, full)
    start_worker(database)

    reason = explain(database, job).reason

    assert reason.startswith("its last worker could not run it (The disk is full); next try in")


def test_slots_of_both_kinds_are_told_without_a_kind_unless_one_is_asked_for(database):
    for claimant in (start_worker(database), start_worker(database, devices=[GPU])):
        submit(database)
        run(database, claimant, eta_s=7200)

    statuses = explain(database, submit(database), submit(database, device="cuda"))

    assert statuses[0].reason == "next in line on 2 slots, about 2 h 00 min"
    assert statuses[1].reason == "1 run ahead on 1 GPU slot, about 2 h 00 min"


def test_a_job_that_no_one_can_run_takes_no_slot_from_those_behind_it(database):
    start_worker(database)
    submit(database, device="cuda", priority=5)

    status = explain(database, submit(database))

    assert (status.position, status.reason) == (2, "about to start")


@pytest.mark.parametrize(
    ("device", "devices", "needs"),
    [("auto", 3, "3 devices"), ("cuda", 3, "3 CUDA GPUs"), ("cpu", 5, "5 CPU slots")],
)
def test_a_run_for_more_devices_than_a_worker_has_is_stuck(database, device, devices, needs):
    start_worker(database, devices=[GPU, GPU], slots=4)
    start_worker(database, devices=[GPU], slots=1)
    start_worker(database, ["other"], [GPU] * 8, slots=8)

    status = explain(database, submit(database, device=device, devices=devices))

    reason = f"no live worker that serves queue default has {needs}"
    assert (status.reason, status.is_stuck) == (reason, True)


def test_a_run_for_several_devices_waits_until_one_worker_has_them_free(database):
    for eta_s in (300, 40, 500):
        claimant = start_worker(database, slots=2)
        run_beside(database, claimant, eta_s)

    status = explain(database, submit(database, devices=2))

    assert status.reason == (
        "next in line on 6 CPU slots, needs 2 of one worker at once (1 free), about 40 s"
    )
    assert (status.position, status.eta_s, status.is_stuck) == (1, 40, False)


def run_beside(database, claimant, eta_s):
    """Let a worker of several slots run one job, before all others."""
    submit(database, priority=100)
    run(database, claimant, eta_s)


def test_a_run_for_several_devices_with_enough_free_slots_is_about_to_start(database):
    run_beside(database, start_worker(database, slots=3), 40)

    assert explain(database, submit(database, devices=2)).reason == "about to start"


def test_what_is_behind_a_large_run_waits_for_it_and_its_slots(database):
    leave_a_finished_run(database, 100)
    run_beside(database, start_worker(database, slots=2), 40)
    large, behind, another = (submit(database, devices=devices) for devices in (2, 1, 2))

    statuses = explain(database, large, behind, another)

    assert [each.position for each in statuses] == [1, 2, 3]
    assert [each.eta_s for each in statuses] == pytest.approx([40, 140, 240], abs=2)
    assert statuses[1].reason == "1 run ahead on 2 CPU slots, about 2 min"
    assert statuses[2].reason == (
        "2 runs ahead on 2 CPU slots, needs 2 of one worker at once, about 4 min"
    )


def test_a_worker_that_is_too_small_for_a_large_run_does_not_wait_for_it(database):
    run_beside(database, start_worker(database, slots=3), 40)
    run_beside(database, start_worker(database), 3)

    statuses = explain(database, submit(database, devices=3), submit(database))

    assert [each.eta_s for each in statuses] == [40, 3]


def test_a_large_run_that_runs_holds_all_of_its_slots(database):
    claimant = start_worker(database, slots=2)
    submit(database, devices=2)
    run(database, claimant, eta_s=30, held=claimant.max_capacity)

    assert explain(database, submit(database)).reason == "next in line on 2 CPU slots, about 30 s"


def test_with_nothing_to_go_by_no_time_is_told_of_what_is_behind_a_large_run(database):
    claimant = start_worker(database, slots=2)
    submit(database)
    claim.claim(database, claimant, 30)

    statuses = explain(database, submit(database, devices=2), submit(database))

    assert [each.eta_s for each in statuses] == [None, None]
    assert statuses[1].reason == "1 run ahead on 2 CPU slots"


def test_slots_that_share_a_gpu_are_room_for_a_run_on_the_cpu(database):
    start_worker(database, devices=[GPU], slots=2)

    assert explain(database, submit(database, devices=2)).is_stuck
    assert explain(database, submit(database, devices=2, device="cpu")).reason == "about to start"


def test_a_job_of_another_queue_may_take_the_slot_first(database):
    leave_a_finished_run(database, 100)
    claimant = start_worker(database, ["default", "other"])
    submit(database)
    run(database, claimant, eta_s=10)
    submit(database, queue="other", priority=5)

    status = explain(database, submit(database))

    assert (status.position, status.eta_s) == (1, pytest.approx(110, abs=1))


def test_places_follow_the_order_in_which_jobs_are_claimed(database):
    low, high, held, also_low = (submit(database, priority=p) for p in (0, 5, 9, 0))
    change(database, held, available_at=now(100))

    statuses = explain(database, low, high, held, also_low)

    assert [each.position for each in statuses] == [2, 1, None, 3]


@pytest.mark.parametrize(
    ("outcome", "ended"), [("crashed", "crashed"), ("lost", "was lost")], ids=["crash", "loss"]
)
def test_a_job_that_backs_off_says_how_its_last_attempt_ended(database, outcome, ended):
    claimant = start_worker(database)
    job = submit(database)
    lease = claim.claim(database, claimant, 30)
    endings.end(
        database, lease, outcome, Failure("x", plain("The process was ended by SIGKILL.\nMore."))
    )
    change(database, job, available_at=now(3))
    tries = {"crashed": endings.CRASH_BUDGET, "lost": endings.LOSS_BUDGET}[outcome]

    status = explain(database, job)

    assert status.reason == (
        f"its last attempt {ended} (The process was ended by SIGKILL); "
        f"try 2 of {tries} in about 3 s"
    )
    assert status.position is None
    assert 0 < status.eta_s <= 3


def test_a_long_reason_is_cut(database):
    claimant = start_worker(database)
    job = submit(database)
    endings.end(
        database, claim.claim(database, claimant, 30), "crashed", Failure("x", plain("y" * 500))
    )
    change(database, job, available_at=now(3))

    assert f"({'y' * (LONGEST_WHY - 1)}…)" in explain(database, job).reason


def test_a_job_that_is_held_for_no_known_reason_says_when_it_may_start(database):
    start_worker(database)
    job = submit(database)
    change(database, job, available_at=now(30))

    assert explain(database, job).reason == "it may start in about 30 s"


@pytest.mark.parametrize(("by", "reason"), [("ada", "paused by ada"), (None, "paused")])
def test_a_paused_job_says_who_paused_it(database, by, reason):
    job = lifecycle.pause(database, submit(database).id, Actor("user", "7", "ada", "administrator"))
    change(database, job, desired_by=by)  # None: of an earlier release

    status = explain(database, job)

    assert (status.position, status.reason, status.eta_s) == (None, reason, None)
    assert not status.is_stuck


def test_beyond_so_many_a_job_has_no_place(database, monkeypatch):
    monkeypatch.setattr(eta, "LOOKED_AT", 2)
    start_worker(database)
    jobs = [submit(database) for _ in range(3)]

    statuses = explain(database, *jobs)

    assert [each.position for each in statuses] == [1, 2, None]
    assert (statuses[2].reason, statuses[2].eta_s) == ("more than 2 runs ahead", None)


def test_a_job_that_was_claimed_meanwhile_is_about_to_start(database):
    claimant = start_worker(database)
    job = submit(database)
    with database.reading() as session:
        seen = session.get(Job, job.id)
    claim.claim(database, claimant, 30)

    with database.reading() as session:
        assert queue_status.explain(session, [seen])[job.id].reason.text == "about to start"


def test_only_jobs_that_wait_are_explained_and_a_page_without_any_costs_nothing(database):
    claimant = start_worker(database)
    running, ended = submit(database), submit(database, queue="other")
    claim.claim(database, claimant, 30)
    lifecycle.cancel(database, ended.id, LOCAL_OWNER)
    with database.reading() as session:
        rows = [session.get(Job, job.id) for job in (running, ended)]
        with counted(database) as statements:
            statuses = queue_status.explain(session, rows)

    assert statuses == {}
    assert statements == []


def test_the_number_of_statements_does_not_grow_with_the_page(database):
    claimant = start_worker(database)
    submit(database)
    claim.claim(database, claimant, 30)
    jobs = [submit(database, queue=f"queue-{number % 7}") for number in range(30)]
    for job in jobs[:10]:
        change(database, job, available_at=now(60), attempt=0)
    costs = []
    for count in (11, 30):
        with database.reading() as session:
            rows = [session.get(Job, job.id) for job in jobs[:count]]
            with counted(database) as statements:
                assert len(queue_status.explain(session, rows)) == count
        costs.append(len(statements))

    # of workers that start too, where some are stuck; of what owners have used
    assert costs[0] == costs[1] <= 9


def test_a_worker_that_describes_its_devices_in_other_ways_has_no_gpu(database):
    start_worker(database, devices=["a GPU", {"name": "?"}])

    assert explain(database, submit(database, device="cuda")).is_stuck
    assert not explain(database, submit(database)).is_stuck


def test_an_attempt_that_is_not_written_down_is_no_reason(database):
    claimant = start_worker(database)
    job = submit(database)
    endings.end(database, claim.claim(database, claimant, 30), "crashed", Failure("x", plain(" ")))
    change(database, job, available_at=now(3))
    with database.writing() as session:
        session.execute(update(Attempt).values(reason=None))

    assert explain(database, job).reason == "its last attempt crashed; try 2 of 3 in about 3 s"


def test_a_run_that_is_pinned_waits_for_the_worker_that_has_the_threads(database):
    leave_a_finished_run(database, 600)
    facts = WorkerFacts("fast", 1, "0", ("default",), (CPU,), 1, threads=4)
    fast = Claimant(workers.register(database, facts), ("default",), Capacity(1, 1, threads=4))
    submit(database, priority=1)
    run(database, fast, eta_s=600)
    start_worker(database)  # with one thread, and idle
    job = submit(database)
    pin(database, job.id, Requirements("cpu", 1, threads=4))

    shown = explain(database, job)

    assert shown.eta_s == pytest.approx(600, abs=5)
    assert not shown.is_stuck


def test_the_download_of_a_dataset_before_a_run_is_not_in_what_its_epochs_take(database):
    leave_a_finished_run(database, 600)
    with database.writing() as session:
        [job_id] = session.scalars(select(Job.id)).all()
        events.append(session, job_id, LOCAL_OWNER, "started", 1, {})
        session.execute(update(JobEvent).where(JobEvent.kind == "started").values(at=now(-60)))

    with database.reading() as session:
        spec = session.get(Job, job_id).spec
        [typical] = queries.typical_epochs(session, spec, ["default"]).values()

    assert 50 < typical.seconds < 120
