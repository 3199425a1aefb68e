"""Trainers and zygotes that are killed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from tests.faults.conftest import QUICK_DIGITS, STEADY_DIGITS, VARIANT, has_snapshot, trains
from tests.services import is_gone, wait_until, wait_until_gone


@VARIANT
def test_a_trainer_killed_as_it_starts_is_tried_again(start_worker, submit, look, verify):
    worker = start_worker()
    spare = worker.trainer()
    job = submit(STEADY_DIGITS)
    wait_until(lambda: look(job).state == "running", "it is claimed")

    spare.kill()

    verify({job: "succeeded"})
    assert look(job).attempt == 2


# the one that is killed while it writes resumes in the same way
@VARIANT
def test_a_trainer_killed_in_mid_epoch_resumes_from_its_snapshot(
    start_worker, submit, look, verify, attempts_of
):
    worker = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")

    worker.trainer().kill()

    verify({job: "succeeded"})
    first, second = attempts_of(job)
    assert (first.outcome, second.outcome) == ("crashed", "succeeded")
    assert "SIGKILL" in first.reason.text
    assert second.first_step == first.secured_step > 0


# tests/worker/supervisor/test_hangs.py has the same trainer under the same supervisor
@VARIANT
def test_a_trainer_that_hangs_is_ended_and_tried_again_from_its_snapshot(
    start_worker, submit, look, verify, attempts_of, lines_of
):
    worker = start_worker(hang_seconds=4.0)
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")

    worker.trainer().send_signal(signal.SIGSTOP)

    verify({job: "succeeded"})
    first, second = attempts_of(job)
    assert (first.outcome, second.outcome) == ("crashed", "succeeded")
    assert first.reason.code == "process.hung"
    assert second.first_step == first.secured_step > 0
    assert any("most recent call first" in line for line in lines_of(job))


def test_a_trainer_killed_while_it_writes_a_snapshot_resumes_from_the_one_before(
    start_worker_with_disk, disk_faults, submit, look, verify, attempts_of
):
    worker = start_worker_with_disk()
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")
    trainer = worker.trainer()
    (disk_faults / "hangs").touch()
    wait_until(lambda: any(f.path.endswith(".part") for f in trainer.open_files()), "it writes")

    trainer.kill()
    (disk_faults / "hangs").unlink()

    verify({job: "succeeded"})
    first, second = attempts_of(job)
    assert (first.outcome, second.outcome) == ("crashed", "succeeded")
    assert "SIGKILL" in first.reason.text
    assert second.first_step == first.secured_step > 0


def test_a_job_that_always_crashes_spends_its_budget_alone_and_a_retry_resumes_it(
    start_worker, submit, look, verify, database, attempts_of
):
    worker = start_worker(slots=2)
    neighbor = submit(STEADY_DIGITS)
    wait_until(trains(look, neighbor), "the neighbor trains")
    neighbor_process = busiest(worker)
    doomed = submit(STEADY_DIGITS | {"seed": 1})
    wait_until(has_snapshot(look, doomed), "there is a snapshot")

    def is_killed_again():
        if look(doomed).state == "running":
            for trainer in worker.trainers():
                if trainer.pid != neighbor_process.pid:
                    trainer.kill()
        return look(doomed).state == "failed"

    wait_until(is_killed_again, "the budget is spent")
    verify({doomed: "failed", neighbor: "succeeded"})
    assert [attempt.outcome for attempt in attempts_of(doomed)] == ["crashed"] * 3
    assert "SIGKILL" in look(doomed).error_message.text
    assert look(neighbor).attempt == 1

    lifecycle.retry(database, doomed.id, LOCAL_OWNER)
    verify({doomed: "succeeded"})
    *before, last = attempts_of(doomed)
    assert last.first_step == max(attempt.secured_step or 0 for attempt in before) > 0


def busiest(worker):
    return max(worker.trainers(), key=lambda process: sum(process.cpu_times()[:2]))


def test_jobs_do_not_notice_that_their_zygote_is_killed(start_worker, submit, look, verify):
    worker = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(trains(look, job), "it trains")

    worker.zygote.kill()

    later = submit(QUICK_DIGITS)
    verify({job: "succeeded", later: "succeeded"})
    assert look(job).attempt == 1


@VARIANT
def test_an_idle_worker_replaces_a_killed_zygote_and_keeps_its_spare(start_worker, submit, verify):
    worker = start_worker()
    zygote, spare = worker.zygote, worker.trainer()

    zygote.kill()

    wait_until_gone([zygote])
    assert not is_gone(spare)
    first, second = submit(QUICK_DIGITS), submit(QUICK_DIGITS)
    verify({first: "succeeded", second: "succeeded"})
    assert worker.zygote.pid != zygote.pid


@pytest.mark.parametrize(
    "when",
    [
        pytest.param("idle", marks=VARIANT),
        pytest.param("training", marks=VARIANT),
        "stopped",  # nothing of it can do anything itself
    ],
)
def test_trainers_and_spares_die_with_their_worker_however_they_are(
    start_worker, submit, look, when
):
    worker = start_worker()
    if when != "idle":
        job = submit(STEADY_DIGITS)
        wait_until(trains(look, job), "it trains")
    processes = worker.all_processes()
    assert len(processes) == 2
    if when == "stopped":
        for process in processes:
            process.send_signal(signal.SIGSTOP)

    worker.kill()

    trainers = [process for process in processes if process.pid != processes[0].pid]
    wait_until_gone(trainers)
    for process in processes:  # a zygote that is stopped cannot end before it is resumed
        if not is_gone(process):
            process.send_signal(signal.SIGCONT)
    wait_until_gone(processes)


def test_a_killed_workers_files_are_cleared_away(start_worker, submit, look):
    worker = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there are files")
    zygote = worker.zygote
    scratch = Path(zygote.cmdline()[-1])
    assert list(scratch.iterdir())

    worker.kill()

    wait_until_gone([zygote])
    assert not scratch.exists()
