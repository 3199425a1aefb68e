"""What a person does with a job: submit, cancel, pause, resume, retry."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from core import queries
from core.database.models import Job
from core.errors import Conflict, Forbidden, NotFound
from core.jobs import deletion, endings, events, lifecycle, polling
from core.jobs.actors import LOCAL_OWNER, Actor, of_worker
from core.jobs.endings import Failure
from core.jobs.recorder import Recorder
from core.messages import plain
from core.spec import presets
from core.states import FINAL
from tests.core.jobs.conftest import ADA, TWO_GPUS, attempts, claim, look, secure, steps, submit


def test_a_queued_job_is_cancelled_at_once_and_never_claimed(database, claimant):
    job = submit(database)

    assert lifecycle.cancel(database, job.id, LOCAL_OWNER).state == "cancelled"
    assert claim(database, claimant) is None


def test_a_submit_that_comes_again_by_its_token_finds_the_job_of_the_first(database):
    first = submit(database, submission_token="a")
    again = submit(database, submission_token="a")
    other, bare, another = (submit(database, submission_token=each) for each in ("b", None, None))

    assert again.id == first.id
    assert len({first.id, other.id, bare.id, another.id}) == 4
    with database.reading() as session:
        kinds = [each.kind for each in queries.events(session, first.id).items]
    assert kinds == ["submitted"]


def test_submits_by_one_token_at_the_same_time_make_one_job(database):
    def ask(_):
        return submit(database, submission_token="a").id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(24)))) == 1

    with database.reading() as session:
        assert len(queries.jobs(session).items) == 1


def test_a_running_job_is_asked_to_stop_and_asking_again_changes_nothing(database, claimant):
    job = submit(database)
    claim(database, claimant)

    first = lifecycle.cancel(database, job.id, LOCAL_OWNER)
    second = lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert (first.state, first.desired) == ("running", "cancel")
    assert second.revision == first.revision


def test_cancelling_too_late_changes_nothing(database, claimant):
    job = submit(database)
    endings.succeed(database, claim(database, claimant), "b" * 64, [])
    before = look(database, job.id)

    after = lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert (after.state, after.desired, after.revision) == ("succeeded", "run", before.revision)


@pytest.mark.parametrize("job_id", [7, 0, 2**63, 2**200])
@pytest.mark.parametrize(
    "ask", [lifecycle.cancel, lifecycle.pause, lifecycle.resume, lifecycle.retry]
)
def test_a_job_that_does_not_exist_is_not_found(database, job_id, ask):
    with pytest.raises(NotFound, match=f"no run {job_id}"):
        ask(database, job_id, LOCAL_OWNER)


def bring_to(database, claimant, situation):
    """A job in one of the situations in which something may be asked of it."""
    job = submit(database)
    if situation == "paused":
        lifecycle.pause(database, job.id, LOCAL_OWNER)
    elif situation == "cancelled":
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
    elif situation != "queued":
        lease = claim(database, claimant)
        if situation == "succeeded":
            endings.succeed(database, lease, "b" * 64, [])
        elif situation == "failed":
            endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "tb"))
        elif situation == "pausing":
            lifecycle.pause(database, job.id, LOCAL_OWNER)
        elif situation == "cancelling":
            lifecycle.cancel(database, job.id, LOCAL_OWNER)
    return look(database, job.id)


# state and desired state after the action; None: nothing changed; a text: of the refusal
ASKED = {
    lifecycle.pause: {
        "queued": ("paused", "pause"),
        "running": ("running", "pause"),
        "pausing": None,
        "paused": None,
        "cancelling": "being cancelled",
        "succeeded": "is succeeded",
        "failed": "is failed",
        "cancelled": "is cancelled",
    },
    lifecycle.resume: {
        "queued": None,
        "running": None,
        "pausing": ("running", "run"),
        "paused": ("queued", "run"),
        "cancelling": "being cancelled",
        "succeeded": "is succeeded",
        "failed": "Retry it instead",
        "cancelled": "is cancelled",
    },
    lifecycle.retry: {
        "queued": "is queued",
        "running": "is running",
        "pausing": "is running",
        "paused": "is paused",
        "cancelling": "is running",
        "succeeded": "is succeeded",
        "failed": ("queued", "run"),
        "cancelled": "is cancelled",
    },
    lifecycle.cancel: {
        "queued": ("cancelled", "cancel"),
        "running": ("running", "cancel"),
        "pausing": ("running", "cancel"),
        "paused": ("cancelled", "cancel"),
        "cancelling": None,
        "succeeded": None,
        "failed": None,
        "cancelled": None,
    },
}


@pytest.mark.parametrize(
    ("ask", "situation", "answer"),
    [(ask, *each) for ask, answers in ASKED.items() for each in answers.items()],
    ids=[f"{ask.__name__}-{each}" for ask, answers in ASKED.items() for each in answers],
)
def test_what_is_asked_of_a_job_is_done_refused_or_changes_nothing(
    database, claimant, ask, situation, answer
):
    before = bring_to(database, claimant, situation)

    if isinstance(answer, str):
        with pytest.raises(Conflict, match=answer):
            ask(database, before.id, ADA)
    else:
        changed = ask(database, before.id, ADA)
        state, desired = answer or (before.state, before.desired)
        assert (changed.state, changed.desired) == (state, desired)
        if answer:
            # (that of its progress may go up too)
            once = before.own_revision + 1
            assert (changed.desired_by, changed.own_revision) == ("Ada", once)
            assert changed.desired_at is not None

    after = look(database, before.id)
    if not isinstance(answer, tuple):
        assert (after.revision, after.desired, after.desired_by) == (
            before.revision,
            before.desired,
            before.desired_by,
        )
    assert (after.finished_at is None) == (after.state not in FINAL)


def test_a_second_retry_is_refused_while_the_first_waits(database, claimant):
    job = bring_to(database, claimant, "failed")
    lifecycle.retry(database, job.id, LOCAL_OWNER)

    with pytest.raises(Conflict, match="only a failed run"):
        lifecycle.retry(database, job.id, LOCAL_OWNER)


def test_a_paused_job_is_claimed_only_when_it_is_resumed(database, claimant):
    job = bring_to(database, claimant, "paused")
    assert claim(database, claimant) is None
    assert polling.poll(database, claimant).due_in_s is None
    assert endings.reap(database, 30) == []

    lifecycle.resume(database, job.id, LOCAL_OWNER)

    assert claim(database, claimant).job_id == job.id


def test_a_running_job_learns_of_the_pause_and_of_its_end(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    recorder = Recorder(database, lease, 30)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    assert recorder.flush() == "pause"
    lifecycle.resume(database, job.id, LOCAL_OWNER)
    assert recorder.flush() == "run"
    lifecycle.pause(database, job.id, LOCAL_OWNER)

    assert endings.end(database, lease, "paused") == "paused"
    assert [a.outcome for a in attempts(database, job.id)] == ["paused"]
    assert (look(database, job.id).crashes, look(database, job.id).losses) == (0, 0)


def test_a_resumed_job_is_due_at_once_however_it_was_paused(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    endings.end(database, lease, "crashed", Failure("crash", plain("gone")))

    lifecycle.resume(database, job.id, LOCAL_OWNER)

    assert claim(database, claimant).job_id == job.id


def test_a_retried_job_needs_as_many_devices_as_before(database, large):
    job = submit(database, devices=2)
    endings.end(database, claim(database, large, TWO_GPUS), "failed", Failure("x", plain("y")))

    lifecycle.retry(database, job.id, LOCAL_OWNER)

    assert claim(database, large) is None
    assert claim(database, large, TWO_GPUS).needs.devices == 2


@pytest.mark.parametrize(
    ("from_scratch", "kept", "secured"),
    [(False, [10], 10), (True, [], 0)],
    ids=["resumes", "starts over"],
)
def test_a_retry_has_its_whole_budget_and_resumes_or_starts_over(
    database, claimant, from_scratch, kept, secured
):
    job = submit(database)
    lease = claim(database, claimant)
    secure(database, job.id)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "tb"))
    with database.writing() as session:
        session.execute(update(Job).values(crashes=2, losses=9, secured_step=10))

    lifecycle.retry(database, job.id, LOCAL_OWNER, from_scratch=from_scratch)

    again = look(database, job.id)
    assert (again.crashes, again.losses, again.secured_step) == (0, 0, secured)
    assert (again.error_kind, again.error_message, again.error_traceback) == (None, None, None)
    assert again.finished_at is None
    assert steps(database, job.id) == kept
    assert claim(database, claimant).attempt == 2
    assert [a.outcome for a in attempts(database, job.id)] == ["failed", None]


@pytest.mark.parametrize("situation", ["queued", "paused"])
def test_a_cancelled_job_keeps_no_snapshot(database, claimant, situation):
    job = bring_to(database, claimant, situation)
    secure(database, job.id)

    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert steps(database, job.id) == []


@pytest.mark.parametrize(
    "ask", [lifecycle.cancel, lifecycle.pause, lifecycle.resume, lifecycle.retry]
)
def test_only_a_person_may_act_on_a_job(database, ask):
    job = submit(database)

    with pytest.raises(Forbidden, match=f"w may not {ask.__name__} run {job.id}"):
        ask(database, job.id, of_worker(3, "w"))

    assert look(database, job.id).revision == job.revision


def test_a_cancelled_queued_job_has_no_attempt_and_is_never_reaped(database):
    job = submit(database)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    assert endings.reap(database, 30) == []
    assert attempts(database, job.id) == []
    assert lifecycle.cancel(database, job.id, LOCAL_OWNER).desired_at is not None


@pytest.mark.parametrize(
    ("device", "pin"),
    [
        ("cpu", {"pinned_threads": 4}),
        ("cuda", {"pinned_precision": "bf16"}),
        ("auto", {"device": "cuda", "pinned_precision": "bf16"}),
    ],
)
def test_a_queued_job_that_is_pinned_may_start_over_anywhere(database, device, pin):
    job = submit(database, device=device)
    secure(database, job.id)
    with database.writing() as session:
        session.execute(update(Job).values(secured_step=10, **pin))

    lifecycle.retry(database, job.id, LOCAL_OWNER, from_scratch=True)

    freed = look(database, job.id)
    assert (freed.state, freed.device, freed.secured_step) == ("queued", device, 0)
    assert (freed.pinned_precision, freed.pinned_threads) == (None, None)
    assert steps(database, job.id) == []


def test_a_queued_job_that_is_pinned_to_nothing_cannot_be_retried(database):
    job = submit(database)

    with pytest.raises(Conflict, match="only a failed run"):
        lifecycle.retry(database, job.id, LOCAL_OWNER, from_scratch=True)


def test_each_of_several_jobs_is_private_where_that_is_asked_for(database):
    # the first of a lane makes the lane; those after it are inserted by a statement of their own
    asked = [True, True, False, None, True]
    made = [submit(database, private=private).id for private in asked]

    assert [look(database, job_id).is_private for job_id in made] == [bool(each) for each in asked]


def test_a_clone_is_private_where_its_parent_is_and_nothing_else_is_said(database):
    parent = submit(database, private=True)

    def clone(**more):
        return submit(database, cloned_from=parent.id, **more).is_private

    assert [clone(), clone(private=False), submit(database).is_private] == [True, False, False]


def test_a_clone_of_what_is_not_there_for_its_owner_has_no_parent(database):
    eve = Actor("user", "8", "eve", "member")
    parent = submit(database, private=True)

    child = lifecycle.submit(
        database, eve, name="x", spec=presets.resolve("quick", {}), cloned_from=parent.id
    )

    assert not child.is_private
    with database.reading() as session:
        assert queries.parent(session, child.id) is None


def test_a_clone_knows_its_parent_until_that_is_purged(database):
    parent = submit(database)
    child = submit(database, cloned_from=parent.id)
    stranger = submit(database, cloned_from=10**6)

    def family(job):
        with database.reading() as session:
            found = queries.parent(session, job.id)
            return found and found.id, [each.id for each in queries.children(session, job.id)]

    assert family(child) == (parent.id, [])
    assert family(parent) == (None, [child.id])
    assert family(stranger) == (None, [])

    lifecycle.cancel(database, parent.id, LOCAL_OWNER)
    deletion.delete(database, parent.id, LOCAL_OWNER, 0.0)
    assert deletion.purge(database) == 1
    assert family(child) == (None, [])


def submit_seeds(database, *seeds, **options):
    chosen = presets.resolve("quick", {"dataset": "digits"})
    asked = {"name": "wide", "spec": chosen, "seeds": seeds} | options
    return lifecycle.submit_for_seeds(database, LOCAL_OWNER, **asked)


def test_runs_for_several_seeds_have_their_seeds_names_and_a_tag_in_common(database):
    jobs = submit_seeds(database, 3, 4, tags=["mine"])

    assert [(job.name, job.spec["seed"]) for job in jobs] == [
        ("wide (seed 3)", 3),
        ("wide (seed 4)", 4),
    ]
    assert all(job.tags == ["mine", f"seeds-{jobs[0].id}"] for job in jobs)
    with database.reading() as session:
        found = queries.jobs(session, queries.Selection(tag=f"seeds-{jobs[0].id}")).items
    assert {job.id for job, _ in found} == {job.id for job in jobs}


def test_runs_for_several_seeds_that_are_submitted_twice_are_made_once(database):
    first = submit_seeds(database, 0, 1, 2, submission_token="a" * 64)
    again = submit_seeds(database, 0, 1, 2, submission_token="a" * 64)

    assert [job.id for job in again] == [job.id for job in first]
    with database.reading() as session:
        assert len(queries.jobs(session).items) == 3


def test_of_runs_for_several_seeds_all_are_queued_or_none(database, monkeypatch):
    real = events.append_of_many

    def append(*about):
        real(*about)
        raise RuntimeError("a fault before the commit")

    monkeypatch.setattr(events, "append_of_many", append)
    with pytest.raises(RuntimeError):
        submit_seeds(database, 0, 1, 2)

    with database.reading() as session:
        assert not queries.jobs(session).items
