"""The recorder: what runs report is written once, in order, and only by who holds the lease."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core import queries
from core.database.clock import now
from core.database.models import Attempt, Evaluation, LogLine
from core.errors import DatabaseUnavailable, LeaseLost
from core.jobs import claim, endings, lifecycle
from core.jobs import recorder as recorder_module
from core.jobs.actors import LOCAL_OWNER
from core.jobs.recorder import LONGEST_LINE, Recorder
from core.jobs.snapshots import SnapshotRef
from core.protocol.reports import Evaluated, Line, ResourceSample, Shrunk, StepMetrics, host_clock
from core.spec import presets
from core.storage.blobs import Blob
from tests import reported
from tests.core.conftest import lose_the_answer_to_the_next_commit


@pytest.fixture
def lease(database, claimant):
    lifecycle.submit(database, LOCAL_OWNER, name="job", spec=presets.resolve("quick", {}))
    return claim.claim(database, claimant, 30)


def metrics(step, loss=1.0):
    return StepMetrics(
        step=step,
        epoch=1,
        batch=step,
        train_loss=loss,
        learning_rate=0.1,
        images_per_s=10,
        eta_s=5,
    )


def epoch_end(epoch):
    return reported.epoch_end(
        epoch=epoch,
        step=10 * epoch,
        train_loss=0.5,
        validation_loss=0.45,
        validation_accuracy=0.85,
        test_loss=0.4,
    )


STARTED = reported.started(epochs=2)


def written(database, job_id):
    with database.reading() as session:
        return (
            [row.step for row in queries.metrics(session, job_id).items],
            [row.epoch for row in queries.epochs(session, job_id).items],
            [row.text for row in queries.logs(session, job_id).items],
        )


def look(database, lease):
    with database.reading() as session:
        return queries.job(session, lease.job_id)[0]


def test_reports_reach_their_tables_and_the_jobs_own_row(database, lease):
    recorder = Recorder(database, lease, 30)
    for report in (STARTED, metrics(1), Line(text="hello"), epoch_end(1), metrics(11, 0.25)):
        recorder.record(report)

    assert recorder.flush() == "run"

    assert written(database, lease.job_id) == ([1, 11], [1], ["hello"])
    job = look(database, lease)
    assert (job.batches, job.progress.train_loss, job.test_accuracy, job.progress.eta_s) == (
        10,
        0.25,
        0.9,
        5,
    )
    assert not recorder.has_news


def test_a_stale_lease_cannot_record_an_epoch(database, lease, claimant):
    endings.end(database, lease, "drained")
    claim.claim(database, claimant, 30)
    recorder = Recorder(database, lease, 30)
    for report in (STARTED, metrics(1), Line(text="hello"), epoch_end(1)):
        recorder.record(report)
    before = look(database, lease)

    with pytest.raises(LeaseLost):
        recorder.flush()

    assert written(database, lease.job_id) == ([], [], [])
    assert look(database, lease).revision == before.revision


def test_a_flush_that_is_tried_again_doubles_nothing(database, lease):
    recorder = Recorder(database, lease, 30)
    for report in (STARTED, metrics(1), Line(text="one"), Line(text="two"), epoch_end(1)):
        recorder.record(report)
    lose_the_answer_to_the_next_commit(database)

    with pytest.raises(DatabaseUnavailable):
        recorder.flush()
    recorder.record(metrics(2))
    recorder.flush()

    assert written(database, lease.job_id) == ([1, 2], [1], ["one", "two"])


def times_of_lines(database, lease):
    with database.reading() as session:
        return [row.time for row in queries.logs(session, lease.job_id).items]


def test_a_line_carries_the_time_at_which_it_was_written(database, lease):
    recorder = Recorder(database, lease, 30)
    flushed_at = host_clock()
    for age in (7200.0, 60.0, 0.0):
        recorder.record(Line(text=f"{age} s ago", written_at=flushed_at - age))
    recorder.record(Line(text="as if later", written_at=flushed_at + 3600))
    with database.reading() as session:
        before = session.scalar(select(now()))

    recorder.flush()

    hours, minute, fresh, future = times_of_lines(database, lease)
    with database.reading() as session:
        after = session.scalar(select(now()))
    assert (fresh - hours).total_seconds() == pytest.approx(7200, abs=0.1)
    assert (fresh - minute).total_seconds() == pytest.approx(60, abs=0.1)
    assert future <= after
    assert before - timedelta(seconds=60) <= fresh


def test_a_flush_that_is_tried_again_late_keeps_the_times_of_its_lines(
    database, lease, monkeypatch
):
    recorder = Recorder(database, lease, 30)
    recorder.record(Line(text="before the outage"))
    lose_the_answer_to_the_next_commit(database)
    with pytest.raises(DatabaseUnavailable):
        recorder.flush()
    [first] = times_of_lines(database, lease)
    monkeypatch.setattr(recorder_module, "host_clock", lambda: host_clock() + 600)

    recorder.flush()

    [again] = times_of_lines(database, lease)
    assert (first - again).total_seconds() == pytest.approx(600, abs=60)


def test_text_that_a_database_refuses_is_made_storable(database, lease):
    recorder = Recorder(database, lease, 30)
    recorder.record(Line(text="a\0b"))
    recorder.record(Line(text="x" * (LONGEST_LINE + 5)))

    recorder.flush()

    _, _, lines = written(database, lease.job_id)
    assert lines == ["a\N{SYMBOL FOR NULL}b", "x" * LONGEST_LINE]


def test_a_new_attempt_takes_back_what_it_begins_again(database, lease, claimant):
    recorder = Recorder(database, lease, 30)
    for report in (STARTED, metrics(1), epoch_end(1), metrics(11), Line(text="first")):
        recorder.record(report)
    recorder.flush()
    endings.end(database, lease, "drained")
    again = claim.claim(database, claimant, 30)

    recorder = Recorder(database, again, 30)
    recorder.record(STARTED)
    recorder.record(Line(text="second"))
    recorder.flush()

    assert written(database, lease.job_id) == ([], [], ["first", "second"])
    job = look(database, lease)
    assert (job.resets, job.progress.train_loss, job.test_accuracy, job.progress.epoch) == (
        2,
        None,
        None,
        0,
    )


@pytest.mark.parametrize(
    ("done", "place"),
    [
        ({"epoch": 0, "step": 0}, (0, 0)),
        ({"epoch": 0, "step": 7}, (1, 7)),
        ({"epoch": 1, "step": 10}, (1, 10)),
        ({"epoch": 1, "step": 13}, (2, 3)),
    ],
)
def test_an_attempt_that_has_begun_is_where_it_resumed(database, lease, done, place):
    recorder = Recorder(database, lease, 30)
    recorder.record(reported.started(epochs=2, **done))
    recorder.flush()

    progress = look(database, lease).progress
    assert (progress.epoch, progress.batch) == place


def test_a_resumed_attempt_keeps_what_lies_before_it(database, lease, claimant):
    recorder = Recorder(database, lease, 30)
    for report in (STARTED, metrics(1), epoch_end(1), metrics(11), metrics(12)):
        recorder.record(report)
    recorder.flush()
    endings.end(database, lease, "drained")

    recorder = Recorder(database, claim.claim(database, claimant, 30), 30)
    recorder.record(STARTED.model_copy(update={"epoch": 1, "step": 11}))
    recorder.flush()

    assert written(database, lease.job_id)[:2] == ([1, 11], [1])
    assert look(database, lease).test_accuracy == 0.9


@pytest.mark.parametrize(
    ("epoch", "step", "progress"),
    [
        (0, 0, (0, 0)),
        (0, 7, (1, 7)),  # it resumes within its first epoch
        (1, 10, (1, 10)),  # at the end of an epoch
        (1, 13, (2, 3)),
    ],
)
def test_the_progress_of_a_run_that_resumes_is_where_it_resumes(
    database, lease, claimant, epoch, step, progress
):
    first = Recorder(database, lease, 30)
    for report in (STARTED, metrics(1), epoch_end(1)):
        first.record(report)
    first.flush()
    endings.end(database, lease, "drained")

    recorder = Recorder(database, claim.claim(database, claimant, 30), 30)
    recorder.record(STARTED.model_copy(update={"epoch": epoch, "step": step}))
    recorder.flush()

    now_at = look(database, lease).progress
    assert (now_at.epoch, now_at.batch) == progress


def test_a_flush_tells_what_is_asked_of_the_job(database, lease):
    lifecycle.cancel(database, lease.job_id, LOCAL_OWNER)

    assert Recorder(database, lease, 30).flush() == "cancel"


def test_a_flush_without_news_renews_the_lease(database, lease):
    before = look(database, lease).progress.lease_expires_at

    assert Recorder(database, lease, 300).flush() == "run"

    assert (look(database, lease).progress.lease_expires_at - before).total_seconds() > 200


def test_a_flush_that_fails_keeps_its_reports_for_the_next(database, lease, monkeypatch):
    recorder = Recorder(database, lease, 30)
    recorder.record(Line(text="kept"))
    with monkeypatch.context() as patched:
        patched.setattr(database, "writing", away)
        with pytest.raises(DatabaseUnavailable):
            recorder.flush()
    assert recorder.has_news

    recorder.flush()

    assert written(database, lease.job_id)[2] == ["kept"]
    assert not recorder.has_news


def away():
    raise DatabaseUnavailable("The database does not answer.")


def test_what_piled_up_while_the_database_was_away_is_written_in_one_flush(database, lease):
    recorder = Recorder(database, lease, 30)
    many = 11_000  # more values than one statement of either database takes
    for number in range(many):
        recorder.record(Line(text=str(number)))
        recorder.record(metrics(number + 1))

    recorder.flush()

    with database.reading() as session:
        texts = session.scalars(select(LogLine.text).order_by(LogLine.number)).all()
    assert texts == [str(number) for number in range(many)]
    assert look(database, lease).progress.batch == many


def test_lines_are_numbered_on_over_several_flushes_and_keep_their_level(database, lease):
    recorder = Recorder(database, lease, 30)
    for line in (Line(text="one"), Line(level="error", text="two")):
        recorder.record(line)
        recorder.flush()

    with database.reading() as session:
        lines = session.scalars(select(LogLine).order_by(LogLine.number)).all()
        rows = [(line.attempt, line.number, line.level, line.text) for line in lines]
    assert rows == [(1, 1, "info", "one"), (1, 2, "error", "two")]
    assert abs(lines[1].time - lines[0].time) < timedelta(seconds=60)


@pytest.mark.parametrize(
    "text", ["", "\N{SNOWMAN}" * 3, "a\r\tb", "\x1b[31m", "'; DROP TABLE jobs"]
)
def test_a_line_is_kept_as_it_was_written(database, lease, text):
    recorder = Recorder(database, lease, 30)
    recorder.record(Line(text=text))
    recorder.flush()

    assert written(database, lease.job_id)[2] == [text]


def test_the_attempt_is_told_where_it_runs(database, lease):
    recorder = Recorder(database, lease, 30)
    recorder.record(STARTED)
    recorder.flush()

    with database.reading() as session:
        attempt = session.scalars(select(Attempt)).one()
    assert (attempt.device, attempt.threads) == ("CPU", 2)


def test_a_job_that_ended_takes_no_more_reports(database, lease):
    endings.succeed(database, lease, "a" * 64, [])
    recorder = Recorder(database, lease, 30)
    recorder.record(Line(text="late"))

    with pytest.raises(LeaseLost):
        recorder.flush()

    assert written(database, lease.job_id)[2] == []


def test_an_epochs_row_holds_all_that_was_measured(database, lease):
    recorder = Recorder(database, lease, 30)
    for report in (STARTED, epoch_end(1)):
        recorder.record(report)
    recorder.flush()

    with database.reading() as session:
        [row] = queries.epochs(session, lease.job_id).items
    assert (row.validation_loss, row.validation_accuracy) == (0.45, 0.85)
    assert (row.gradient_norm, row.memory_bytes) == (0.75, 412_000_000)
    job = look(database, lease)
    assert (job.validation_loss, job.validation_accuracy) == (0.45, 0.85)


def test_the_attempt_knows_its_precision_and_that_the_memory_was_too_small(database, lease):
    recorder = Recorder(database, lease, 30)
    for report in (STARTED, Shrunk(micro_batch=32), Shrunk(micro_batch=16)):
        recorder.record(report)
    recorder.flush()

    with database.reading() as session:
        [(attempt, _)] = queries.attempts(session, lease.job_id).items
    assert (attempt.precision, attempt.micro_batch) == ("fp32", 16)


def test_an_evaluation_takes_the_place_of_an_earlier_attempts(database, lease):
    recorder = Recorder(database, lease, 30)
    for content in ({"accuracy": 0.1}, {"accuracy": 0.9}):
        recorder.record(Evaluated(content=content))
        recorder.flush()

    with database.reading() as session:
        assert session.get(Evaluation, lease.job_id).content == {"accuracy": 0.9}


def test_an_attempt_that_begins_takes_back_the_evaluation_of_one_that_did_not_end(database, lease):
    recorder = Recorder(database, lease, 30)
    recorder.record(Evaluated(content={"accuracy": 0.1}))
    recorder.flush()

    recorder.record(STARTED)
    recorder.flush()

    with database.reading() as session:
        assert session.get(Evaluation, lease.job_id) is None


@pytest.mark.parametrize(
    ("began", "threads"),
    [
        ({"device_kind": "cpu", "threads": 2, "shards": None}, 2),
        ({"device_kind": "cpu", "threads": 2, "shards": 4}, None),
        ({"device_kind": "cpu", "threads": 2, "shards": 1}, None),
        ({"device_kind": "cuda", "threads": 2, "shards": None}, None),
    ],
)
def test_only_a_run_without_shards_is_bound_to_its_threads(database, lease, began, threads):
    recorder = Recorder(database, lease, 30)
    recorder.record(reported.started(**began))
    recorder.secure(SnapshotRef(1, 10, Blob("a" * 64, 5)))

    recorder.flush()

    assert look(database, lease).pinned_threads == threads


def resources(database, job_id):
    with database.reading() as session:
        return [(row.number, row.step) for row in queries.resources(session, job_id).items]


def test_a_resource_sample_is_written_once_though_the_answer_to_the_write_was_lost(database, lease):
    recorder = Recorder(database, lease, 30)
    recorder.record(STARTED)
    recorder.record(ResourceSample(step=1, cpu_cores=0.5))
    lose_the_answer_to_the_next_commit(database)
    with pytest.raises(DatabaseUnavailable):
        recorder.flush()
    recorder.record(ResourceSample(step=2))
    recorder.flush()
    recorder.record(ResourceSample(step=3))
    recorder.flush()

    assert resources(database, lease.job_id) == [(1, 1), (2, 2), (3, 3)]


def test_what_was_read_after_the_step_that_a_run_resumes_from_is_taken_back(database, lease):
    recorder = Recorder(database, lease, 30)
    recorder.record(STARTED)
    for step in (5, 10, 15):
        recorder.record(ResourceSample(step=step))
    recorder.flush()
    recorder.record(reported.started(epochs=2, epoch=1, step=10))
    recorder.flush()

    assert resources(database, lease.job_id) == [(1, 5), (2, 10)]
