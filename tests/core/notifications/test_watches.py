"""Runs that wait for long and metrics that pass a bound are told of once."""

import pytest
from sqlalchemy import update

from core.database.clock import now
from core.database.models import Epoch, Job, NotificationSettings
from core.jobs import endings
from core.messages import plain
from core.notifications import choices, notices, watches
from core.notifications.choices import Choices
from tests.core.jobs.conftest import claim, submit
from tests.core.many import costly, learn, multiply, plans
from tests.core.notifications.conftest import OWNER, deliveries


def waited(database, minutes):
    with database.writing() as session:
        session.execute(update(Job).values(available_at=now(-60 * minutes)))


@pytest.fixture
def waiting(database):
    """An owner who wants to know what waits for more than half an hour."""
    choices.choose(database, OWNER, Choices({"waited": ["browser"]}))
    watches.look(database)
    with database.writing() as session:
        session.execute(update(NotificationSettings).values(waited_until=now(-7200)))


def test_a_run_that_waits_for_long_is_told_of_once(database, waiting):
    submit(database)
    watches.look(database)
    assert deliveries(database) == []

    with database.writing() as session:
        session.execute(update(NotificationSettings).values(waited_until=now(-7200)))
    waited(database, 31)
    watches.look(database)
    with database.writing() as session:
        session.execute(update(NotificationSettings).values(waited_until=now(-7200)))
    watches.look(database)

    [delivery] = deliveries(database)
    assert notices.sentence(delivery.payload).text == (
        "job has waited in the queue for more than 30 minutes."
    )


def test_what_waits_is_found_by_the_moment_since_when(database, waiting):
    submit(database)
    multiply(database, 3000)
    learn(database)

    for plan in plans(database, lambda: watches.look(database)):
        # the few that are told of are put in their order
        assert not [step for step in costly(plan) if not step.lower().startswith(("sort", "use"))]


def measured(database, lease, accuracy):
    with database.writing() as session:
        session.add(
            Epoch(
                job_id=lease.job_id,
                epoch=1,
                attempt=1,
                train_loss=1.0,
                test_loss=1.0,
                test_accuracy=accuracy,
                learning_rate=0.1,
                seconds=1.0,
                images_per_s=1.0,
            )
        )


@pytest.mark.parametrize(
    ("accuracy", "is_above", "is_told"),
    [(0.96, True, True), (0.9, True, False), (0.9, False, True), (0.96, False, False)],
)
def test_a_metric_that_passes_its_bound_is_told_of_once(
    database, claimant, accuracy, is_above, is_told
):
    choices.choose(database, OWNER, Choices({"measured": ["browser"]}, is_above=is_above))
    submit(database)
    lease = claim(database, claimant)
    watches.look(database)
    assert deliveries(database) == []

    measured(database, lease, accuracy)
    watches.look(database)
    watches.look(database)
    endings.end(database, lease, "failed", endings.Failure("error", plain("x")))

    found = [each.payload["data"]["value"] for each in deliveries(database)]
    assert found == ([accuracy] if is_told else [])


def test_a_run_that_ends_between_two_looks_is_told_of_too(database, claimant):
    choices.choose(database, OWNER, Choices({"measured": ["browser"]}))
    submit(database)
    lease = claim(database, claimant)
    measured(database, lease, 0.97)

    endings.end(database, lease, "failed", endings.Failure("error", plain("x")))

    assert [each.topic for each in deliveries(database)] == ["measured"]
