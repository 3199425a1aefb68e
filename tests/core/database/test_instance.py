"""The name of a database: one for all who use it, and another for every other database."""

from __future__ import annotations

from core.database import engine
from core.database.engine import Database
from core.database.instance import instance_of
from tests.conftest import sqlite_address


def name_of(database: Database) -> str:
    with database.reading() as session:
        return instance_of(session)


def test_all_who_use_a_database_know_it_by_one_name(database, database_address):
    with Database(database_address) as other:
        assert name_of(other) == name_of(database)
    with database.writing() as session:
        assert instance_of(session) == name_of(database)


def test_a_database_that_is_made_again_has_another_name(tmp_path):
    names = set()
    for number in range(3):
        folder = tmp_path / str(number)
        engine.upgrade(sqlite_address(folder))
        with Database(sqlite_address(folder)) as made:
            names.add(name_of(made))
    assert len(names) == 3
