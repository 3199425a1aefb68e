"""A worker that computes files for pages: real processes, forked beside its slots."""

from __future__ import annotations

import json
import threading

import onnxruntime
import pytest

from core import derived, workers
from core.database.clock import now
from core.database.models import Artifact, Job
from core.jobs import drains, lifecycle, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.snapshots import SnapshotRef
from core.messaging.pubsub import NO_JOB
from core.spec.presets import resolve
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import process_of
from tests.worker.training.outputs.test_exports import RESULTS, images_of, trained
from worker.tasks.derive_file import DerivedFiles
from worker.training.data import datasets
from worker.training.outputs import exports
from worker.training.run import snapshot_file
from worker.training.run.sharding import Sharding
from worker.training.run.snapshot_file import Progress, SnapshotExtras

SPEC = {"dataset": "digits", "model": {"channels": [4]}}


@pytest.fixture
def deriver(context):
    """The derived files of a worker; the test does each look."""
    return DerivedFiles(context)


@pytest.fixture
def job(database):
    return lifecycle.submit(database, LOCAL_OWNER, name="a run", spec=resolve("tutorial", SPEC))


def ask(database, job, make, *arguments):
    with database.reading() as session:
        asked = make(session, session.get(Job, job.id), *arguments)
    return derived.ask(database, asked)[0].key


def content(context, database, key):
    row = derived.find(database, key)
    assert row.error is None, str(row.error)
    with context.storage.open(derived.blob_of(row)) as file:
        return file.read()


def save_snapshot(context, database, job, tmp_path):
    """A snapshot of a network, as a run in its second epoch has stored it."""
    spec = resolve("tutorial", SPEC)
    network = trained(spec)
    path = tmp_path / "snapshot.pt"
    extras = SnapshotExtras(losses=images_of(spec, 1)[0, 0, 0], best_weights=None)
    parts = {"network": network}
    snapshot_file.write(path, spec, "fp32", Sharding(1, 1), parts, Progress(epochs=1), extras)
    with database.writing() as session:
        snapshots.add(session, job.id, 1, SnapshotRef(1, 30, context.storage.put(path)))
    return network


def publish(context, database, job, tmp_path):
    spec = resolve("tutorial", SPEC)
    _, files = exports.write_all(
        trained(spec), spec, tmp_path, RESULTS, images_of(spec, 4), pytest.fail
    )
    [file] = [each for each in files if each.format == "pt"]
    blob = context.storage.put(tmp_path / file.filename)
    values = {"attempt": 1, "epoch": 2, "kind": "checkpoint", "filename": file.filename}
    with database.writing() as session:
        session.add(
            Artifact(
                job_id=job.id,
                format="pt",
                sha256=blob.sha256,
                size=blob.size,
                created_at=now(),
                **values,
            )
        )


def test_the_test_images_are_stored_while_every_slot_is_taken(
    context, deriver, database, data_folder
):
    assert context.slots.take() is not None
    key = derived.ask(database, derived.test_images("digits"))[0].key

    deriver._look()

    _, images = datasets.load("digits", data_folder)
    assert len(content(context, database, key)) == len(images) * 64


def test_a_snapshot_becomes_a_network_that_can_be_tried(
    context, deriver, database, job, tmp_path, zygote
):
    before = set(process_of(zygote).children())
    network = save_snapshot(context, database, job, tmp_path)
    key = ask(database, job, derived.network, "snapshot")

    deriver._look()

    session = onnxruntime.InferenceSession(content(context, database, key))
    images = images_of(resolve("tutorial", SPEC), 2).contiguous()
    [scores] = session.run(["scores"], {"images": images.numpy()})
    assert abs(scores - network.eval()(images).detach().numpy()).max() < 1e-4
    wait_until_gone([p for p in process_of(zygote).children() if p not in before])


def test_published_weights_become_an_insight(context, deriver, database, job, tmp_path):
    publish(context, database, job, tmp_path)
    key = ask(database, job, derived.insight)

    deriver._look()

    found = json.loads(content(context, database, key))
    assert found["filters"]["all"] == 4
    assert found["embedding"]["count"] > 300


def test_weights_that_are_gone_are_named(context, deriver, database, job, tmp_path):
    save_snapshot(context, database, job, tmp_path)
    key = ask(database, job, derived.network, "snapshot")
    asked = derived.find(database, key).request
    context.storage.delete(Blob(asked["sha256"], asked["size"]))

    deriver._look()

    assert "not there any more" in derived.find(database, key).error.text


def test_a_dataset_that_no_worker_has_is_named(deriver, database, monkeypatch):
    monkeypatch.setattr("core.asked.LEFT_TO_OTHERS_S", 0.0)
    key = derived.ask(database, derived.test_images("mnist"))[0].key

    wait_until(lambda: deriver._look() or derived.find(database, key).error, "it is taken")

    assert "No worker has MNIST yet" in derived.find(database, key).error.text


def test_what_another_worker_has_the_dataset_for_waits_for_that_one(
    context, deriver, database, monkeypatch
):
    monkeypatch.setattr("core.asked.LEFT_TO_OTHERS_S", 0.0)
    has_it = WorkerFacts("busy", 2, "0", ["default"], [], 1, datasets=["mnist"])
    busy = workers.register(database, has_it)
    key = derived.ask(database, derived.test_images("mnist"))[0].key

    deriver._look()
    assert derived.find(database, key).taken_at is None

    workers.mark_stopped(database, busy)
    wait_until(lambda: deriver._look() or derived.find(database, key).error, "it is taken")
    assert "No worker has MNIST yet" in derived.find(database, key).error.text


def test_a_worker_that_somebody_drains_computes_nothing_until_it_is_resumed(
    context, deriver, database
):
    key = derived.ask(database, derived.test_images("digits"))[0].key
    drains.drain(database, "test", LOCAL_OWNER)

    deriver._look()
    assert derived.find(database, key).taken_at is None

    drains.resume(database, "test", LOCAL_OWNER)
    deriver._look()
    assert content(context, database, key)


def test_a_worker_that_drains_computes_nothing(context, deriver, database):
    key = derived.ask(database, derived.test_images("digits"))[0].key
    context.drain()

    deriver._look()

    assert derived.find(database, key).taken_at is None


def test_a_wake_up_has_it_computed_at_once(context, database):
    made, stop = DerivedFiles(context), threading.Event()
    listener = threading.Thread(
        target=context.wakeups.listen, args=("derived", made.wake, stop), daemon=True
    )
    listener.start()
    made.start()
    key = derived.ask(database, derived.test_images("digits"))[0].key

    def is_there():
        context.wakeups.announce("derived", NO_JOB)  # again: nobody may listen yet
        return derived.find(database, key).sha256

    try:
        wait_until(is_there, "it is computed", every=0.2)
    finally:
        made.stop()
        stop.set()
        listener.join()
