"""Small curves of many runs, in one question and with a bound on what is read."""

from __future__ import annotations

import pytest

from core.metrics import thumbnails
from core.metrics.samples import Samples
from core.metrics.writer import MetricWriter
from tests.core.many import plans
from tests.core.test_lists import submit


def write(database, job_id, count):
    """Samples whose loss is their number."""
    writer = MetricWriter(job_id, 1)
    samples = Samples()
    for number in range(1, count + 1):
        samples.add(number, 1, number, float(number), 0.1, 1.0)
    with database.writing() as session:
        writer.write(session, samples)


def curves(database, job_ids, points=32):
    with database.reading() as session:
        return thumbnails.train_losses(session, job_ids, points)


@pytest.mark.parametrize("count", [1, 5, 31, 512, 513, 3000, 20_000])
def test_a_curve_rises_from_its_first_to_its_last_sample(database, count):
    job_id = submit(database)
    write(database, job_id, count)

    found = curves(database, [job_id])[job_id]

    assert 1 <= len(found) <= 32
    assert list(found) == sorted(found)
    assert found[0] <= max(1, count / 16)
    assert found[-1] >= count * 0.9 - 64


def test_the_curves_of_a_page_are_one_question(database):
    jobs = [submit(database) for _ in range(4)]
    for job_id, count in zip(jobs, (10, 700, 0, 20_000), strict=True):
        if count:
            write(database, job_id, count)

    asked = plans(database, lambda: curves(database, jobs), "metric_segments")

    assert len(asked) == 1
    assert set(curves(database, jobs)) == {jobs[0], jobs[1], jobs[3]}
    assert curves(database, []) == {}
