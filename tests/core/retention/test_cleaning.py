"""What a policy keeps no longer goes, of runs that nobody protects; a dry run only says so."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, update

from core import queries, workers
from core.database.clock import now
from core.database.models import Artifact, Job, Lane, LogLine, Preview, UnnamedBlob, Worker
from core.errors import Forbidden
from core.jobs import deletion, endings, lifecycle
from core.jobs.actors import CLEANER, LOCAL_OWNER, of_worker
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication
from core.jobs.event_messages import describe
from core.jobs.recorder import Recorder
from core.messages import plain
from core.protocol.reports import Line
from core.retention import cleaning
from core.retention.policy import DAY_S, Policy
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.core.jobs.conftest import claim, look, secure, steps, submit
from tests.reported import started

SNAPSHOTS = Policy(snapshots_s=30 * DAY_S, keep_tag="keep")
ARTIFACTS = Policy(artifacts_s=30 * DAY_S, keep_tag="keep")
LOGS = Policy(logs_s=30 * DAY_S, keep_tag="keep")


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    return Claimant(workers.register(database, facts), ["default"])


def age(database, days, *job_ids):
    """Let what happened to runs have happened earlier."""
    with database.writing() as session:
        for column in (Job.finished_at, Job.desired_at, Job.created_at):
            session.execute(
                update(Job)
                .where(Job.id.in_(job_ids), column.is_not(None))
                .values({column.key: now(-days * DAY_S)})
            )


def begin(database, claimant, **options):
    """A run that runs, has a line in its log, and a snapshot to which it is bound."""
    job = submit(database, **options)
    lease = claim(database, claimant)
    assert lease.job_id == job.id
    recorder = Recorder(database, lease, 30)
    recorder.record(started(threads=2))
    recorder.record(Line(text="hello"))
    recorder.flush()
    secure(database, job.id, 10)
    with database.writing() as session:
        session.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(device="cpu", pinned_threads=2, secured_step=10)
        )
    return lease


def failed(database, claimant, **options):
    lease = begin(database, claimant, **options)
    endings.end(database, lease, "failed", Failure("E", plain("no")))
    return lease.job_id


def paused(database, claimant):
    lease = begin(database, claimant)
    lifecycle.pause(database, lease.job_id, LOCAL_OWNER)
    endings.end(database, lease, "paused")
    return lease.job_id


def succeeded(database, claimant, **options):
    lease = begin(database, claimant, **options)
    files = [Publication(Blob("a" * 64, 7), 1, "pt", "m.pt")]
    endings.succeed(database, lease, "c" * 64, files)
    return lease.job_id


def clean(database, policy, **options):
    piece = cleaning.clean(database, policy, CLEANER, **options)
    return {
        kind: (amount.runs, amount.count, amount.size) for kind, amount in piece.amounts.items()
    }


def rows(database, table: Any):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_snapshots_of_failed_and_paused_runs_go_after_their_time(database, claimant):
    ids = failed(database, claimant), paused(database, claimant)
    young = failed(database, claimant)
    age(database, 31, *ids)

    assert clean(database, SNAPSHOTS, dry_run=True) == {"snapshots": (2, 2, 10)}
    assert [steps(database, job_id) for job_id in ids] == [[10], [10]]
    assert clean(database, SNAPSHOTS) == {"snapshots": (2, 2, 10)}

    assert [steps(database, job_id) for job_id in (*ids, young)] == [[], [], [10]]
    assert clean(database, SNAPSHOTS) == {}


def test_a_run_whose_snapshots_went_is_bound_to_nothing_and_starts_over(database, claimant):
    ids = failed(database, claimant), paused(database, claimant)
    age(database, 31, *ids)
    clean(database, SNAPSHOTS)

    for job_id in ids:
        job = look(database, job_id)
        assert (job.device, job.pinned_threads, job.secured_step) == ("auto", None, 0)
        with database.reading() as session:
            assert session.get(Lane, job.lane_id).dataset == job.dataset
    lifecycle.retry(database, ids[0], LOCAL_OWNER)
    lifecycle.resume(database, ids[1], LOCAL_OWNER)
    assert {claim(database, claimant).job_id for _ in ids} == set(ids)


def test_the_history_says_what_was_removed(database, claimant):
    job_id = failed(database, claimant)
    age(database, 31, job_id)
    clean(database, SNAPSHOTS)

    with database.reading() as session:
        newest = queries.events(session, job_id, 1000).items[-1]
    assert describe(newest).text == "Snapshots removed by Trainyard to free space"


def test_artifacts_go_with_their_blobs_and_logs_line_by_line(database, claimant, monkeypatch):
    monkeypatch.setattr(cleaning, "ROWS_AT_ONCE", 1)
    job_id, young = succeeded(database, claimant), succeeded(database, claimant)
    with database.writing() as session:
        for number in (2, 3):
            row = {"level": "info", "text": "hello", "time": now()}
            session.add(LogLine(job_id=job_id, attempt=1, number=number, **row))
    age(database, 31, job_id)

    assert clean(database, ARTIFACTS) == {"artifacts": (1, 1, 7)}
    assert clean(database, LOGS, dry_run=True) == {"logs": (1, 3, 15)}
    assert clean(database, LOGS) == {"logs": (1, 3, 15)}

    assert (rows(database, Artifact), rows(database, LogLine)) == (1, 1)
    assert rows(database, UnnamedBlob) == 1
    assert look(database, young).state == "succeeded"


@pytest.mark.parametrize("policy", [SNAPSHOTS, ARTIFACTS, LOGS])
def test_a_tag_protects_a_run_from_all_of_it(database, claimant, policy):
    ids = [
        failed(database, claimant, tags=["keep"]),
        succeeded(database, claimant, tags=["x", "keep"]),
    ]
    age(database, 999, *ids)

    assert clean(database, policy) == {}


def test_what_runs_or_waits_or_is_deleted_loses_nothing_to_a_policy(database, claimant):
    everything = Policy(snapshots_s=0.0, artifacts_s=0.0, logs_s=0.0)
    gone = failed(database, claimant)
    deletion.delete(database, gone, LOCAL_OWNER, DAY_S)
    lease = begin(database, claimant)
    age(database, 999, gone, lease.job_id)
    assert clean(database, everything) == {}

    endings.end(database, lease, "drained")
    assert clean(database, everything) == {}
    assert [steps(database, job_id) for job_id in (gone, lease.job_id)] == [[10], [10]]


def test_a_run_that_is_tried_again_meanwhile_keeps_its_snapshot(database, claimant, monkeypatch):
    job_id = failed(database, claimant)
    age(database, 31, job_id)
    locked = cleaning.locked

    def retried_first(*arguments):
        lifecycle.retry(database, job_id, LOCAL_OWNER)
        return locked(*arguments)

    monkeypatch.setattr(cleaning, "locked", retried_first)

    assert clean(database, SNAPSHOTS) == {}
    assert steps(database, job_id) == [10]


def test_runs_are_walked_in_pieces(database, claimant, monkeypatch):
    monkeypatch.setattr(cleaning, "RUNS_AT_ONCE", 2)
    ids = [failed(database, claimant) for _ in range(3)]
    age(database, 31, *ids)

    first = cleaning.clean(database, SNAPSHOTS, CLEANER)
    second = cleaning.clean(database, SNAPSHOTS, CLEANER, first.next)

    assert (first.amounts["snapshots"].runs, first.next) == (2, ids[1])
    assert (second.amounts["snapshots"].runs, second.next) == (1, None)


def test_stopped_workers_go_that_no_run_names(database, claimant):
    old, young = (
        workers.register(database, WorkerFacts("x", 1, "0", ["default"], [], 1)) for _ in range(2)
    )
    failed(database, claimant)
    for worker_id in (old, young, claimant.worker_id):
        workers.mark_stopped(database, worker_id)
    with database.writing() as session:
        session.execute(update(Worker).where(Worker.id != young).values(stopped_at=now(-8 * DAY_S)))
    policy = Policy(workers_s=7 * DAY_S)

    assert clean(database, policy, dry_run=True) == {"workers": (0, 1, 0)}
    assert clean(database, policy) == {"workers": (0, 1, 0)}

    with database.reading() as session:
        left = set(session.scalars(select(Worker.id)))
    assert left == {young, claimant.worker_id}


def test_lost_workers_go_that_no_run_names(database):
    old, young = (
        workers.register(database, WorkerFacts("x", 1, "0", ["default"], [], 1)) for _ in range(2)
    )
    with database.writing() as session:
        for worker_id in (old, young):
            workers.mark_lost(session, worker_id)
        session.execute(update(Worker).where(Worker.id == old).values(lost_at=now(-8 * DAY_S)))

    assert clean(database, Policy(workers_s=7 * DAY_S)) == {"workers": (0, 1, 0)}

    with database.reading() as session:
        assert session.scalars(select(Worker.id)).all() == [young]


def test_a_worker_that_comes_back_without_a_row_gets_its_number_again(database):
    facts = WorkerFacts("x", 1, "0", ["default"], [], 1)
    worker_id = workers.register(database, facts)
    workers.mark_stopped(database, worker_id)
    clean(database, Policy(workers_s=0.0))
    assert rows(database, Worker) == 0

    workers.heartbeat(database, worker_id, facts)

    with database.reading() as session:
        assert [worker.id for worker in workers.live(session)] == [worker_id]
    assert workers.register(database, facts) > worker_id


def test_old_previews_go(database):
    with database.writing() as session:
        for key, hours in (("old", 25), ("young", 1)):
            session.add(Preview(key=key, request={}, asked_at=now(-3600.0 * hours), image=b"abc"))

    assert clean(database, Policy(previews_s=DAY_S)) == {"previews": (0, 1, 3)}
    assert rows(database, Preview) == 1


def test_deleted_runs_can_be_removed_at_once(database, claimant):
    kept, gone = failed(database, claimant), succeeded(database, claimant)
    deletion.delete(database, gone, LOCAL_OWNER, DAY_S)

    dry = cleaning.purge_now(database, LOCAL_OWNER, dry_run=True).amounts["deleted"]
    assert (dry.runs, dry.size) == (1, 12)  # an artifact, and a snapshot that is discarded
    assert deletion.purge(database) == 0
    cleaning.purge_now(database, LOCAL_OWNER)
    assert deletion.purge(database) == 1

    with database.reading() as session:
        assert list(session.scalars(select(Job.id))) == [kept]


def test_a_worker_may_remove_nothing(database):
    for action in (
        lambda who: cleaning.clean(database, SNAPSHOTS, who),
        lambda who: cleaning.purge_now(database, who),
    ):
        with pytest.raises(Forbidden):
            action(of_worker(1, "w"))
