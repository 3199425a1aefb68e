"""What is recorded of a run is what is read of it, at every level, whatever happens in between.

A plain list stands beside the tables: random flushes, new attempts and commits whose answers are
lost change both, and both must agree.
"""

import random

import pytest
from sqlalchemy import func, select

from core import queries
from core.database.models import MetricBuckets, MetricSegment
from core.errors import DatabaseUnavailable, LeaseLost
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.recorder import Recorder
from core.metrics import curves
from core.metrics.buckets import SIZES, Buckets, groups
from core.metrics.samples import NAMES, VALUES, Samples
from core.metrics.writer import GROWING, SEGMENT
from core.protocol.reports import StepMetrics, StepMetricsBatch
from core.spec import presets
from tests import reported
from tests.core.conftest import lose_the_answer_to_the_next_commit

SOME = (1, 1, 1, 2, 3, 30, 63, 64, 65, 500, 1023, 1024, 3000)
MANY = 20_000
SPIKE = 1e6


class Run:
    """A run, and the plain samples that it has reported."""

    def __init__(self, database, claimant, seed):
        self.database = database
        self.claimant = claimant
        self.random = random.Random(seed)
        self.samples = Samples()
        self.attempts = []
        lifecycle.submit(database, LOCAL_OWNER, name="job", spec=presets.resolve("quick", {}))
        self.begin(0)

    @property
    def job_id(self):
        return self.lease.job_id

    @property
    def newest(self):
        return self.samples.step[-1] if self.samples else 0

    def begin(self, step):
        """A new attempt, after some step of the one before."""
        self.lease = claim.claim(self.database, self.claimant, 600)
        self.recorder = Recorder(self.database, self.lease, 600)
        self.recorder.record(reported.started(step=step))
        self.began_at = step
        kept = self.samples.count_until(step)
        self.samples, self.attempts = self.samples[:kept], self.attempts[:kept]

    def resume(self):
        endings.end(self.database, self.lease, "drained")
        self.begin(
            self.random.choice([0, self.newest, *self.random.choices(range(self.newest + 1), k=3)])
        )

    def report(self, count):
        """Record so many samples, one by one or in batches."""
        made, step = Samples(), max(self.newest, self.began_at)
        for _ in range(count):
            step += self.random.choice((1, 1, 1, 7))
            numbers = self.random.random(), 0.1, 1e4 * self.random.random()
            made.add(step, step // 50 + 1, step % 50, *numbers)
        if not count:
            return
        if count > 70 or self.random.random() < 0.5:
            columns = {name: made.column(name).tolist() for name in NAMES}
            self.recorder.record(StepMetricsBatch(**columns, eta_s=1))
        else:
            for row in made.rows(0):
                values = {name: getattr(row, name) for name in NAMES}
                self.recorder.record(StepMetrics(**values, eta_s=1))
        self.samples = self.samples + made
        self.attempts += [self.lease.attempt] * count

    def flush(self, *, answer_is_lost=False):
        if answer_is_lost:
            lose_the_answer_to_the_next_commit(self.database)
            with pytest.raises(DatabaseUnavailable):
                self.recorder.flush()
            self.report(self.random.choice((0, 1, 100)))
        self.recorder.flush()

    def check(self):
        """Compare the tables with the plain samples."""
        count = len(self.samples)
        with self.database.reading() as session:
            assert curves.samples(session, self.job_id, 0, count + 9) == self.samples
            rows = curves.after(session, self.job_id, 0, count + 9)
            assert [row.attempt for row in rows] == self.attempts
            expected = Buckets.of(self.samples)
            for smaller, size in zip((1, *SIZES), SIZES, strict=False):
                expected = expected.merged(groups(len(expected), size // smaller))
                expected = expected[: count // size]
                assert self.stored(session, size) == expected

    def stored(self, session, size):
        of_size = MetricBuckets.job_id == self.job_id, MetricBuckets.size == size
        rows = select(MetricBuckets.data).where(*of_size).order_by(MetricBuckets.start)
        return sum(map(Buckets.unpack, session.scalars(rows)), Buckets.none())


@pytest.fixture
def run(database, claimant):
    return Run(database, claimant, 0)


@pytest.mark.parametrize("seed", range(6))
def test_tables_and_plain_samples_agree_whatever_happens(database, claimant, seed):
    run = Run(database, claimant, seed)
    for number in range(30):
        if run.random.random() < 0.15:
            run.resume()
        run.report(MANY if run.random.random() < 0.02 else run.random.choice(SOME))
        run.flush(answer_is_lost=run.random.random() < 0.2)
        if number % 6 == 5:
            run.check()
    for _ in range(5):
        compare_a_part_of_the_curve(run)


def compare_a_part_of_the_curve(run):
    first = run.random.randint(1, run.newest)
    last = run.random.randint(first, run.newest)
    points = run.random.choice((1, 2, 50, 400))
    part = run.samples[run.samples.count_until(first - 1) : run.samples.count_until(last)]
    with run.database.reading() as session:
        curve = curves.curve(session, run.job_id, points, first, last)
    assert len(curve) <= points
    assert sum(curve.count) == len(part)
    end = 0
    for number, count in enumerate(curve.count):
        start, end = end, end + count
        assert curve.step[number] == part.step[end - 1]
        for value in VALUES:
            column = part.column(value)[start:end]
            assert curve.column(value, "min")[number] == min(column)
            assert curve.column(value, "max")[number] == max(column)
            assert curve.column(value, "last")[number] == column[-1]
            mean = sum(column) / count
            assert curve.column(value, "mean")[number] == pytest.approx(mean)


def test_a_long_run_takes_few_rows(run):
    for _ in range(40):
        run.report(100)
        run.flush()

    with run.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(MetricSegment)) <= 4 + SEGMENT // 100
        assert session.scalar(select(func.count()).select_from(MetricBuckets)) == 2


def test_the_newest_segment_grows_with_small_flushes(run):
    for _ in range(GROWING):
        run.report(1)
        run.flush()

    with run.database.reading() as session:
        assert session.scalars(select(MetricSegment.count)).all() == [GROWING]
    run.check()


def test_a_flush_of_a_running_job_reads_nothing_and_changes_one_row(run):
    run.report(3)
    run.flush()
    run.report(1)
    run.flush()

    assert run.recorder.flush_cost == 3 + 1


def test_a_stale_lease_writes_no_sample_and_no_bucket(run):
    run.report(100)
    run.flush()
    stale = run.recorder
    endings.end(run.database, run.lease, "drained")
    claim.claim(run.database, run.claimant, 600)
    columns = {name: [9999] * 64 for name in NAMES}
    stale.record(StepMetricsBatch(**columns | {"step": list(range(1000, 1064))}, eta_s=1))

    with pytest.raises(LeaseLost):
        stale.flush()

    run.check()


@pytest.mark.parametrize("place", [1, 777, 16_383, 16_384, 25_000])
def test_a_spike_is_in_every_curve_however_few_its_points(database, claimant, place):
    run = Run(database, claimant, 1)
    run.report(place)
    run.recorder.record(
        StepMetrics(
            step=run.newest + 1,
            epoch=1,
            batch=1,
            train_loss=SPIKE,
            learning_rate=0.1,
            images_per_s=1,
            eta_s=1,
        )
    )
    spike = run.newest + 1
    run.samples.add(spike, 1, 1, SPIKE, 0.1, 1)
    run.report(40_000 - place)
    run.flush()

    for points in (1, 7, 400, 2000):
        for first, last in ((None, None), (spike - 5, None), (spike, spike + 20_000)):
            extent = queries.Extent(points, first, last)
            with database.reading() as session:
                curve = queries.metrics_curve(session, run.job_id, extent)
            assert max(curve.values["train_loss"]["max"]) == SPIKE


def test_a_run_without_samples_has_an_empty_curve(run):
    with run.database.reading() as session:
        curve = queries.metrics_curve(session, run.job_id, queries.Extent(10))
        epochs = queries.epochs_curve(session, run.job_id, queries.Extent(10))

    assert (list(curve.at), list(epochs.at)) == ([], [])
    assert list(curve.values["train_loss"]["mean"]) == []
    assert list(epochs.values["test_loss"]["mean"]) == []


def test_the_mean_of_whole_numbers_is_a_number_like_any_other(run):
    for epoch, size in ((1, 400_000_000), (2, 400_000_001)):
        run.recorder.record(
            reported.epoch_end(epoch=epoch, step=10 * epoch, memory_bytes=size, seconds=2.0)
        )
    run.flush()

    with run.database.reading() as session:
        curve = queries.epochs_curve(session, run.job_id, queries.Extent(1))

    means = {value: found["mean"][0] for value, found in curve.values.items()}
    assert (means["memory_bytes"], means["seconds"]) == (400_000_000.5, 2.0)
    # PostgreSQL has the mean of whole numbers as a decimal, which no float is multiplied by
    assert {type(mean) for mean in means.values()} <= {float, type(None)}


@pytest.mark.parametrize("points", [1, 3, 7, 50])
def test_epochs_are_summed_up_too(run, points):
    for epoch in range(1, 8):
        run.recorder.record(
            reported.epoch_end(epoch=epoch, step=10 * epoch, test_loss=0.1 * (epoch % 3))
        )
    run.flush()

    with run.database.reading() as session:
        curve = queries.epochs_curve(session, run.job_id, queries.Extent(points), ["test_loss"])
        part = queries.epochs_curve(session, run.job_id, queries.Extent(points, 2, 4))

    assert len(curve.at) <= points
    assert (curve.at[-1], sum(curve.count)) == (7, 7)
    assert max(curve.values["test_loss"]["max"]) == 0.2
    assert min(curve.values["test_loss"]["min"]) == 0
    assert curve.values["test_loss"]["last"][-1] == 0.1
    assert part.at[-1] == 4
    assert sum(part.count) == 3
    assert set(part.values["validation_loss"]["mean"]) == {None}
