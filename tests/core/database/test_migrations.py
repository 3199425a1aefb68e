"""The migrations and the models describe the same tables, on both databases."""

import contextlib
import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import alembic.command
import pytest
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.exc import OperationalError

from core.database import engine
from core.database.engine import Database
from core.metrics import curves
from core.spec.migrate import RENAMED
from tests.services import wait_until


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


METRICS = (
    *("job_id", "step", "attempt", "epoch", "batch"),
    *("train_loss", "learning_rate", "images_per_s"),
)


def insert_jobs(session, *ids, **given):
    """Rows of jobs, whatever columns the table has."""
    for job_id in ids:
        insert(session, "jobs", **{"id": job_id, "state": "queued", "desired": "run"} | given)


def fitting(kind):
    if "INT" in kind or "DOUBLE" in kind or "FLOAT" in kind:
        return 0
    if "TIME" in kind:
        return "2026-01-01 00:00:00+00:00"
    return "{}" if kind == "JSON" else "x"


def metric_rows():
    """Samples of three jobs: of none, of a few, and of more than a bucket of any size holds."""
    noise = random.Random(7)
    for job_id, count in ((1, 40_000), (2, 3), (4, 1024)):
        attempt = 1
        for number in range(count):
            attempt += noise.random() < 0.0005
            values = noise.random() * 10.0 ** noise.randint(-300, 300), 1 / 3, -0.0
            yield (job_id, 3 * number + 1, attempt, number // 100 + 1, number % 100 + 1, *values)


def test_every_metric_sample_is_kept_on_the_way_up_and_down(empty_database_address):
    engine.upgrade(empty_database_address, "0005")
    rows = list(metric_rows())
    places = ", ".join(f":{name}" for name in METRICS)
    insert = text(f"INSERT INTO metrics ({', '.join(METRICS)}) VALUES ({places})")
    with Database(empty_database_address) as tables, tables.writing() as session:
        insert_jobs(session, 1, 2, 3, 4)
        session.execute(insert, [dict(zip(METRICS, row, strict=True)) for row in rows])

    engine.upgrade(empty_database_address, "0008")

    with Database(empty_database_address) as tables, tables.reading() as session:
        for job_id in (1, 2, 3, 4):
            mine = [row[1:] for row in rows if row[0] == job_id]
            samples = curves.after(session, job_id, 0, 100_000)
            assert [astuple(sample) for sample in samples] == mine
            assert_the_curve_agrees(session, job_id, mine)
    config = engine.alembic_config(empty_database_address)
    alembic.command.downgrade(config, "0005")
    with Database(empty_database_address) as tables, tables.reading() as session:
        select = text(f"SELECT {', '.join(METRICS)} FROM metrics ORDER BY job_id, step")
        assert [tuple(row) for row in session.execute(select)] == rows
    engine.upgrade(empty_database_address)


def assert_the_curve_agrees(session, job_id, rows):
    """The buckets of the upgrade are those that a run would have written."""
    for points in (1, 3, 300):
        buckets = curves.curve(session, job_id, points)
        assert sum(buckets.count) == len(rows)
        losses = [row[4] for row in rows]
        if losses:
            assert max(buckets.column("train_loss", "max")) == max(losses)
            assert min(buckets.column("train_loss", "min")) == min(losses)


def test_each_dataset_gets_a_lane_of_its_own_on_the_way_up_and_one_lane_on_the_way_down(
    empty_database_address,
):
    engine.upgrade(empty_database_address, "0014")
    lanes = "SELECT j.id, j.lane_id, l.queue FROM jobs j JOIN lanes l ON l.id = j.lane_id"
    with Database(empty_database_address) as tables, tables.writing() as session:
        for lane_id, queue in ((101, "day"), (102, "night"), (103, "empty")):
            lane = f"({lane_id}, '{queue}', 'auto', 1, '', 0, '2026-01-01 00:00:00+00:00')"
            session.execute(text(f"INSERT INTO lanes VALUES {lane}"))
        for job_id, lane_id, dataset in (
            (1, 101, "a"),
            (2, 101, "b"),
            (3, 101, "a"),
            (4, 102, "a"),
        ):
            insert_jobs(session, job_id, lane_id=lane_id, dataset=dataset)

    engine.upgrade(empty_database_address, "0015")

    with Database(empty_database_address) as tables, tables.reading() as session:
        first, second, third, fourth = session.execute(text(f"{lanes} ORDER BY j.id")).all()
        assert first.lane_id == third.lane_id
        assert len({first.lane_id, second.lane_id, fourth.lane_id}) == 3
        assert [first.queue, second.queue, fourth.queue] == ["day", "day", "night"]
        assert session.scalar(text("SELECT count(*) FROM lanes")) == 3
    alembic.command.downgrade(engine.alembic_config(empty_database_address), "0014")
    with Database(empty_database_address) as tables, tables.reading() as session:
        rows = session.execute(text(f"{lanes} ORDER BY j.id")).all()
        assert [row.queue for row in rows] == ["day", "day", "day", "night"]
        assert len({row.lane_id for row in rows}) == 2
    engine.upgrade(empty_database_address)


def test_an_event_that_was_purged_takes_its_number_with_it_over_an_upgrade_and_back(
    empty_database_address,
):
    engine.upgrade(empty_database_address, "0014")
    config = engine.alembic_config(empty_database_address)
    with Database(empty_database_address) as tables:
        with tables.writing() as session:
            insert(session, "lanes", id=101)
            insert_jobs(session, 1, lane_id=101)
            first = append_event(session)
            session.execute(text(f"DELETE FROM job_events WHERE id = {first}"))
        engine.upgrade(empty_database_address, "0015")
        with tables.writing() as session:
            second = append_event(session)
            session.execute(text(f"DELETE FROM job_events WHERE id = {second}"))
        alembic.command.downgrade(config, "0014")
        with tables.writing() as session:
            assert first < second < append_event(session)


def test_a_fault_of_a_worker_is_a_crash_for_an_earlier_release(empty_database_address):
    engine.upgrade(empty_database_address, "0015")
    with Database(empty_database_address) as tables, tables.writing() as session:
        insert(session, "lanes", id=101)
        insert_jobs(session, 1, lane_id=101)
        append_event(session, "worker_fault")
        append_event(session, "worker_resumed")

    alembic.command.downgrade(engine.alembic_config(empty_database_address), "0014")

    with Database(empty_database_address) as tables, tables.reading() as session:
        assert session.scalars(text("SELECT kind FROM job_events")).all() == ["crashed"]


def test_a_run_of_before_can_be_sorted_by_its_hyperparameters_and_by_its_duration(
    empty_database_address,
):
    engine.upgrade(empty_database_address, "0016")
    times = {"started_at": "2026-01-01 00:00:00+00:00", "finished_at": "2026-01-01 00:01:30+00:00"}
    [earlier] = RENAMED[""]
    spec = {"epochs": 3, earlier: 2, "optimizer": {"kind": "sgd", "nesterov": True}}
    with Database(empty_database_address) as tables, tables.writing() as session:
        insert(session, "lanes", id=101)
        insert_jobs(session, 1, lane_id=101, spec=json.dumps(spec), **ENDED, **times)
        insert_jobs(session, 2, lane_id=101)
        insert(session, "progress", job_id=1, images_per_s=0.5)
        insert(session, "progress", job_id=2)

    engine.upgrade(empty_database_address, "0017")

    with Database(empty_database_address) as tables, tables.reading() as session:
        rows = session.execute(text("SELECT job_id, name, number, text FROM job_values")).all()
    found = {row.name: row.text or row.number for row in rows if row.job_id == 1}
    assert len(found.pop("without_seed")) == 32
    assert found == {
        "epochs": 3,
        "micro_batches": 2,
        "optimizer.kind": "sgd",
        "optimizer.nesterov": 1,
        "duration": 90,
        "images_per_s": 0.5,
    }
    assert [row.name for row in rows if row.job_id == 2] == ["without_seed"]


ENDED = {"state": "cancelled", "desired": "cancel"}


def append_event(session, kind="claimed"):
    """The id of a new event of the first run."""
    row = f"(1, '2026-01-01 00:00:00+00:00', '{{}}', '{kind}', 1, '{{}}')"
    columns = "(job_id, at, actor, kind, attempt, payload)"
    return session.scalar(text(f"INSERT INTO job_events {columns} VALUES {row} RETURNING id"))


def test_a_run_of_before_gets_the_measurements_of_the_epoch_that_it_published(
    empty_database_address,
):
    """Of three runs one has published its first epoch, one its last, and one nothing."""
    engine.upgrade(empty_database_address, "0008")
    with Database(empty_database_address) as tables, tables.writing() as session:
        insert(session, "lanes", id=0)
        insert_jobs(session, 1, 2, 3)
        session.execute(text("UPDATE jobs SET test_accuracy = 0.8"))
        session.execute(
            text(
                "UPDATE jobs SET state = 'succeeded', finished_at = '2026-01-01 00:00:00+00:00' "
                "WHERE id < 3"
            )
        )
        for job_id in (1, 2, 3):
            for epoch, accuracy in ((1, 0.9), (2, 0.8)):
                insert(session, "epochs", job_id=job_id, epoch=epoch, test_accuracy=accuracy)
        for number, (job_id, epoch) in enumerate(((1, 1), (1, 1), (2, 2))):
            file = {"id": number, "job_id": job_id, "epoch": epoch, "kind": "export"}
            insert(session, "artifacts", **file)

    engine.upgrade(empty_database_address, "0014")

    query = text("SELECT published_epoch, test_accuracy FROM jobs ORDER BY id")
    with Database(empty_database_address) as tables, tables.reading() as session:
        assert session.execute(query).all() == [(1, 0.9), (2, 0.8), (None, 0.8)]
    alembic.command.downgrade(engine.alembic_config(empty_database_address), "0008")
    with Database(empty_database_address) as tables, tables.reading() as session:
        accuracies = session.scalars(text("SELECT test_accuracy FROM jobs ORDER BY id")).all()
    assert accuracies == [0.8, 0.8, 0.8]


def insert(session, table, **values):
    """A row, with something that fits in each column that must have a value."""
    for column in inspect(session.connection()).get_columns(table):
        if not column["nullable"]:
            values.setdefault(column["name"], fitting(str(column["type"])))
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.parametrize("order", [("workers", "jobs"), ("epochs", "jobs")])
def test_an_upgrade_and_a_release_that_still_runs_never_wait_crosswise(
    empty_database_address, order
):
    engine.upgrade(empty_database_address, "0001")
    first, second = (text(f"SELECT 1 FROM {table}") for table in order)
    with Database(empty_database_address) as tables, ThreadPoolExecutor(1) as pool:
        with tables.engine.connect() as running:
            running.execute(first)
            upgrade = pool.submit(engine.upgrade, empty_database_address)
            wait_until(lambda: is_waiting_for_a_lock(tables), "the upgrade waits")
            if order == ("workers", "jobs"):
                running.execute(second)
            else:  # PostgreSQL ends one of the two: it may be this one
                with contextlib.suppress(OperationalError):
                    running.execute(second)
            running.rollback()
        upgrade.result()

    alembic.command.check(engine.alembic_config(empty_database_address))


def is_waiting_for_a_lock(tables):
    waits = text(
        "SELECT 1 FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with tables.reading() as session:
        return session.scalar(waits) == 1


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
