"""Deleted runs: hidden at once, restored as they were, and gone without a trace when purged."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from core import derived, queries
from core.database.clock import now
from core.database.models import (
    Artifact,
    Base,
    Job,
    JobEvent,
    JobTag,
    LogLine,
    Snapshot,
    UnnamedBlob,
)
from core.errors import Conflict, Forbidden, LeaseLost, NotFound
from core.jobs import deletion, endings, eta, lifecycle, status, unnamed
from core.jobs.actors import LOCAL_OWNER, of_worker
from core.jobs.endings import Failure, Publication
from core.jobs.recorder import Recorder
from core.messages import plain
from core.protocol.reports import Line, StepMetrics
from core.queries import Selection
from core.storage.blobs import Blob
from tests.core.jobs.conftest import ADA, claim, look, secure, submit
from tests.reported import epoch_end, evaluated, started

DAY_S = 24 * 3600.0


def remove(database, job_id, undo_s=DAY_S):
    return deletion.delete(database, job_id, ADA, undo_s)


def listed(database, **chosen):
    with database.reading() as session:
        return [job.id for job, _ in queries.jobs(session, Selection(**chosen)).items]


def history(database, job_id):
    with database.reading() as session:
        return [(row.kind, row.payload) for row in queries.events(session, job_id, 1000).items]


def finish(database, claimant, files=("a",)):
    """A run that has ended well, with a row in every table."""
    job = submit(database, tags=["t"])
    lease = claim(database, claimant)
    recorder = Recorder(database, lease, 30)
    step = {"step": 1, "epoch": 1, "batch": 1, "train_loss": 1.0, "learning_rate": 0.1}
    for report in (
        started(),
        Line(text="hello"),
        StepMetrics(**step, images_per_s=1.0, eta_s=9.0),
        epoch_end(),
        evaluated(),
    ):
        recorder.record(report)
    recorder.flush()
    published = [Publication(Blob(f"{name}" * 64, 7), 1, "pt", "m.pt") for name in files]
    endings.succeed(database, lease, "c" * 64, published)
    return job.id


def fail(database, claimant):
    job = submit(database)
    endings.end(database, claim(database, claimant), "failed", Failure("E", plain("no")))
    return job.id


def test_a_deleted_run_is_in_no_list_and_no_count(database):
    kept, gone = submit(database).id, submit(database, tags=["t"], preset="quick").id
    with database.writing() as session:
        session.execute(update(Job).values(test_loss=0.5))

    remove(database, gone)

    for chosen in (
        {},
        {"states": ["queued", "paused"]},
        {"dataset": "digits"},
        {"dataset": "digits", "owner": "owner"},
        {"text": "job"},
        {"sort": "test_loss"},
        {"sort": "-test_loss", "states": ["queued", "paused"]},
    ):
        assert listed(database, **chosen) == [kept], chosen
    for chosen in ({"tag": "t"}, {"tag": "t", "sort": "test_loss"}, {"preset": "quick"}):
        assert listed(database, **chosen) == [], chosen
    with database.reading() as session:
        assert sum(queries.count_by_state(session).values()) == 1
    assert listed(database, deleted=True) == [gone]
    assert listed(database, deleted=True, tag="t", sort="test_loss") == [gone]
    assert look(database, gone).deleted_at is not None


def test_a_queued_run_that_is_deleted_is_not_claimed_and_has_no_place_in_the_line(
    database, claimant
):
    gone, kept = submit(database), submit(database)
    remove(database, gone.id)

    with database.reading() as session:
        assert list(eta.play(session).places) == [kept.id]
        assert "about to start" in status.explain(session, [kept])[kept.id].reason.text
    assert claim(database, claimant).job_id == kept.id
    assert claim(database, claimant) is None


def test_a_deleted_run_tells_a_forecast_nothing(database, claimant):
    gone = finish(database, claimant)
    with database.reading() as session:
        assert eta._typical_epoch_s(session)

    remove(database, gone)

    with database.reading() as session:
        assert not eta._typical_epoch_s(session)


def test_a_restored_run_is_as_it_was(database, claimant):
    queued = submit(database).id
    paused = lifecycle.pause(database, submit(database).id, LOCAL_OWNER).id
    last_in_line(database, queued)
    ended = finish(database, claimant)
    before = {job_id: look(database, job_id).state for job_id in (queued, paused, ended)}

    for job_id in before:
        remove(database, job_id)
        deletion.restore(database, job_id, ADA)

    assert {job_id: look(database, job_id).state for job_id in before} == before
    assert set(listed(database)) >= set(before)
    assert claim(database, claimant).job_id == queued
    assert history(database, queued)[-3:-1] == [
        ("deleted", {"state": "paused"}),
        ("restored", {"state": "queued"}),
    ]
    assert history(database, paused)[-2:] == [("deleted", {}), ("restored", {})]


def last_in_line(database, job_id):
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job_id).values(priority=-1))


def test_deleting_and_restoring_again_changes_nothing(database):
    job_id = submit(database).id
    first = remove(database, job_id)
    again = remove(database, job_id)
    deletion.restore(database, job_id, ADA)
    restored = deletion.restore(database, job_id, ADA)

    assert (again.deleted_at, again.revision) == (first.deleted_at, first.revision)
    assert [kind for kind, _ in history(database, job_id)] == ["submitted", "deleted", "restored"]
    assert restored.state == "queued"


def test_a_run_that_is_running_is_not_deleted(database, claimant):
    job = submit(database)
    claim(database, claimant)

    with pytest.raises(Conflict, match="cancel or pause it first"):
        remove(database, job.id)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    with pytest.raises(Conflict, match="is running"):
        remove(database, job.id)

    assert look(database, job.id).deleted_at is None


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry"])
def test_a_deleted_run_is_asked_for_nothing_but_to_be_restored(database, claimant, action):
    job_id = fail(database, claimant)
    remove(database, job_id)

    with pytest.raises(Conflict, match="restore it first"):
        getattr(lifecycle, action)(database, job_id, LOCAL_OWNER)
    assert look(database, job_id).state == "failed"


def test_a_worker_may_delete_nothing(database):
    job_id = submit(database).id

    for action in (lambda *who: deletion.delete(*who, 5.0), deletion.restore):
        with pytest.raises(Forbidden):
            action(database, job_id, of_worker(1, "w"))
        with pytest.raises(NotFound):
            action(database, 99, LOCAL_OWNER)


def test_a_run_that_can_be_restored_is_not_purged(database, claimant):
    job_id = finish(database, claimant)
    remove(database, job_id)

    assert deletion.purge(database) == 0
    assert look(database, job_id).state == "succeeded"


def test_a_purged_run_leaves_no_row_and_its_blobs_are_remembered(database, claimant, monkeypatch):
    monkeypatch.setattr(deletion, "ROWS_AT_ONCE", 1)
    kept = finish(database, claimant, files="b")
    job_id = finish(database, claimant, files="ab")
    with database.writing() as session:
        row = {"level": "info", "text": "more", "time": now()}
        for number in (2, 3):
            session.add(LogLine(job_id=job_id, attempt=1, number=number, **row))
    secure(database, job_id, 10)
    remove(database, job_id, undo_s=0.0)

    with pytest.raises(Conflict, match="no longer"):
        deletion.restore(database, job_id, ADA)
    assert deletion.purge(database) == 1

    with database.reading() as session:
        for table in Base.metadata.tables.values():
            key = table.c.get("job_id", table.c.id if table.name == "jobs" else None)
            if key is not None:
                rows = select(func.count()).select_from(table).where(key == job_id)
                assert session.scalar(rows) == 0, table.name
        left = {row.name: row.version for row in session.scalars(select(UnnamedBlob))}
    assert left == {
        "a" * 64: unnamed.UNKNOWN,
        "b" * 64: unnamed.UNKNOWN,
        f"{10:064}": unnamed.ANY,
    }
    assert look(database, kept).state == "succeeded"
    assert deletion.purge(database) == 0


def test_a_blob_that_another_run_names_too_stays(database, claimant, storage, tmp_path):
    (tmp_path / "model").write_text("the same weights")
    blob = storage.put(tmp_path / "model")
    ids = []
    for _ in range(2):
        ids.append(finish(database, claimant, files=()))
        with database.writing() as session:
            row = {"attempt": 1, "epoch": 1, "kind": "checkpoint", "format": "pt"}
            names = {"filename": "m.pt", "size": blob.size, "sha256": blob.sha256}
            session.add(Artifact(job_id=ids[-1], **row, **names, created_at=now()))

    for job_id, there in zip(ids, (True, False), strict=True):
        remove(database, job_id, undo_s=0.0)
        deletion.purge(database)
        for _ in range(2):  # at the first look it waits for rows that may be on their way
            with database.writing() as session:
                session.execute(update(UnnamedBlob).values(due_at=now()))
            unnamed.delete_due(database, storage)
        assert (storage.look(blob.sha256) is not None) == there


def test_a_purge_has_the_files_that_were_computed_of_a_run_deleted_with_its_own(database, claimant):
    job_id = finish(database, claimant, files=())
    wanted = derived.test_images("digits") | {"job_id": job_id}
    computed, waiting = (
        derived.ask(database, wanted | {"weights": weights})[0].key
        for weights in ("published", "snapshot")
    )
    derived.finish(database, computed, Blob("e" * 64, 5))
    remove(database, job_id, undo_s=0.0)

    assert deletion.purge(database) == 1

    assert derived.find(database, computed) is derived.find(database, waiting) is None
    with database.reading() as session:
        blobs = session.scalars(select(UnnamedBlob).where(UnnamedBlob.size == 5)).all()
        assert [(blob.name, blob.version) for blob in blobs] == [("e" * 64, unnamed.UNKNOWN)]


def test_whoever_held_a_purged_run_long_ago_has_lost_its_lease(database, claimant):
    """A worker whose host slept for days ends what is not there any more."""
    submit(database)
    lease = claim(database, claimant)
    lifecycle.cancel(database, lease.job_id, LOCAL_OWNER)
    endings.end(database, lease, "cancelled")
    remove(database, lease.job_id, undo_s=0)
    assert deletion.purge(database) == 1

    with pytest.raises(LeaseLost):
        endings.end(database, lease, "drained")
    with pytest.raises(LeaseLost):
        endings.succeed(database, lease, "c" * 64, [])
    with pytest.raises(LeaseLost):
        Recorder(database, lease, 30).flush()


def test_a_number_is_never_given_twice(database, claimant):
    job_id = finish(database, claimant)
    with database.reading() as session:
        newest = {table: session.scalar(select(func.max(table.id))) for table in NUMBERED}
    remove(database, job_id, undo_s=0.0)
    deletion.purge(database)
    with database.reading() as session:
        assert all(session.scalar(select(func.count(table.id))) == 0 for table in NUMBERED)

    finish(database, claimant)

    with database.reading() as session:
        for table, last in newest.items():
            assert session.scalar(select(func.min(table.id))) > last, table


NUMBERED = (Job, JobEvent, Artifact)


def test_the_database_refuses_a_deleted_run_that_waits(database):
    job_id = submit(database).id

    with pytest.raises(Exception, match="a_deleted_job_is_at_rest"), database.writing() as session:
        session.execute(
            update(Job).where(Job.id == job_id).values(deleted_at=now(), purge_at=now())
        )


def test_what_a_deleted_run_had_is_there_until_it_is_purged(database, claimant):
    job_id = finish(database, claimant)
    secure(database, job_id, 10)
    remove(database, job_id)

    with database.reading() as session:
        assert len(queries.logs(session, job_id).items) == 1
        assert len(queries.artifacts(session, job_id).items) == 1
        assert session.scalar(select(func.count()).select_from(JobTag)) == 1
        assert session.scalar(select(func.count()).select_from(Snapshot)) == 1
