"""What fits where: the one rule, and the claim by it."""

import pytest
from sqlalchemy import update

from core import workers
from core.database.clock import now
from core.database.models import Worker
from core.errors import InvalidInput
from core.jobs.capacity import Capacity, Requirements, refuse_more_than_there_are
from core.jobs.claim import Claimant
from core.workers import WorkerFacts
from tests.core.jobs.conftest import TWO_GPUS, claim, submit

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
    capacity = Capacity.of(devices, slots, 1)

    assert {device: capacity.largest(device) for device in most} == most


def start(database, devices, slots, queues=("default",)):
    return workers.register(database, WorkerFacts("w", 1, "0", queues, devices, slots))


def refusal(database, device, devices, queue="default"):
    try:
        refuse_more_than_there_are(database, queue, device, devices)
    except InvalidInput as error:
        [error_of_devices] = error.errors
        assert error_of_devices.field == "devices"
        return error_of_devices.message
    return None


def test_more_devices_than_any_live_worker_has_are_refused_by_naming_the_most(database):
    start(database, [GPU, GPU], 4)
    start(database, [CPU], 3)
    start(database, [GPU] * 8, 8, ["other"])
    workers.mark_stopped(database, start(database, [GPU] * 8, 8))

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


def test_a_worker_that_was_not_heard_for_long_is_not_asked(database):
    start(database, [CPU], 3)
    with database.writing() as session:
        session.execute(update(Worker).values(last_heartbeat_at=now(-workers.SILENT_AFTER_S - 1)))

    assert refusal(database, "auto", 64) is None


@pytest.mark.parametrize(
    ("capacity", "needs", "has_room"),
    [
        (Capacity(2, 1, has_gpus=True), Requirements("cpu", 2), True),
        (Capacity(2, 1, has_gpus=True), Requirements("auto", 2), False),
        (TWO_GPUS, Requirements("cuda", 2), True),
        (TWO_GPUS, Requirements("cpu", 3), False),
    ],
)
def test_a_claim_goes_by_what_is_held(database, claimant, capacity, needs, has_room):
    submit(database, device=needs.device, devices=needs.devices)
    everything = Claimant(claimant.worker_id, ["default"], Capacity(9, 9, has_gpus=True))

    assert capacity.fits(needs) is has_room
    assert (claim(database, everything, capacity) is not None) is has_room


def gpu(*precisions):
    return GPU | {"precisions": list(precisions)}


MIXED = [gpu("fp32", "bf16"), gpu("fp32")]


@pytest.mark.parametrize(
    ("capacity", "needs", "has_room"),
    [
        (Capacity.of([CPU], 2, 4), Requirements("auto", 2, threads=4), True),
        (Capacity.of([CPU], 2, 4), Requirements("cpu", 1, threads=8), False),
        (Capacity.of([CPU], 2, 4), Requirements("cuda", 1), False),
        (Capacity.of(MIXED, 2, 1), Requirements("cuda", 1, "bf16"), True),
        (Capacity.of(MIXED, 2, 1), Requirements("cuda", 2, "bf16"), False),
        (Capacity.of(MIXED, 2, 1), Requirements("cuda", 2, "fp32"), True),
        (Capacity.of(MIXED, 2, 1), Requirements("cpu", 2, "fp16"), True),
        (Capacity.of([GPU], 1, 1), Requirements("auto", 1, "fp16"), True),
    ],
)
def test_a_run_that_is_bound_to_what_it_began_with_fits_where_that_is(capacity, needs, has_room):
    assert capacity.fits(needs) is has_room
