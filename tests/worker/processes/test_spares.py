"""The spares of the slots."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import process_of
from worker.devices import Device
from worker.processes.spares import Spares
from worker.slots import Slot, Slots


@pytest.fixture
def slots():
    return Slots([Slot(number, Device("cpu", "CPU"), threads=1) for number in range(2)])


@pytest.fixture
def spares(zygote):
    made = Spares(zygote)
    yield made
    made.end()


def test_every_free_slot_gets_a_spare_and_keeps_it(spares, slots):
    spares.tend(slots)
    first = {slot.number: spares.take(slot) for slot in slots.all}
    for slot in slots.all:
        spares.put_back(slot, first[slot.number])

    spares.tend(slots)

    assert {slot.number: spares.take(slot) for slot in slots.all} == first
    for trainer in first.values():
        assert trainer.is_alive
        trainer.close()


def test_the_slot_of_a_running_job_gets_no_spare(spares, slots):
    busy = slots.take()

    spares.tend(slots)

    assert spares._by_slot.keys() == {slot.number for slot in slots.all} - {busy.number}


def test_a_spare_that_has_died_is_replaced(spares, slots):
    [slot, _] = slots.all
    spares.tend(slots)
    spare = spares._by_slot[slot.number]
    os.kill(spare.process_id, signal.SIGKILL)
    assert spare.wait(60)

    taken = spares.take(slot)

    assert taken is not spare
    assert taken.is_alive
    taken.close()


def test_without_a_zygote_there_is_no_spare_until_it_is_back(mortal, slots):
    spares = Spares(mortal)
    try:
        process = process_of(mortal)
        process.kill()
        wait_until_gone([process])
        assert spares.take(slots.all[0]) is None

        def has_spares():
            spares.tend(slots)
            return len(spares._by_slot) == 2

        wait_until(has_spares, "the zygote is back")
    finally:
        spares.end()


def test_at_the_end_no_spare_is_left(zygote, slots):
    spares = Spares(zygote)
    spares.tend(slots)
    processes = [psutil.Process(spare.process_id) for spare in spares._by_slot.values()]

    spares.end()

    assert len(processes) == 2
    wait_until_gone(processes)
