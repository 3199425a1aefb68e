"""One job under supervision, with a real trainer process."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from sqlalchemy import select, update

from core import logs, queries, workers
from core.database.clock import now
from core.database.models import Job, JobProgress, Worker
from core.errors import DatabaseUnavailable, Unavailable
from core.jobs import claim, endings, lifecycle, rests, snapshots
from core.jobs.actors import LOCAL_OWNER, REAPER, Actor
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.jobs.recorder import Recorder
from core.messages import plain
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import LONG_DIGITS, QUICK_DIGITS, process_of
from worker import claiming
from worker.devices import Device
from worker.processes.spares import Spares
from worker.processes.trainer import Trainer
from worker.slots import Slot, Slots, capacity
from worker.supervisor import publishing, snapshot_transfer, stopping, writing

pytestmark = pytest.mark.one_kind


def look(database, job_id):
    with database.reading() as session:
        return queries.job(session, job_id)[0]


def rows(database, query, job_id):
    with database.reading() as session:
        return query(session, job_id, 1000).items


@contextlib.contextmanager
def running(context):
    """A thread that runs whatever is in the queue, and ends before the test does."""
    thread = threading.Thread(target=claiming.run_next, args=(context,))
    thread.start()
    try:
        yield thread
    finally:
        context.drain()
        thread.join(60)
        assert not thread.is_alive()


def trainers(context):
    """The trainers that run a job: forks of the zygote that are no spares."""
    spares = {spare.process_id for spare in context.spares._by_slot.values()}
    children = process_of(context.spares._zygote).children()
    return [child for child in children if child.pid not in spares]


def away(*_):
    raise DatabaseUnavailable("The database does not answer.")


def wait_for_progress(database, job):
    wait_until(lambda: look(database, job.id).progress.epoch > 2, "training is underway")


def test_a_run_goes_from_the_queue_to_a_checkpoint_that_loads(context, database, submit, tmp_path):
    job = submit()

    claiming.run_next(context)

    ended = look(database, job.id)
    assert (ended.state, ended.attempt, ended.progress.epoch, ended.progress.eta_s) == (
        "succeeded",
        1,
        2,
        0,
    )
    assert 0 < ended.test_accuracy <= 1
    assert [row.epoch for row in rows(database, queries.epochs, job.id)] == [1, 2]
    samples = rows(database, queries.metrics, job.id)
    assert samples[0].step == 1
    assert samples[-1].step == 2 * ended.batches
    [attempt] = [row for row, _worker in rows(database, queries.attempts, job.id)]
    assert (attempt.outcome, attempt.device, attempt.threads) == ("succeeded", "CPU", 1)
    files = {file.format: file for file in rows(database, queries.artifacts, job.id)}
    assert files.keys() == {"pt", "safetensors", "onnx", "card.json", "card.md"}
    file = files["pt"]
    copy = tmp_path / "copy.pt"
    with context.storage.open(Blob(file.sha256, file.size)) as stored:
        copy.write_bytes(stored.read())
    loaded = torch.load(copy, weights_only=True)
    assert loaded["weights_sha256"] == ended.weights_sha256
    assert loaded["metrics"]["test_accuracy"] == ended.test_accuracy
    assert trainers(context) == []


def test_cancel_stops_the_process_before_the_state_says_so(context, database, submit):
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
        context.pipes.wake(job.id)
        thread.join(30)

        assert look(database, job.id).state == "cancelled"
        assert trainers(context) == []


def test_a_trainer_that_does_not_stop_is_killed_after_the_grace(
    context, database, submit, monkeypatch
):
    monkeypatch.setattr(Trainer, "ask_to_stop", lambda self, how: None)
    object.__setattr__(
        context, "settings", context.settings.model_copy(update={"grace_seconds": 0.2})
    )
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
        context.pipes.wake(job.id)
        thread.join(30)

        assert look(database, job.id).state == "cancelled"
        assert trainers(context) == []


def test_a_drained_job_goes_back_to_the_queue_at_no_cost(context, database, submit):
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        context.drain()
        thread.join(30)

    waiting = look(database, job.id)
    assert (waiting.state, waiting.crashes, waiting.losses) == ("queued", 0, 0)
    assert trainers(context) == []


def test_a_paused_job_keeps_a_snapshot_and_resumes_from_it(context, database, submit):
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        lifecycle.pause(database, job.id, Actor("user", "u", "ada", "administrator"))
        context.pipes.wake(job.id)
        thread.join(30)
        assert not thread.is_alive()
    paused = look(database, job.id)
    assert (paused.state, paused.desired_by, paused.progress.lease_token) == ("paused", "ada", None)
    assert (paused.crashes, paused.losses) == (0, 0)
    assert trainers(context) == []
    with database.reading() as session:
        [snapshot, *_] = snapshots.newest_first(session, job.id)
    context.draining.clear()

    lifecycle.resume(database, job.id, LOCAL_OWNER)
    with running(context):
        wait_until(
            lambda: look(database, job.id).progress.epoch > snapshot.epoch + 2, "it continues"
        )
        lifecycle.cancel(database, job.id, LOCAL_OWNER)

    # no epoch is missing or doubled, and those from before the pause are of the first attempt
    epochs = rows(database, queries.epochs, job.id)
    assert [row.epoch for row in epochs] == list(range(1, len(epochs) + 1))
    assert [row.attempt for row in epochs] == sorted(row.attempt for row in epochs)
    assert sum(row.attempt == 1 for row in epochs) == snapshot.epoch


def test_a_drained_job_resumes_from_where_it_was(context, database, submit):
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        context.drain()
        thread.join(30)
    with database.reading() as session:
        [snapshot, *_] = snapshots.newest_first(session, job.id)

    assert snapshot.epoch >= 2
    assert snapshot.step >= look(database, job.id).batches * 2


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    ("asked", "state"), [("drain", "queued"), ("pause", "paused"), ("cancel", "cancelled")]
)
def test_a_job_can_be_stopped_while_its_snapshot_cannot_be_fetched(
    context, database, submit, monkeypatch, asked, state
):
    def away(*_):
        raise Unavailable("The file store is away.")

    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        context.drain()
        thread.join(30)
    context.draining.clear()
    monkeypatch.setattr(snapshot_transfer, "fetch", away)
    with running(context) as thread:
        wait_until(lambda: look(database, job.id).state == "running", "it is claimed")
        if asked == "drain":
            context.drain()
        else:
            getattr(lifecycle, asked)(database, job.id, LOCAL_OWNER)
        thread.join(30)
        assert not thread.is_alive()

    ended = look(database, job.id)
    assert (ended.state, ended.crashes) == (state, 0)
    assert trainers(context) == []


def test_a_run_waits_for_the_database_before_it_resumes(context, database, submit, monkeypatch):
    fetch, tries = snapshot_transfer.fetch, iter(range(3))

    def away(*arguments):
        if next(tries, None) is not None:
            raise DatabaseUnavailable("The database does not answer.")
        return fetch(*arguments)

    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        context.drain()
        thread.join(30)
    context.draining.clear()
    monkeypatch.setattr(publishing, "STORE_PATIENCE_S", 0.0)
    monkeypatch.setattr(publishing, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(snapshot_transfer, "fetch", away)
    before = look(database, job.id).progress.epoch

    with running(context):
        wait_until(lambda: look(database, job.id).progress.epoch > before, "it continues")

    assert next(tries, None) is None


def test_a_lost_lease_ends_the_trainer_even_while_a_snapshot_is_being_stored(
    context, database, submit, monkeypatch
):
    released, began = threading.Event(), threading.Event()

    def hang(_path):
        began.set()
        assert released.wait(60)
        raise Unavailable("The file store is away.")

    monkeypatch.setattr(context.storage, "put", hang)
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        assert began.wait(60)
        [trainer] = trainers(context)
        with database.writing() as session:
            endings._end(session, session.get_one(Job, job.id), REAPER, "lost", None)
            session.execute(update(Job).where(Job.id == job.id).values(available_at=now(3600)))

        wait_until_gone([trainer])
        thread.join(60)
        assert not thread.is_alive()
    released.set()


@pytest.fixture
def hanging_store(context, monkeypatch):
    """An event that is set when a snapshot is on its way into a store that does not answer."""
    released, began = threading.Event(), threading.Event()

    def hang(_path):
        began.set()
        released.wait(120)
        raise Unavailable("The file store is away.")

    monkeypatch.setattr(context.storage, "put", hang)
    yield began
    released.set()


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    ("asked", "state"), [("drain", "queued"), ("pause", "paused"), ("cancel", "cancelled")]
)
def test_a_job_can_be_stopped_while_a_store_hangs_under_its_last_snapshot(
    context, database, submit, hanging_store, monkeypatch, asked, state
):
    monkeypatch.setattr(stopping, "STORE_PATIENCE_S", 0.3)
    monkeypatch.setattr(stopping, "DRAIN_MARGIN_S", -context.settings.grace_seconds)
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        assert hanging_store.wait(60)
        if asked == "drain":
            context.drain()
        else:
            getattr(lifecycle, asked)(database, job.id, LOCAL_OWNER)
            context.pipes.wake(job.id)
        thread.join(60)
        assert not thread.is_alive()

    ended = look(database, job.id)
    assert (ended.state, ended.crashes, ended.secured_step) == (state, 0, 0)
    assert any("left out" in row.text for row in rows(database, queries.logs, job.id))


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_cancel_that_comes_while_a_pause_waits_for_the_store_ends_the_wait(
    context, database, submit, hanging_store
):
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        assert hanging_store.wait(60)
        [trainer] = trainers(context)
        lifecycle.pause(database, job.id, LOCAL_OWNER)
        context.pipes.wake(job.id)
        wait_until_gone([trainer])
        assert look(database, job.id).state == "running"

        lifecycle.cancel(database, job.id, LOCAL_OWNER)
        context.pipes.wake(job.id)

        thread.join(60)
        assert not thread.is_alive()
    assert look(database, job.id).state == "cancelled"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_worker_that_is_to_stop_while_the_database_is_away_leaves_its_job_to_the_lease(
    context, database, submit, monkeypatch
):
    monkeypatch.setattr(writing, "DRAIN_PATIENCE_S", 0.0)
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        [trainer] = trainers(context)
        with monkeypatch.context() as outage:
            outage.setattr(Recorder, "flush", away)
            outage.setattr(endings, "end", away)
            context.drain()
            thread.join(60)
            assert not thread.is_alive()

    left = look(database, job.id)
    assert (left.state, left.attempt) == ("running", 1)
    assert left.progress.lease_token is not None
    wait_until_gone([trainer])


def test_a_killed_trainer_gives_the_job_another_try_after_a_pause(context, database, submit):
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        [trainer] = trainers(context)
        os.kill(trainer.pid, signal.SIGKILL)
        thread.join(30)

    waiting = look(database, job.id)
    assert (waiting.state, waiting.crashes) == ("queued", 1)
    assert waiting.available_at > waiting.created_at
    [attempt] = [row for row, _worker in rows(database, queries.attempts, job.id)]
    assert attempt.outcome == "crashed"
    assert (attempt.reason.code, attempt.reason.params) == (
        "process.ended_by_signal",
        {"signal": "SIGKILL"},
    )


def test_a_lost_lease_kills_the_trainer_and_leaves_no_trace(context, database, submit):
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        with database.writing() as session:
            session.execute(
                update(JobProgress)
                .where(JobProgress.job_id == job.id)
                .values(lease_expires_at=now(-1))
            )
            # before the worker can renew, somebody else takes the job back
            endings._end(session, session.get_one(Job, job.id), REAPER, "lost", None)
            session.execute(update(Job).where(Job.id == job.id).values(available_at=now(3600)))
        taken_back = look(database, job.id)
        thread.join(30)

    left = look(database, job.id)
    assert (left.state, left.revision) == ("queued", taken_back.revision)
    assert trainers(context) == []


def test_a_run_that_diverges_fails_at_once_and_says_what_to_do(context, database, submit):
    job = submit(QUICK_DIGITS | {"optimizer": {"learning_rate": 10.0, "weight_decay": 1.0}})

    claiming.run_next(context)

    ended = look(database, job.id)
    assert (ended.state, ended.error_kind) == ("failed", "diverged")
    assert "smaller learning rate" in ended.error_message.text


def test_damaged_data_send_the_run_back_and_rest_the_worker(context, database, submit, tmp_path):
    (tmp_path / "data" / "digits").mkdir(parents=True)
    object.__setattr__(
        context, "settings", context.settings.model_copy(update={"data": tmp_path / "data"})
    )
    job = submit()

    claiming.run_next(context)

    returned = look(database, job.id)
    assert (returned.state, returned.attempt, returned.crashes) == ("queued", 1, 0)
    assert [rest.work for rest in rests_of(database, context)] == ["dataset:digits"]


def test_a_store_that_cannot_be_written_sends_the_run_back_with_its_measurements(
    context, database, submit, monkeypatch, tmp_path
):
    monkeypatch.setattr(publishing, "STORE_PATIENCE_S", 0.0)
    in_the_way = tmp_path / "storage"
    in_the_way.write_text("a file where the folder should be")
    job = submit()

    claiming.run_next(context)

    assert look(database, job.id).state == "queued"
    assert [rest.kind for rest in rests_of(database, context)] == ["storage_unavailable"]
    assert len(rows(database, queries.epochs, job.id)) == 2
    in_the_way.unlink()
    end_pauses(database)
    claiming.run_next(context)
    assert look(database, job.id).state == "succeeded"
    assert rests_of(database, context) == []


@pytest.fixture
def without_gpu(context, zygote, database):
    """A second worker, whose GPU torch cannot use."""
    facts = WorkerFacts("bad", 1, "0", ["default"], [{"kind": "cuda", "name": "GPU"}], 1)
    slots = Slots([Slot(0, Device("cuda", "GPU", "GPU-none"), threads=1)])
    made = dataclasses.replace(
        context,
        slots=slots,
        spares=Spares(zygote),
        claimant=Claimant(
            workers.register(database, facts), ["default"], capacity(slots.all), "bad"
        ),
    )
    yield made
    made.spares.end()


def test_a_worker_whose_gpu_torch_cannot_use_fails_no_run_beside_a_good_one(
    context, without_gpu, database, submit
):
    jobs = [submit() for _ in range(3)]

    claiming.run_next(without_gpu)

    assert [look(database, job.id).state for job in jobs] == ["queued"] * 3
    [rest] = rests_of(database, without_gpu)
    assert (rest.work, rest.reason.code) == ("device:cuda", "worker.gpu_unusable")
    claiming.run_next(context)
    assert [look(database, job.id).state for job in jobs] == ["succeeded"] * 3


def test_a_run_that_trains_shows_that_the_data_are_there_again(context, database, submit):
    submit()
    no_data = Failure("data_unavailable", plain("No network."), work="dataset:digits")
    lease = claim.claim(database, context.claimant, 30)
    endings.end(database, lease, "worker_fault", no_data)
    claiming.run_next(context)
    assert len(rests_of(database, context)) == 1
    end_pauses(database)

    claiming.run_next(context)

    assert rests_of(database, context) == []


def test_trainers_of_several_runs_that_end_before_they_train_are_the_workers_fault(
    context, database, submit, monkeypatch
):
    jobs = [submit(), submit()]
    monkeypatch.setattr(Trainer, "give", lambda self, order: self.kill())

    claiming.run_next(context)

    states = [look(database, job.id) for job in jobs]
    assert [(job.state, job.crashes) for job in states] == [("queued", 1), ("queued", 0)]
    [rest] = rests_of(database, context)
    assert (rest.work, rest.reason.code) == ("everything", "worker.trainers_end")


def rests_of(database, context):
    with database.reading() as session:
        return rests.parse(session.get(Worker, context.claimant.worker_id).rests)


def end_pauses(database):
    """Let every rest be over."""
    with database.writing() as session:
        for worker in session.scalars(select(Worker)):
            over = "2026-01-01T00:00:00+00:00"
            worker.rests = [each | {"until": over} for each in worker.rests]


def test_a_trainer_is_given_no_credentials(context, database, submit, monkeypatch):
    monkeypatch.setenv("TRAINYARD_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    job = submit(LONG_DIGITS)
    with running(context):
        wait_for_progress(database, job)
        [trainer] = trainers(context)
        environment = Path(f"/proc/{trainer.pid}/environ").read_text()

    assert "secret" not in environment


@pytest.mark.parametrize("count", [3])
def test_jobs_run_one_after_the_other_until_none_is_left(context, database, submit, count):
    jobs = [submit() for _ in range(count)]

    claiming.run_next(context)

    assert [look(database, job.id).state for job in jobs] == ["succeeded"] * count
    starts = [look(database, job.id).started_at for job in jobs]
    assert starts == sorted(starts)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_every_line_of_a_job_carries_its_number_and_attempt(context, submit, monkeypatch):
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    put, failures = context.storage.put, iter([Unavailable("The file store is away.")])

    def away_once(path):
        for error in failures:
            raise error
        return put(path)

    monkeypatch.setattr(context.storage, "put", away_once)
    monkeypatch.setattr(publishing, "FIRST_PAUSE_S", 0.01)
    job = submit()
    logs.configure("json", stream=stream, worker="test")
    try:
        claiming.run_next(context)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {"job_claimed", "job_succeeded"} <= {line["event"] for line in lines}
    assert {(line["worker"], line["job_id"], line["attempt"]) for line in lines} == {
        ("test", job.id, 1)
    }
