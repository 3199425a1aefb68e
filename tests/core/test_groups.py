"""Runs that differ by their seeds, as groups of a list: in what order, and on which page."""

import sys

import pytest
from sqlalchemy import update

from core import queries
from core.database.clock import now
from core.database.models import Job
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.queries import Selection
from core.queries.groups import mean_of
from core.spec import presets


def submit(database, group, seed, accuracy=None, state="succeeded"):
    """A run of a group, which differs from others by its batch size."""
    spec = presets.resolve("quick", {"batch_size": 32 + group, "seed": seed})
    job = lifecycle.submit(database, LOCAL_OWNER, name=f"{group} (seed {seed})", spec=spec)
    values = {"test_accuracy": accuracy}
    if accuracy is not None:
        values |= {"state": state, "finished_at": now()}
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(values))
    return job.id


@pytest.fixture
def three(database):
    """Groups: that of the best run has not the best mean, and of one no run ended well."""
    accuracies = {1: (0.99, 0.5), 2: (0.9, 0.8), 3: (0.95, 0.95)}
    for group, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            submit(database, group, seed, accuracy, "failed" if group == 3 else "succeeded")
    submit(database, 4, 0)


def found(database, limit=50, **chosen):
    """The groups of every page: the batch sizes, and of each page the cursor of the one before."""
    seen, before, cursor = [], [], ""
    while cursor is not None:
        with database.reading() as session:
            page = queries.groups(session, Selection(**chosen), limit, cursor)
        assert len(page.items) <= limit
        seen += [group[0][0].spec["batch_size"] - 32 for group in page.items]
        before.append(page.before)
        cursor = page.next
    return seen, before


def test_groups_are_in_the_order_of_the_means_that_are_shown(database, three):
    assert found(database, sort="-test_accuracy")[0] == [2, 1, 3]
    assert found(database, sort="test_accuracy")[0] == [1, 2, 3]
    assert found(database)[0] == [4, 3, 2, 1]
    assert found(database, sort="created")[0] == [1, 2, 3, 4]
    assert found(database, sort="-name", text="2")[0] == [2]
    assert found(database, sort="state")[0] == [4, 2, 1, 3]


def test_each_group_is_on_one_page_and_the_page_before_is_known(database, three):
    seen, before = found(database, 1)
    assert (seen, before) == ([4, 3, 2, 1], [None, "", "o1", "o2"])


def test_in_a_longer_list_the_groups_of_a_page_are_in_the_order_of_their_means(
    database, three, monkeypatch
):
    monkeypatch.setattr(sys.modules["core.queries.groups"], "MOST_ORDERED", 3)

    assert found(database, sort="-test_accuracy")[0] == [2, 1, 3]
    assert sorted(found(database, 1, sort="-test_accuracy")[0]) == [1, 2, 3]
    assert found(database, 3)[0] == [4, 3, 2, 1]
    with database.reading() as session:
        assert queries.groups(session, Selection(), 2, "o7").count is None


def test_the_mean_is_of_the_runs_that_ended_well_one_for_each_seed():
    assert mean_of([(1, 0.5, False)]) == 0.5
    assert mean_of([(1, 0.9, True), (1, 0.1, True), (2, 0.7, True), (3, 0.1, False)]) == 0.8
    assert mean_of([(1, 0.9, False), (2, None, True)]) is None
