"""A run that begins with the weights of another, under supervision, by a real trainer."""

from __future__ import annotations

import pytest

from core import queries
from core.database.models import InitialWeights
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec.presets import resolve
from core.storage.blobs import Blob
from tests.worker.conftest import QUICK_DIGITS
from worker import claiming

pytestmark = pytest.mark.one_kind


@pytest.fixture
def source(context, submit):
    """A run that has trained and published its weights."""
    job = submit()
    claiming.run_next(context)
    return job


@pytest.fixture
def continued(database, source):
    """Queues a run that begins where the source ended, and learns next to nothing."""

    def queue(**changes):
        spec = resolve("quick", QUICK_DIGITS | {"optimizer": {"learning_rate": 1e-9}} | changes)
        return lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec, weights_from=source.id)

    return queue


def look(database, job):
    with database.reading() as session:
        return queries.job(session, job.id)[0]


def log_of(database, job):
    with database.reading() as session:
        return [line.text for line in queries.logs(session, job.id, 1000).items]


def test_it_is_as_good_as_that_from_its_first_epoch_on(context, database, source, continued):
    job = continued()

    claiming.run_next(context)

    first, ended = look(database, source), look(database, job)
    assert ended.state == "succeeded", ended.error_message
    assert ended.test_accuracy == pytest.approx(first.test_accuracy, abs=0.005)
    assert f"It begins with the weights of run {source.id}, epoch 2." in log_of(database, job)


def test_two_such_runs_end_with_the_same_weights_and_their_cards_say_what_they_began_with(
    context, database, continued
):
    jobs = [continued(optimizer={"learning_rate": 0.01}) for _ in range(2)]
    for _ in jobs:
        claiming.run_next(context)

    digests = {look(database, job).weights_sha256 for job in jobs}
    assert len(digests) == 1
    with database.reading() as session:
        begun = session.get_one(InitialWeights, jobs[0].id)
        cards = [
            file
            for file in queries.artifacts(session, jobs[0].id, 100).items
            if file.format == "card.md"
        ]
    with context.storage.open(Blob(cards[0].sha256, cards[0].size)) as card:
        assert begun.sha256 in card.read().decode()


def test_where_the_weights_are_gone_it_fails_and_says_so(context, database, source, continued):
    job = continued()
    with database.reading() as session:
        row = session.get_one(InitialWeights, job.id)
        context.storage.delete(Blob(row.sha256, row.size))

    claiming.run_next(context)

    ended = look(database, job)
    assert (ended.state, ended.error_kind) == ("failed", "weights_gone")
    assert f"The weights of run {source.id}" in ended.error_message.text
