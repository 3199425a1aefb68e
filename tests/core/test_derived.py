"""Derived files: who computes which, what is computed again, and what is kept."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from core import derived
from core.database.clock import now
from core.database.models import Artifact, DerivedFile, Job, UnnamedBlob
from core.jobs import lifecycle, snapshots, unnamed
from core.jobs.actors import LOCAL_OWNER
from core.jobs.snapshots import SnapshotRef
from core.messages import message
from core.spec.presets import resolve
from core.storage.blobs import Blob

DIGITS = ["digits"]
BLOB = Blob("b" * 64, 123)


@pytest.fixture
def job(database):
    return lifecycle.submit(database, LOCAL_OWNER, name="a run", spec=resolve("quick"))


def snapshot(database, job, step, sha256):
    with database.writing() as session:
        snapshots.add(session, job.id, 1, SnapshotRef(step // 10, step, Blob(sha256, step)))


def publish(database, job, sha256="d" * 64):
    values = {"attempt": 1, "epoch": 2, "kind": "checkpoint", "filename": "x.pt", "size": 7}
    with database.writing() as session:
        session.add(Artifact(job_id=job.id, format="pt", sha256=sha256, created_at=now(), **values))


def of(database, make, job, *arguments):
    with database.reading() as session:
        return make(session, session.get(Job, job.id), *arguments)


def age(database, key, seconds, column="asked_at"):
    with database.writing() as session:
        values = {column: now(-seconds)}
        session.execute(update(DerivedFile).where(DerivedFile.key == key).values(values))


def count(database):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(DerivedFile))


def ask(database, dataset="digits", **options):
    row, is_new = derived.ask(database, derived.test_images(dataset), **options)
    return row.key, is_new


def test_a_file_is_asked_for_once_taken_and_finished(database):
    key, is_new = ask(database)
    assert is_new
    assert ask(database) == (key, False)

    assert derived.take(database, DIGITS) == (key, derived.test_images("digits"))
    assert derived.take(database, DIGITS) is None
    derived.finish(database, key, BLOB)

    row, is_new = derived.ask(database, derived.test_images("digits"))
    assert (derived.blob_of(row), is_new) == (BLOB, False)


def test_the_weights_that_are_asked_for_are_the_newest(database, job):
    assert of(database, derived.network, job, "snapshot") is None
    snapshot(database, job, 10, "a" * 64)
    snapshot(database, job, 20, "c" * 64)

    asked = of(database, derived.network, job, "snapshot")

    assert (asked["sha256"], asked["size"], asked["epoch"]) == ("c" * 64, 20, 2)
    assert (asked["job_id"], asked["dataset"]) == (job.id, "mnist")


def test_an_insight_is_of_published_weights(database, job):
    assert of(database, derived.insight, job) is None
    publish(database, job)

    asked = of(database, derived.insight, job)

    assert (asked["kind"], asked["weights"], asked["sha256"]) == ("insight", "published", "d" * 64)


def test_what_has_failed_stays_so_until_somebody_asks_again(database):
    key, _ = ask(database)
    derived.take(database, DIGITS)
    derived.fail(database, key, message("derived.worker_failed"))

    assert ask(database) == (key, False)
    assert derived.take(database, DIGITS) is None
    assert ask(database, again=True) == (key, True)

    assert derived.take(database, DIGITS) is not None


def test_what_was_taken_by_a_worker_that_is_gone_is_computed_again(database):
    key, _ = ask(database)
    derived.take(database, DIGITS)
    age(database, key, derived.FORGOTTEN_AFTER_S + 1, "taken_at")

    assert ask(database) == (key, True)
    assert derived.take(database, DIGITS) is not None


def test_what_needs_a_dataset_is_left_to_a_worker_that_has_it_however_long_it_is_busy(database):
    key, _ = ask(database, "mnist")
    assert derived.take(database, DIGITS) is None
    age(database, key, 3600.0)

    assert derived.take(database, DIGITS, elsewhere=["mnist"]) is None

    assert derived.take(database, DIGITS, elsewhere=["kmnist"]) is not None  # to say so


def test_a_network_is_computed_by_any_worker_as_it_needs_no_image(database, job):
    snapshot(database, job, 10, "a" * 64)
    row, _ = derived.ask(database, of(database, derived.network, job, "snapshot"))

    assert derived.take(database, [], elsewhere=["mnist"]) == (row.key, row.request)


def test_whoever_comes_late_without_a_file_takes_none_away(database):
    key, _ = ask(database)
    derived.finish(database, key, BLOB)
    derived.fail(database, key, message("derived.worker_failed"))

    row = derived.find(database, key)
    assert (derived.blob_of(row), row.error) == (BLOB, None)


def test_only_the_newest_of_those_that_wait_are_kept(database, monkeypatch):
    monkeypatch.setattr(derived, "MOST_WAITING", 2)
    oldest, _ = ask(database)
    age(database, oldest, 5)

    for dataset in ("mnist", "kmnist"):
        ask(database, dataset)

    assert derived.find(database, oldest) is None
    assert count(database) == 2


@pytest.mark.parametrize("limit", ["KEPT_FOR_S", "MOST_KEPT", "MOST_BYTES"])
def test_what_is_old_or_more_than_enough_is_swept_with_its_blob(database, monkeypatch, limit):
    old, _ = ask(database)
    derived.finish(database, old, BLOB)
    age(database, old, 100)
    new, _ = ask(database, "mnist")
    derived.finish(database, new, Blob("e" * 64, 200))
    monkeypatch.setattr(
        derived, limit, {"KEPT_FOR_S": 50, "MOST_KEPT": 1, "MOST_BYTES": 300}[limit]
    )

    assert derived.sweep(database) == 1

    assert derived.find(database, old) is None
    assert derived.find(database, new)
    with database.reading() as session:
        assert session.scalars(select(UnnamedBlob.name)).all() == [BLOB.sha256]


def test_the_sweep_takes_no_blob_that_a_derived_file_names(database, storage, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    blob = storage.put(path)
    key, _ = ask(database)
    derived.finish(database, key, blob)
    with database.writing() as session:
        unnamed.remember(session, blob.sha256, blob.size, unnamed.ANY)

    unnamed.delete_due(database, storage)
    assert storage.look(blob.sha256) is not None

    derived.lose(database, key)
    with database.writing() as session:
        unnamed.remember(session, blob.sha256, blob.size, unnamed.ANY)
    unnamed.delete_due(database, storage)
    assert storage.look(blob.sha256) is None


def test_a_run_that_is_purged_takes_what_was_made_of_it_along(database, job):
    publish(database, job)
    row, _ = derived.ask(database, of(database, derived.insight, job))
    with database.writing() as session:
        session.delete(session.get(Job, job.id))

    assert derived.find(database, row.key) is None
