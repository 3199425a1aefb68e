"""Devices, slots, and what each may run."""

from worker.devices import Device, Slots, accepted, divide, find_devices, usable_cores

GPUS = [Device("cuda", f"GPU {n}", f"uuid-{n}", 10) for n in range(2)]
CPU = Device("cpu", "CPU")


def test_a_host_has_at_least_one_device():
    assert find_devices()


def test_slots_go_round_the_devices():
    slots = divide(GPUS, 4)

    assert [slot.device.name for slot in slots] == ["GPU 0", "GPU 1", "GPU 0", "GPU 1"]


def test_there_is_one_slot_a_device_unless_told_otherwise():
    assert len(divide(GPUS, None)) == 2
    assert len(divide([CPU], None)) == 1


def test_slots_share_the_cores():
    assert divide([CPU], None)[0].threads == usable_cores()
    assert divide([CPU], 64)[0].threads >= 1


def test_a_trainer_sees_its_own_gpu_only():
    assert divide(GPUS, 2)[1].environment() == {"CUDA_VISIBLE_DEVICES": "uuid-1"}
    assert divide([CPU], 1)[0].environment() == {"CUDA_VISIBLE_DEVICES": ""}


def test_only_a_host_with_a_gpu_takes_runs_that_need_one():
    assert accepted([CPU]) == ["auto", "cpu"]
    assert accepted(GPUS) == ["auto", "cpu", "cuda"]


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
