"""Slots, and what each may run."""

import threading

import pytest

from core.database.models import Worker
from core.jobs.capacity import Requirements, capacity_of
from worker.cores import usable_cores
from worker.devices import Device
from worker.slots import Slots, capacity, choose, divide

GPUS = [Device("cuda", f"GPU {n}", f"uuid-{n}", 10) for n in range(2)]
CPU = Device("cpu", "CPU")


def test_slots_go_round_the_devices():
    slots = divide(GPUS, 4)

    assert [slot.device.name for slot in slots] == ["GPU 0", "GPU 1", "GPU 0", "GPU 1"]


def test_there_is_one_slot_a_device_unless_set_otherwise():
    assert len(divide(GPUS, None)) == 2
    assert len(divide([CPU], None)) == 1


def test_slots_share_the_cores():
    assert divide([CPU], None)[0].threads == usable_cores()
    assert divide([CPU], 64)[0].threads >= 1


def test_a_trainer_sees_its_own_gpu_only():
    assert divide(GPUS, 2)[1].environment() == {"CUDA_VISIBLE_DEVICES": "uuid-1"}
    assert divide([CPU], 1)[0].environment() == {"CUDA_VISIBLE_DEVICES": ""}


def test_only_slots_of_a_gpu_fit_a_run_that_needs_one():
    needs = Requirements("cuda", 1)

    assert not capacity(divide([CPU], 2)).fits(needs)
    assert capacity(divide(GPUS, 2)).fits(needs)


def test_auto_means_the_device_of_the_slot():
    slot = divide(GPUS, 1)[0]

    assert [slot.device_for(wanted) for wanted in ("auto", "cuda", "cpu")] == [
        "cuda",
        "cuda",
        "cpu",
    ]


def test_a_taken_slot_is_free_again_when_given_back():
    slots = Slots(divide([CPU], 1))
    slot = slots.take()

    assert slots.take() is None
    assert not slots.wait_until_all_free(0)
    slots.give_back(slot)
    assert slots.wait_until_all_free(0)
    assert slots.take() is slot


def numbers(slots):
    return [slot.number for slot in slots]


def test_the_slots_of_a_cpu_may_work_for_one_run_and_those_of_one_gpu_may_not():
    def sizes(slots):
        return (capacity(slots).slots, capacity(slots).devices)

    assert sizes(divide([CPU], 3)) == (3, 3)
    assert sizes(divide(GPUS, 5)) == (5, 2)
    assert sizes(divide(GPUS, 1)) == (1, 1)
    assert sizes([]) == (0, 0)


@pytest.mark.parametrize("devices", [[CPU], GPUS], ids=["cpu", "gpus"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_worker_can_give_what_its_row_lets_others_expect(devices, count):
    slots = divide(devices, count)
    row = Worker(devices=[each.facts() for each in devices], slots=count, threads=slots[0].threads)

    most = capacity(slots)

    assert most == capacity_of(row)
    for device in ("cpu", "auto"):
        largest = most.largest(device)
        assert len(choose(slots, Requirements(device, largest))) == largest
        assert choose(slots, Requirements(device, largest + 1)) is None


def test_a_run_on_several_gpus_gets_those_with_the_most_room():
    slots = divide([*GPUS, Device("cuda", "GPU 2", "uuid-2", 10)], 6)

    assert numbers(choose(slots, Requirements("auto", 2))) == [0, 1]
    assert numbers(choose(slots[1:], Requirements("cuda", 2))) == [1, 2]
    assert numbers(choose(slots[1:], Requirements("cuda", 3))) == [1, 2, 3]
    assert numbers(choose(slots[1:], Requirements("cpu", 3))) == [1, 2, 3]


def test_a_slot_is_exchanged_for_as_many_as_are_wanted():
    slots = Slots(divide(GPUS, 4))
    held = slots.take()

    taken = slots.exchange([held], Requirements("cuda", 2))

    assert numbers(taken) == [0, 1]
    assert numbers(iter(slots.take, None)) == [2, 3]
    slots.give_back(*slots.all)
    assert slots.wait_until_all_free(0)


def test_what_cannot_be_had_whole_is_not_taken_in_part_and_nothing_is_kept():
    slots = Slots(divide(GPUS, 4))
    first, second = slots.take(), slots.take()

    assert slots.exchange([second], Requirements("cuda", 3)) == []

    assert numbers(slots.exchange([first], Requirements("cpu", 4))) == [0, 1, 2, 3]
    assert not slots.has_free()


def test_of_threads_that_hold_a_slot_each_and_look_for_all_one_gets_them():
    slots = Slots(divide([CPU], 8))
    held = [slots.take() for _ in slots.all]
    taken = []
    together = threading.Barrier(len(held))

    def exchange(slot):
        together.wait()
        taken.append(slots.exchange([slot], Requirements("auto", 8)))

    threads = [threading.Thread(target=exchange, args=(slot,)) for slot in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(len(each) for each in taken) == [0] * 7 + [8]
