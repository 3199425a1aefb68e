"""Databases that one schedule after the other runs in, and other tests after them."""

from __future__ import annotations

from core.database.instance import instance_of
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from tests.simulation.rows import Reader, empty
from tests.simulation.trainer import spec


def test_a_database_that_was_emptied_keeps_its_name_and_counts_from_one_again(database):
    with database.reading() as session:
        name = instance_of(session)
    lifecycle.submit(database, LOCAL_OWNER, name="a", spec=spec(1, 1))

    empty(database)

    assert Reader(database).jobs() == []
    assert lifecycle.submit(database, LOCAL_OWNER, name="b", spec=spec(1, 1)).id == 1
    database.engine.dispose()
    with database.reading() as session:
        assert instance_of(session) == name
