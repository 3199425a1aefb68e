"""When the reports of a job are written: at once after a pause, else together."""

import pytest

from core.errors import DatabaseUnavailable
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import Requirements
from core.jobs.lease import Lease
from core.protocol.reports import Line, StepMetrics
from tests import reported
from worker.supervisor import writing
from worker.supervisor.writing import ReportWriter


class FakeRecorder:
    """Keeps what each flush would have written."""

    flush_cost = 5

    def __init__(self):
        self.waiting, self.flushes = [], []

    @property
    def has_news(self):
        return bool(self.waiting)

    def record(self, report):
        self.waiting.append(report)

    def flush(self):
        self.flushes.append(self.waiting)
        self.waiting = []
        return "run"


class FakeWakeups:
    def announce(self, topic, job_id):
        pass


@pytest.fixture
def clock(clock, monkeypatch):
    monkeypatch.setattr(writing, "time", clock)
    return clock


@pytest.fixture
def recorder():
    return FakeRecorder()


@pytest.fixture
def writer(recorder, clock):
    lease = Lease(1, 1, "token", LOCAL_OWNER, {}, Requirements("cpu", 1))
    return ReportWriter(recorder, lease, FakeWakeups(), 20.0)


def first_batch():
    return StepMetrics(
        step=1, epoch=1, batch=1, train_loss=2.3, learning_rate=0.1, images_per_s=100, eta_s=1
    )


def test_the_first_write_waits_for_the_first_batch(writer, recorder, clock):
    writer.log("Claimed.")
    writer.postpone()
    clock.now += 0.03
    writer.record(reported.started())
    writer.record(Line(text="Training on CPU."))
    writer.write_if_due()
    assert not recorder.flushes

    clock.now += 0.01
    writer.record(first_batch())
    writer.write_if_due()

    [written] = recorder.flushes
    assert len(written) == 4


def test_that_training_began_is_written_with_the_first_batch_whatever_came_before(
    writer, recorder, clock
):
    writer.log("Fetching a dataset.")
    writer.write_if_due()

    clock.now += 0.3
    writer.record(reported.started())
    writer.write_if_due()
    clock.now += 0.01
    writer.record(first_batch())
    writer.write_if_due()

    assert [len(written) for written in recorder.flushes] == [1, 2]


def test_a_first_batch_that_takes_long_is_not_waited_for(writer, recorder, clock):
    writer.log("Claimed.")
    writer.postpone()

    clock.now += writing.FIRST_WRITE_AFTER_S
    writer.write_if_due()

    assert len(recorder.flushes) == 1


def test_after_a_write_the_database_is_left_alone_for_as_long_as_it_cost(writer, recorder, clock):
    writer.postpone()
    writer.record(first_batch())
    writer.write_if_due()

    writer.record(first_batch())
    writer.write_if_due()
    assert len(recorder.flushes) == 1

    clock.now += recorder.flush_cost / writing.STATEMENTS_PER_S
    writer.write_if_due()
    assert len(recorder.flushes) == 2


def test_without_news_only_the_lease_is_renewed(writer, recorder, clock):
    clock.now += writer.renew_every_s

    writer.write_if_due()

    assert recorder.flushes == [[]]


def away():
    raise DatabaseUnavailable("The database does not answer.")


def test_a_worker_that_is_to_stop_leaves_a_job_whose_end_cannot_be_written(
    writer, clock, monkeypatch
):
    is_draining = []

    def sleep(seconds):
        clock.now += seconds
        if clock.now > 3600:
            is_draining.append(True)

    monkeypatch.setattr(clock, "sleep", sleep, raising=False)
    monkeypatch.setattr(writer, "_is_draining", lambda: bool(is_draining))

    with pytest.raises(DatabaseUnavailable):
        writer.insist(away)

    assert 3600 < clock.now <= 3600 + writing.DRAIN_PATIENCE_S + 2 * writing.RETRY_AFTER_S
