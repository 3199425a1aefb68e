"""The history: every transition of a job is recorded in its transaction, and makes a legal path."""

import threading

import pytest
from sqlalchemy import func, select, text, update

from core import queries, workers
from core.database.clock import now
from core.database.models import Job, JobEvent, JobProgress
from core.jobs import claim, endings, events, lifecycle
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import Requirements, capacity_of
from core.jobs.endings import Failure
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.jobs.status import explain
from core.messages import as_json, message, plain
from core.protocol.reports import Started
from core.spec import presets
from core.states import EVENT_KINDS, state_after
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.core.jobs.conftest import pin
from tests.services import wait_until

ADA = Actor("user", "7", "Ada", "administrator")
STARTED = Started(device="CPU", threads=2, precision="fp32", epochs=3, batches=10)


def submit(database, actor=LOCAL_OWNER):
    spec = presets.resolve("quick", {"dataset": "digits"})
    return lifecycle.submit(database, actor, name="job", spec=spec).id


def history(database, job_id):
    with database.reading() as session:
        query = select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)
        return session.scalars(query).all()


def kinds_and_attempts(database, job_id):
    return [(each.kind, each.attempt) for each in history(database, job_id)]


def replay(database, job_id):
    """The state that a job's history leads to; raises where it is no legal path."""
    state = None
    for each in history(database, job_id):
        state = state_after(state, each.kind, each.payload.get("state"))
    return state


def look(database, job_id):
    with database.reading() as session:
        return queries.job(session, job_id)[0]


def test_a_run_tells_of_its_way_from_the_form_to_its_end(database, claimant):
    job_id = submit(database, ADA)
    lease = claim.claim(database, claimant, 30)
    recorder = Recorder(database, lease, 30)
    recorder.record(STARTED)
    recorder.secure(SnapshotRef(1, 10, Blob("a" * 64, 5)))
    recorder.flush()
    endings.succeed(database, lease, "b" * 64, [], plain("enough"))

    found = history(database, job_id)
    assert [each.kind for each in found] == [
        "submitted",
        "claimed",
        "started",
        "snapshot",
        "finished",
    ]
    assert found[0].actor == {"kind": "user", "id": "7", "name": "Ada"}
    assert [each.actor["kind"] for each in found[1:]] == ["worker"] * 4
    assert found[2].payload | {"threads": 2, "device_kind": "cpu"} == found[2].payload
    assert found[3].payload == {"epoch": 1, "step": 10}
    assert found[4].payload["reason"] == as_json(plain("enough"))
    assert replay(database, job_id) == "succeeded"


def test_what_people_ask_is_told_with_who_asked(database, claimant):
    job_id = submit(database)
    lifecycle.pause(database, job_id, ADA)
    lifecycle.resume(database, job_id, ADA)
    lease = claim.claim(database, claimant, 30)
    lifecycle.pause(database, job_id, ADA)
    lifecycle.pause(database, job_id, ADA)  # changes nothing, and records nothing
    lifecycle.resume(database, job_id, ADA)
    lifecycle.cancel(database, job_id, ADA)
    endings.end(database, lease, "cancelled")

    assert kinds_and_attempts(database, job_id) == [
        ("submitted", 0),
        ("paused", 0),
        ("resumed", 0),
        ("claimed", 1),
        ("pause_requested", 1),
        ("pause_withdrawn", 1),
        ("cancel_requested", 1),
        ("cancelled", 1),
    ]
    by = {each.kind: each.actor["name"] for each in history(database, job_id)}
    assert by["pause_requested"] == by["cancel_requested"] == "Ada"
    assert replay(database, job_id) == "cancelled"


@pytest.mark.parametrize("outcome", ["crashed", "lost", "drained", "paused", "failed", "cancelled"])
@pytest.mark.parametrize("desired", ["run", "pause", "cancel"])
@pytest.mark.parametrize("is_last_try", [False, True])
def test_however_an_attempt_ends_its_history_leads_to_the_state_of_the_job(
    database, claimant, outcome, desired, is_last_try
):
    job_id = submit(database)
    lease = claim.claim(database, claimant, 30)
    if desired != "run":
        getattr(lifecycle, desired)(database, job_id, ADA)
    if is_last_try:
        with database.writing() as session:
            spent = {"crashes": endings.CRASH_BUDGET - 1, "losses": endings.LOSS_BUDGET - 1}
            session.execute(update(Job).values(spent))

    state = endings.end(database, lease, outcome, Failure("x", message("run.unknown", job_id=3)))

    assert replay(database, job_id) == state == look(database, job_id).state


def test_a_failed_run_that_is_retried_continues_the_same_history(database, claimant):
    job_id = submit(database)
    endings.end(database, claim.claim(database, claimant, 30), "failed", Failure("x", plain("y")))
    lifecycle.retry(database, job_id, ADA, from_scratch=True)
    claim.claim(database, claimant, 30)

    assert [kind for kind, _ in kinds_and_attempts(database, job_id)] == [
        *("submitted", "claimed", "failed", "retried", "claimed")
    ]
    assert history(database, job_id)[3].payload == {"from_scratch": True, "state": "queued"}
    assert replay(database, job_id) == "running"


def test_a_pinned_run_that_waits_in_vain_may_start_over(database):
    job_id = submit(database)
    with database.writing() as session:
        session.execute(update(Job).values(device="cuda", pinned_precision="bf16", secured_step=7))

    job = lifecycle.retry(database, job_id, ADA, from_scratch=True)

    assert (job.state, job.device, job.pinned_precision, job.secured_step) == (
        *("queued", "auto"),
        *(None, 0),
    )
    assert replay(database, job_id) == "queued"


def test_a_lost_worker_is_told_by_trainyard_itself(database, claimant):
    job_id = submit(database)
    claim.claim(database, claimant, 30)
    with database.writing() as session:
        session.execute(update(JobProgress).values(lease_expires_at=now(-1)))

    endings.reap(database, 15)

    last = history(database, job_id)[-1]
    assert (last.kind, last.actor["kind"], last.payload["state"]) == ("lost", "system", "queued")
    assert last.payload["reason"] == as_json(message("worker.lost", lease_s=15))


def test_a_flush_whose_answer_was_lost_tells_of_each_thing_once(database, claimant, monkeypatch):
    job_id = submit(database)
    recorder = Recorder(database, claim.claim(database, claimant, 30), 30)
    recorder.record(STARTED)
    recorder.secure(SnapshotRef(1, 10, Blob("a" * 64, 5)))
    recorder.flush()
    again = Recorder(database, recorder._lease, 30)
    again.record(STARTED)
    again.secure(SnapshotRef(1, 10, Blob("a" * 64, 5)))
    monkeypatch.setattr(again, "_may_be_written", True)

    again.flush()

    assert [kind for kind, _ in kinds_and_attempts(database, job_id)].count("started") == 1
    assert [kind for kind, _ in kinds_and_attempts(database, job_id)].count("snapshot") == 1


def test_who_follows_gets_what_comes_after_the_last_event_they_saw(database, claimant):
    first = submit(database)
    with database.reading() as session:
        position = events.newest_id(session)
    second = submit(database)
    claim.claim(database, claimant, 30)

    with database.reading() as session:
        found = events.after(session, position, 10)
        assert [(each.job_id, each.kind) for each in found] == [
            (second, "submitted"),
            (first, "claimed"),
        ]
        assert [each.id for each in events.after(session, 0, 2)] == [
            each.id for each in events.after(session, 0, 10)
        ][:2]


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_ids_appear_in_their_order_however_transactions_overlap(database):
    """PostgreSQL hands out ids before transactions end: a reader must not step over one."""
    job_id = submit(database)
    with database.reading() as session:
        position = events.newest_id(session)
    is_written, may_end = threading.Event(), threading.Event()

    def write_slowly():
        with database.writing() as session:
            session.execute(select(func.txid_current()))  # its transaction is the older one
            events.append(session, job_id, ADA, "pause_requested", 0)
            is_written.set()
            may_end.wait(30)

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert is_written.wait(30)
    second = threading.Thread(target=submit, args=(database,))
    second.start()
    with database.reading() as session:
        wait_until(lambda: _waits_for_a_lock(session), "the second waits for the first", 30)
        assert events.after(session, position, 10) == []
    may_end.set()
    slow.join()
    second.join()

    with database.reading() as session:
        kinds = [each.kind for each in events.after(session, position, 10)]
    assert kinds == ["pause_requested", "submitted"]


def _waits_for_a_lock(session):
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return session.scalar(query) > 0


def test_the_table_of_moves_knows_every_kind_and_refuses_what_no_job_does():
    assert state_after(None, "submitted", "queued") == "queued"
    for kind in EVENT_KINDS:
        with pytest.raises(ValueError, match=kind):
            state_after("succeeded", kind, "running")
    with pytest.raises(ValueError, match="names no state"):
        state_after("running", "failed", None)
    with pytest.raises(ValueError, match="cannot lead"):
        state_after("paused", "claimed", "running")


@pytest.mark.parametrize(
    ("pinned", "worker", "fits"),
    [
        (("cpu", "fp32", 2), {"threads": 2}, True),
        (("cpu", "fp32", 2), {"threads": 4}, True),
        (("cpu", "fp32", 2), {"threads": 1}, False),
        (("cuda", "bf16", None), {"devices": [{"kind": "cuda"}]}, True),
        (
            ("cuda", "bf16", None),
            {"devices": [{"kind": "cuda", "precisions": ["fp32", "fp16"]}]},
            False,
        ),
        (("cuda", "bf16", None), {"threads": 8}, False),
    ],
)
def test_a_run_with_a_snapshot_waits_for_what_it_began_with(database, pinned, worker, fits):
    devices = worker.get("devices", [{"kind": "cpu"}])
    facts = WorkerFacts("w", 1, "0", ["default"], devices, 1, worker.get("threads", 1))
    asker = workers.register(database, facts)
    job_id = submit(database)
    kind, precision, threads = pinned
    pin(database, job_id, Requirements(kind, 1, precision, threads))
    with database.reading() as session:
        [row] = workers.live(session)
        capacity = capacity_of(row)
        waits = explain(session, [look(database, job_id)])[job_id]

    lease = claim.claim(database, claim.Claimant(asker, ["default"], capacity), 30)

    assert (lease is not None) == fits
    assert waits.is_stuck != fits
    if not fits and kind == "cpu":
        assert waits.reason.code == "queue.pinned_elsewhere"
        assert "a CPU and 2 threads" in waits.reason.text
