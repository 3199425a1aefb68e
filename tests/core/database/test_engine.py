"""The database: all or nothing, one clock, and sentences where it is not as it should be."""

import datetime as dt
from types import SimpleNamespace

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import select, text, update

from core import queries
from core.database import engine as engine_module
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job
from core.errors import DatabaseUnavailable
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec import presets

SPEC = presets.resolve("quick", {})


def test_a_block_that_fails_leaves_nothing_behind(database):
    job = lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)

    with pytest.raises(RuntimeError):
        rename_and_fail(database)

    with database.reading() as session:
        assert queries.job(session, job.id)[0].name == "job"


def rename_and_fail(database):
    with database.writing() as session:
        session.execute(update(Job).values(name="changed"))
        raise RuntimeError


def test_a_reader_does_not_wait_for_a_writer_and_sees_none_of_its_work(database):
    lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)

    with database.writing() as writer:
        writer.execute(update(Job).values(name="changed"))
        with database.reading() as reader:
            assert reader.scalars(select(Job.name)).all() == ["job"]


def test_a_repeatable_reader_sees_one_moment_and_the_next_reader_what_is_there(database):
    lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)
    names = select(Job.name)

    with database.reading(repeatable=True) as session:
        before = session.scalars(names).all()
        with database.writing() as writer:
            writer.execute(update(Job).values(name="changed"))
        assert session.scalars(names).all() == before == ["job"]
    for _ in range(2):  # the connection is used again
        with database.reading() as session:
            assert session.scalars(names).all() == ["changed"]


def test_the_databases_clock_tells_utc_and_adds_seconds(database):
    with database.reading() as session:
        here, later, earlier = session.execute(select(now(), now(90.5), now(-3600))).one()

    assert here.utcoffset() == dt.timedelta()
    assert (here - dt.datetime.now(dt.UTC)).total_seconds() == pytest.approx(0, abs=30)
    assert (later - here).total_seconds() == pytest.approx(90.5, abs=1)
    assert (here - earlier).total_seconds() == pytest.approx(3600, abs=1)


def test_moments_are_ordered_in_the_database_as_they_are_here(database):
    for _ in range(3):
        lifecycle.submit(database, LOCAL_OWNER, name="job", spec=SPEC)
    with database.reading() as session:
        moments = session.scalars(select(Job.created_at).order_by(Job.created_at)).all()
        found = session.scalars(select(Job.created_at).where(Job.created_at >= moments[1])).all()

    assert moments == sorted(moments)
    assert sorted(found) == [moment for moment in moments if moment >= moments[1]]


def test_missing_tables_are_told_with_the_command_that_makes_them(empty_database_address):
    with (
        Database(empty_database_address) as database,
        pytest.raises(DatabaseUnavailable, match="trainyard db upgrade"),
        database.reading() as session,
    ):
        queries.count_by_state(session)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://nobody@127.0.0.1:1/nothing",
        "sqlite:////nowhere/at/all/trainyard.db",
    ],
)
def test_a_database_that_is_away_is_told_in_a_sentence(address):
    with (
        Database(address) as database,
        pytest.raises(DatabaseUnavailable, match="does not answer"),
    ):
        database.check()


def test_a_name_that_the_server_does_not_know_is_not_taken_for_missing_tables(postgres):
    address = postgres.new_database().rpartition("/")[0] + "/no_such_database"

    with (
        Database(address) as database,
        pytest.raises(DatabaseUnavailable, match="does not answer"),
    ):
        database.check()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_the_server_lets_go_of_a_client_that_stands_still_in_a_transaction(database):
    with database.reading() as session:
        shown = [
            session.scalars(text(f"SHOW {name}")).one()
            for name in ("idle_in_transaction_session_timeout", "tcp_user_timeout")
        ]

    assert shown == ["10s", "11000"]


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_the_server_compiles_no_statement(database):
    with database.reading() as session:
        assert session.scalars(text("SHOW jit")).one() == "off"


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_server_that_only_reads_counts_as_away(database):
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        write_where_only_reading_is_allowed(database)


def write_where_only_reading_is_allowed(database):
    with database.writing() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        session.execute(update(Job).values(name="changed"))


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_has_ended_is_replaced_after_a_while(database, monkeypatch):
    monkeypatch.setattr(engine_module, "TRUSTED_FOR_S", 0.0)
    with database.reading() as session:
        ended = session.scalars(text("SELECT pg_backend_pid()")).one()
    with Database(database.engine.url.render_as_string(hide_password=False)) as other:
        end = text("SELECT pg_terminate_backend(:pid, 5000)")
        with other.writing() as session:
            assert session.scalars(end, {"pid": ended}).one()

    with database.reading() as session:
        assert session.scalars(text("SELECT pg_backend_pid()")).one() != ended


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_reader_leaves_no_transaction_and_keeps_its_prepared_statements(database):
    with database.reading() as session:
        driver = session.connection().connection.driver_connection
        for _ in range(6):  # psycopg prepares a statement that comes again and again
            session.execute(text("SELECT 1")).all()
        assert driver.info.transaction_status == TransactionStatus.IDLE
    with database.reading() as session:
        prepared = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()

    assert "SELECT 1" in prepared


class FakeCursor:
    """Answers with the process that a pooler's session would be of."""

    def execute(self, statement):
        pass

    def fetchone(self):
        return [7]


@pytest.mark.parametrize(("told", "is_pooled"), [(7, False), (8, True)])
def test_a_pooler_is_known_by_the_process_that_it_is_not(told, is_pooled):
    connection = SimpleNamespace(info=SimpleNamespace(backend_pid=told))

    assert engine_module.is_pooled(connection, FakeCursor()) is is_pooled


def test_behind_a_pooler_nothing_is_prepared_nor_set_in_a_session(
    database, monkeypatch, database_address
):
    """It gives each transaction another session of the server."""
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    directly = after_some_statements(database)
    monkeypatch.setattr(engine_module, "is_pooled", lambda _connection, _cursor: True)
    with Database(database_address) as behind:
        pooled = after_some_statements(behind)

    assert directly == (True, "10s")
    assert pooled == (False, "0")


def after_some_statements(database):
    """Whether any is prepared, and the time limit of the session."""
    with database.reading() as session:
        for number in range(20):
            session.execute(text(f"SELECT {number % 2}"))
        prepared = session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
        return prepared > 0, session.scalar(text("SHOW idle_in_transaction_session_timeout"))
