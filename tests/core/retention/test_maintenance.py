"""The housekeeping: all of it in time, by one process at a time, and none stops another."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.models import Duty, Job, UnnamedBlob
from core.errors import Unavailable
from core.jobs import deletion
from core.jobs.actors import LOCAL_OWNER
from core.retention import cleaning, duties
from core.retention.maintenance import maintain
from core.retention.policy import Policy, of
from core.settings import Settings
from core.storage.folder import Folder
from tests.core.jobs.conftest import submit

MILD = Policy(keep_tag="keep", unnamed_s=0.0)


def make_due(database):
    with database.writing() as session:
        session.execute(update(Duty).values(due_at=now()))
        session.execute(update(UnnamedBlob).values(due_at=now()))


def run(database, storage, policy=MILD):
    while maintain(database, storage, policy):
        pass


@pytest.fixture
def stray(storage, tmp_path):
    (tmp_path / "file").write_text("nobody names it")
    return storage.put(tmp_path / "file")


def test_deleted_runs_and_stray_blobs_go(database, storage, stray):
    job_id = submit(database).id
    deletion.delete(database, job_id, LOCAL_OWNER, 0.0)

    run(database, storage)
    make_due(database)
    run(database, storage)

    assert list(storage.files()) == []
    with database.reading() as session:
        assert session.scalars(select(Job)).all() == []


def test_the_defaults_remove_nothing_of_a_run():
    policy = of(Settings())

    assert (policy.snapshots_s, policy.artifacts_s, policy.logs_s) == (None, None, None)
    assert policy.keep_tag == "keep"


def test_a_store_that_is_away_stops_nothing_else(database, storage, stray):
    job_id = submit(database).id
    deletion.delete(database, job_id, LOCAL_OWNER, 0.0)

    class Away(Folder):
        def files(self, after=""):
            raise Unavailable("the store is away")

    with pytest.raises(Unavailable):
        run(database, Away(storage.folder))

    with database.reading() as session:
        assert session.scalars(select(Job)).all() == []
    make_due(database)
    run(database, storage)
    make_due(database)
    run(database, storage)
    assert list(storage.files()) == []


def test_a_duty_is_one_processs_until_it_gives_it_back(database):
    assert duties.take(database, "walk") == ""
    assert duties.take(database, "walk") is None
    assert duties.take(database, "clean") == ""

    duties.give_back(database, "walk", "abc", 0.0)
    assert duties.take(database, "walk") == "abc"
    duties.give_back(database, "walk", "", 60.0)
    assert duties.take(database, "walk") is None


def test_the_duty_of_a_process_that_was_killed_is_taken_by_another(database, monkeypatch):
    monkeypatch.setattr(duties, "TAKEN_FOR_S", 0.0)
    duties.take(database, "walk")

    assert duties.take(database, "walk") == ""


def test_a_walk_through_many_runs_continues_where_it_was(database, storage, monkeypatch):
    monkeypatch.setattr(cleaning, "RUNS_AT_ONCE", 2)
    for _ in range(5):
        submit(database)

    assert maintain(database, storage, Policy(logs_s=1.0))
    with database.reading() as session:
        assert session.get(Duty, "clean").position == "2"
    run(database, storage, Policy(logs_s=1.0))
    with database.reading() as session:
        assert session.get(Duty, "clean").position == ""
