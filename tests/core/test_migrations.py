"""The migrations and the models describe the same tables, on both databases."""

import alembic.command

from core import database


def test_the_migrations_lead_to_the_tables_of_the_models(empty_database_address):
    database.upgrade(empty_database_address)

    alembic.command.check(database.alembic_config(empty_database_address))  # raises on a difference


def test_upgrading_twice_changes_nothing(database_address):
    database.upgrade(database_address)


def test_the_migrations_can_be_taken_back(database_address):
    alembic.command.downgrade(database.alembic_config(database_address), "base")

    database.upgrade(database_address)
