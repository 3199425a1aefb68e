"""The workers' own rows: who is there, and who was not heard from."""

import pytest
from sqlalchemy import update

from core import queries, workers
from core.database.engine import now
from core.database.models import Worker
from core.errors import InvalidInput
from core.workers import WorkerFacts

FACTS = WorkerFacts("ada", 7, "1.0", ["gpu", "default"], [{"kind": "cpu", "name": "CPU"}], 2)


@pytest.fixture
def worker_id(database):
    return workers.register(database, FACTS)


def live(database):
    with database.reading() as session:
        return [worker.id for worker in queries.live_workers(session)]


def last_seen(database, seconds_ago):
    with database.writing() as session:
        session.execute(update(Worker).values(last_heartbeat_at=now(-seconds_ago)))


def test_a_worker_is_written_down_as_it_told_of_itself(database, worker_id):
    with database.reading() as session:
        worker = session.get(Worker, worker_id)

    told = WorkerFacts(
        worker.name,
        worker.process_id,
        worker.version,
        worker.queues,
        worker.devices,
        worker.slots,
    )
    assert told == FACTS
    assert worker.stopped_at is None


def test_two_workers_of_one_name_are_two(database, worker_id):
    assert workers.register(database, FACTS) != worker_id


def test_a_worker_that_stops_is_not_live(database, worker_id):
    other = workers.register(database, FACTS)
    workers.stopped(database, worker_id)

    assert live(database) == [other]


@pytest.mark.parametrize(
    ("seconds", "is_live"),
    [(workers.SILENT_AFTER_S - 10, True), (workers.SILENT_AFTER_S + 1, False)],
)
def test_a_worker_that_is_silent_for_too_long_is_written_off(database, worker_id, seconds, is_live):
    last_seen(database, seconds)
    workers.write_off_silent(database)

    assert live(database) == ([worker_id] if is_live else [])


def test_a_worker_that_was_written_off_comes_back_when_it_is_heard(database, worker_id):
    last_seen(database, 1000)
    workers.write_off_silent(database)

    workers.seen(database, worker_id)
    workers.write_off_silent(database)

    assert live(database) == [worker_id]


CPU = {"kind": "cpu", "name": "CPU"}
GPU = {"kind": "cuda", "name": "GPU"}


@pytest.mark.parametrize(
    ("devices", "slots", "most"),
    [
        ([CPU], 3, {"auto": 3, "cpu": 3, "cuda": 0}),
        ([GPU, GPU], 2, {"auto": 2, "cpu": 2, "cuda": 2}),
        ([GPU, GPU], 6, {"auto": 2, "cpu": 6, "cuda": 2}),
        ([GPU, GPU, GPU], 2, {"auto": 2, "cpu": 2, "cuda": 2}),
        (["a GPU", {"name": "?"}], 1, {"auto": 1, "cpu": 1, "cuda": 0}),
    ],
)
def test_a_run_gets_slots_of_different_gpus_or_any_of_a_cpu(devices, slots, most):
    facts = WorkerFacts("w", 1, "0", ["default"], devices, slots)

    assert {device: workers.largest_group(facts, device) for device in most} == most


def start(database, devices, slots, queues=("default",)):
    return workers.register(database, WorkerFacts("w", 1, "0", queues, devices, slots))


def refusal(database, device, devices, queue="default"):
    try:
        workers.refuse_more_than_there_are(database, queue, device, devices)
    except InvalidInput as error:
        [told] = error.errors
        assert told.field == "devices"
        return told.message
    return None


def test_more_devices_than_any_live_worker_has_are_refused_by_naming_the_most(database):
    start(database, [GPU, GPU], 4)
    start(database, [CPU], 3)
    start(database, [GPU] * 8, 8, ["other"])
    workers.stopped(database, start(database, [GPU] * 8, 8))

    assert refusal(database, "cuda", 2) is None
    assert "can give one run 3 devices, the most is 2; choose" in refusal(database, "cuda", 3)
    assert refusal(database, "auto", 3) is None
    assert "4 devices, the most is 3" in refusal(database, "auto", 4)
    assert refusal(database, "cpu", 4) is None
    assert refusal(database, "cuda", 8, queue="other") is None


def test_several_gpus_are_refused_where_there_is_none(database):
    start(database, [CPU], 3)

    assert refusal(database, "cuda", 2) == (
        "of the live workers that serve queue default none has a GPU; choose another device or "
        "queue, or start a worker on a host with 2 GPUs"
    )
    assert refusal(database, "cuda", 1) is None


def test_where_nobody_serves_a_queue_nothing_is_known_and_nothing_refused(database):
    start(database, [CPU], 3)

    assert refusal(database, "auto", 64, queue="other") is None


def test_a_worker_that_was_not_heard_for_long_is_not_asked(database, worker_id):
    last_seen(database, workers.SILENT_AFTER_S + 1)

    assert refusal(database, "auto", 64, queue="gpu") is None
