"""Runs of two processes on the CPU, from the queue to the end: with gloo, on any machine."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import psutil
import pytest

from core import queries, workers
from core.jobs import lifecycle, polling, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.workers import WorkerFacts
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import QUICK_DIGITS
from worker import claiming
from worker.context import WorkerContext
from worker.devices import Device
from worker.processes.group import Group
from worker.processes.spares import Spares
from worker.slots import Slots, capacity, divide

TWO = QUICK_DIGITS | {"devices": 2, "device": "cpu", "model": {"channels": [8], "dropout": 0.2}}
CPU = Device("cpu", "CPU")


@pytest.fixture
def database_kind():
    """Training is the same whatever the database."""
    return "sqlite"


@pytest.fixture
def context(settings, database, storage, data_folder, zygote):
    """A worker with two slots of the CPU."""
    slots = [*divide([CPU], 2)]
    facts = WorkerFacts("test", 1, "0", ["default"], [CPU.facts()], 2)
    made = WorkerContext(
        settings=settings.model_copy(
            update={"data": data_folder, "worker_name": "test", "grace_seconds": 5.0}
        ),
        database=database,
        storage=storage,
        notifier=Notifier(settings.redis_url),
        wakeups=Wakeups(settings.redis_url),
        slots=Slots(slots),
        spares=Spares(zygote),
        claimant=Claimant(workers.register(database, facts), ["default"], capacity(slots)),
    )
    yield made
    made.drain()
    assert made.slots.wait_until_all_free(60)
    made.spares.end()


@pytest.fixture
def ranks(monkeypatch):
    """The processes of the run that was started last, rank 0 first."""
    found = []
    gather = claiming.gather

    def note(trainers):
        found[:] = [psutil.Process(trainer.process_id) for trainer in trainers]
        return gather(trainers)

    monkeypatch.setattr(claiming, "gather", note)
    return found


@contextlib.contextmanager
def running(context):
    """A thread that runs whatever is in the queue, and ends before the test does."""
    thread = threading.Thread(target=claiming.run_next, args=(context,))
    thread.start()
    try:
        yield thread
    finally:
        thread.join(60)
        context.drain()
        thread.join(60)
        assert not thread.is_alive()
        context.draining.clear()


def look(database, job):
    with database.reading() as session:
        return queries.job(session, job.id)[0]


def rows(database, query, job):
    with database.reading() as session:
        return query(session, job.id, 1000).items


def newest_step(database, job):
    with database.reading() as session:
        newest = snapshots.newest_first(session, job.id)
    return newest[0].step if newest else None


def run_undisturbed(context, database, submit, spec):
    job = submit(spec)
    claiming.run_next(context)
    ended = look(database, job)
    assert (ended.state, ended.error_message) == ("succeeded", None)
    return ended


def test_two_processes_train_one_run_that_is_reported_once(context, database, submit, ranks):
    ended = run_undisturbed(context, database, submit, TWO)

    assert len(ranks) == 2
    wait_until_gone(ranks)
    assert [row.epoch for row in rows(database, queries.epochs, ended)] == [1, 2]
    assert (ended.attempt, ended.crashes, ended.progress.epoch) == (1, 0, 2)
    steps = [row.step for row in rows(database, queries.metrics, ended)]
    assert steps == sorted(set(steps))
    assert steps[-1] == 2 * ended.batches
    assert rows(database, queries.artifacts, ended)
    [first, *_] = rows(database, queries.logs, ended)
    assert first.text == "Attempt 1 starts on worker test, CPU, CPU."


def test_both_processes_of_a_run_compute_in_a_slot_of_their_own(context, database, submit, ranks):
    job = submit(TWO | {"epochs": 1000})
    with running(context):
        wait_until(lambda: look(database, job).progress.epoch > 1, "training is underway")

        assert not context.slots.has_free()
        assert all(rank.is_running() for rank in ranks)
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
        context.pipes.wake(job.id)

    assert context.slots.has_free()


@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=pytest.mark.variant)])
def test_a_killed_process_ends_the_attempt_and_the_next_ends_with_the_same_weights(
    context, database, submit, ranks, monkeypatch, rank
):
    spec = TWO | {"epochs": 25}
    undisturbed = run_undisturbed(context, database, submit, spec)
    job = submit(spec)
    with running(context):
        wait_until(lambda: newest_step(database, job), "a snapshot is stored")
        both = list(ranks)
        os.kill(both[rank].pid, signal.SIGKILL)
        wait_until(lambda: look(database, job).attempt == 1 and look(database, job).crashes, "ends")
    wait_until_gone(both)
    crashed = look(database, job)
    assert (crashed.state, crashed.crashes) == ("queued", 1)
    [attempt] = [row for row, _worker in rows(database, queries.attempts, job)]
    assert attempt.outcome == "crashed"
    assert attempt.reason.text == f"Rank {rank}: The training process was ended by SIGKILL."

    wait_until(lambda: polling.poll(database, context.claimant).due_in_s <= 0, "it is due")
    claiming.run_next(context)

    ended = look(database, job)
    assert (ended.state, ended.attempt) == ("succeeded", 2)
    assert ended.weights_sha256 == undisturbed.weights_sha256
    epochs = rows(database, queries.epochs, job)
    assert [row.epoch for row in epochs] == list(range(1, 26))
    assert [row.attempt for row in epochs] == sorted(row.attempt for row in epochs)
    [_, second] = [row for row, _worker in rows(database, queries.attempts, job)]
    assert second.first_step > 0


def test_a_paused_run_resumes_to_the_same_weights(context, database, submit, ranks):
    spec = TWO | {"epochs": 20}
    undisturbed = run_undisturbed(context, database, submit, spec)
    job = submit(spec)
    with running(context):
        wait_until(lambda: look(database, job).progress.epoch > 1, "training is underway")
        lifecycle.pause(database, job.id, LOCAL_OWNER)
        context.pipes.wake(job.id)
    wait_until_gone(ranks)
    assert look(database, job).state == "paused"
    assert newest_step(database, job) > 0

    lifecycle.resume(database, job.id, LOCAL_OWNER)
    claiming.run_next(context)

    ended = look(database, job)
    assert (ended.state, ended.weights_sha256) == ("succeeded", undisturbed.weights_sha256)


@pytest.mark.parametrize("hears", [True, False])
def test_cancel_leaves_no_process(context, database, submit, ranks, monkeypatch, hears):
    if not hears:
        monkeypatch.setattr(Group, "ask_to_stop", lambda self, how: None)
        object.__setattr__(
            context, "settings", context.settings.model_copy(update={"grace_seconds": 0.2})
        )
    job = submit(TWO | {"epochs": 1000})
    with running(context):
        wait_until(lambda: look(database, job).progress.epoch > 1, "training is underway")
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
        context.pipes.wake(job.id)

    wait_until_gone(ranks)
    assert look(database, job).state == "cancelled"


def test_a_run_that_diverges_fails_as_it_would_alone(context, database, submit, ranks):
    job = submit(TWO | {"optimizer": {"learning_rate": 10.0, "weight_decay": 1.0}})

    claiming.run_next(context)

    ended = look(database, job)
    assert (ended.state, ended.error_kind) == ("failed", "diverged")
    wait_until_gone(ranks)
