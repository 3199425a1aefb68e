"""A run as the coach is given it, from either kind of database."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from core import coach, queries
from core.database.models import Job
from core.errors import NotFound
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.recorder import Recorder
from core.protocol.reports import StepMetrics
from core.spec.presets import resolve
from tests.reported import epoch_end, evaluated, started


@pytest.fixture
def trained(database, claimant):
    """Writes down a run of three epochs with an accuracy, and gives its number."""

    def train(accuracy: float, **changes) -> int:
        spec = resolve("digits_seconds", changes)
        job = lifecycle.submit(database, LOCAL_OWNER, name="a run", spec=spec)
        lease = claim.claim(database, claimant, 30)
        assert lease is not None
        recorder = Recorder(database, lease, 30)
        recorder.record(started(epochs=3))
        for number in (1, 2, 3):
            recorder.record(
                StepMetrics(
                    step=10 * number,
                    epoch=number,
                    batch=10,
                    train_loss=1 / number,
                    learning_rate=0.01,
                    images_per_s=9.0,
                    eta_s=1.0,
                )
            )
            recorder.record(epoch_end(epoch=number, step=10 * number, train_loss=1 / number))
        content = evaluated().content | {"count": 360, "accuracy": accuracy}
        recorder.record(evaluated().model_copy(update={"content": content}))
        recorder.flush()
        endings.succeed(database, lease, "9f" * 32, [])
        return job.id

    return train


def coached(database, job_id, seen_by=None):
    with database.reading() as session:
        return queries.coached(session, job_id, seen_by)


def test_the_coach_is_given_the_curves_of_a_run(database, trained):
    run = coached(database, trained(0.9))

    assert list(run.epochs.epoch) == [1, 2, 3]
    assert list(run.epochs.train_loss) == [1, 1 / 2, 1 / 3]
    assert list(run.epochs.validation_loss) == [None] * 3
    assert list(run.samples.step) == [10, 20, 30]
    assert run.batches == 10
    assert run.is_over


def test_it_is_given_the_earlier_run_that_is_most_alike(database, trained):
    trained(0.9, batch_size=32, epochs=9)
    alike = trained(0.95, batch_size=32)
    trained(0.95, batch_size=32, epochs=9, seed=1, dataset="mnist")
    run = coached(database, trained(0.955))

    assert [each.job_id for each in run.siblings] == [alike]
    assert [given.rule for given in coach.advise(run)] == ["noise"]


def test_it_is_given_how_many_other_seeds_were_trained(database, trained):
    first = trained(0.955)
    for seed in (1, 1, 2):
        trained(0.95, seed=seed)
    trained(0.95, seed=3, batch_size=32)

    assert coached(database, first).repeats == 2


def test_private_runs_of_others_are_not_there_for_whoever_is_advised(database, trained):
    seen = trained(0.955)
    hidden = [trained(0.95, seed=seed) for seed in (1, 2)]
    with database.writing() as session:
        session.execute(update(Job).where(Job.id.in_(hidden)).values(is_private=True))
    last = trained(0.951, batch_size=32)

    of_all = coached(database, last)
    of_eve = coached(database, last, seen_by="eve")

    assert {each.job_id for each in of_all.earlier} == {seen, *hidden}
    assert {each.job_id for each in of_eve.earlier} == {seen}
    assert [each.job_id for each in of_eve.siblings] == [seen]
    assert coached(database, seen, seen_by="eve").repeats == 0


def test_it_is_given_the_rates_of_earlier_runs_and_how_well_they_did(database, trained):
    good = trained(0.95)
    fast = trained(0.2, optimizer={"learning_rate": 10.0})

    run = coached(database, fast)

    assert [(each.job_id, each.rate) for each in run.earlier] == [
        (good, run.earlier[0].spec["optimizer"]["learning_rate"])
    ]
    [given] = coach.advise(run)
    assert (given.rule, given.changes) == (
        "better_rate",
        {"optimizer.learning_rate": run.earlier[0].rate},
    )


def test_a_run_that_has_not_begun_has_no_curves(database):
    job = lifecycle.submit(database, LOCAL_OWNER, name="a run", spec=resolve("quick", {}))

    run = coached(database, job.id)

    assert len(run.epochs) == 0
    assert coach.advise(run) == []


def test_a_run_that_is_not_there_is_not_found(database):
    with pytest.raises(NotFound):
        coached(database, 99)
