"""The migrations and the models describe the same tables, on both databases."""

import alembic.command
from sqlalchemy import MetaData, text

from core.database import engine
from core.database.engine import Database


def columns(address):
    """The columns of every table, as the database describes them."""
    found = MetaData()
    with Database(address) as tables:
        found.reflect(tables.engine)
    return {
        name: [(column.name, str(column.type), column.nullable) for column in table.columns]
        for name, table in found.tables.items()
    }


def test_the_migrations_lead_to_the_tables_of_the_models(empty_database_address):
    engine.upgrade(empty_database_address)

    alembic.command.check(engine.alembic_config(empty_database_address))  # raises on a difference


def test_upgrading_twice_changes_nothing(empty_database_address):
    engine.upgrade(empty_database_address)
    before = columns(empty_database_address)

    engine.upgrade(empty_database_address)

    assert columns(empty_database_address) == before


def test_the_migrations_can_be_taken_back(empty_database_address):
    engine.upgrade(empty_database_address)
    before = columns(empty_database_address)

    alembic.command.downgrade(engine.alembic_config(empty_database_address), "base")

    assert set(columns(empty_database_address)) == {"alembic_version"}
    engine.upgrade(empty_database_address)
    assert columns(empty_database_address) == before


def test_an_upgrade_keeps_what_the_tables_hold(empty_database_address):
    engine.upgrade(empty_database_address, "0001")
    job = {
        **dict.fromkeys(("name", "queue", "device"), "x"),
        **dict.fromkeys(("created_at", "available_at", "rung_at"), "2026-01-01 00:00:00+00:00"),
        **dict.fromkeys(("priority", "revision", "resets", "crashes", "losses"), 0),
        **dict.fromkeys(("epoch", "epochs", "batch", "batches"), 0),
        "id": 1,
        "state": "queued",
        "desired": "run",
        "attempt": 1,
        "spec": "{}",
    }
    worker = "(1, 'w', 1, '0', '[]', '[]', 1, '2026-01-01', '2026-01-01', NULL)"
    with Database(empty_database_address) as tables, tables.writing() as session:
        session.execute(text(f"INSERT INTO workers VALUES {worker}"))
        values = ", ".join(f":{name}" for name in job)
        session.execute(text(f"INSERT INTO jobs ({', '.join(job)}) VALUES ({values})"), job)
        session.execute(
            text(
                "INSERT INTO attempts (job_id, number, worker_id, started_at, finished_at, outcome)"
                " VALUES (1, 1, 1, '2026-01-01', '2026-01-01', 'drained')"
            )
        )

    engine.upgrade(empty_database_address)

    with Database(empty_database_address) as tables, tables.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM attempts")) == 1
        assert session.execute(text("SELECT state, secured_step FROM jobs")).one() == ("queued", 0)
