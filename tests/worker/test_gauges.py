"""How busy a host is: read as far as it can be, and never in the way of a heartbeat."""

from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from core.database.models import Worker
from core.datasets.builtin import DATASETS
from worker import gauges
from worker.devices import Device
from worker.gauges import Gauges
from worker.heartbeat import Heartbeat
from worker.slots import Slots, divide

CPU = Device("cpu", "CPU, 2 cores")
NOWHERE = Path("no data here")
GPUS = [Device("cuda", "Stub", f"GPU-{number}") for number in range(2)]


@pytest.fixture
def driver(monkeypatch):
    """What NVML answers for each GPU; a test may take facts away."""
    facts = {
        "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=40),
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=20, total=80),
        "nvmlDeviceGetPowerUsage": lambda _: 250_000,
        "nvmlDeviceGetTemperature": lambda _handle, _kind: 61,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlInit": lambda: None,
    }
    for name, answer in facts.items():
        monkeypatch.setattr(pynvml, name, answer)


def refuse(*_):
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def made(devices):
    found = Gauges(devices, Slots(divide(devices, None)), NOWHERE)
    found.read()
    return found


def test_of_a_cpu_the_host_is_read():
    found = made([CPU]).latest()

    assert 0 <= found["host"]["cpu"] <= 1
    assert 0 < found["host"]["memory_used_bytes"] < found["host"]["memory_bytes"]
    assert found["devices"] == [{"runs": []}]


def test_of_each_gpu_all_is_read_that_the_driver_tells(driver):
    assert made(GPUS).latest()["devices"][1] == {
        "utilization": 0.4,
        "memory_used_bytes": 20,
        "memory_bytes": 80,
        "power_w": 250.0,
        "temperature_c": 61,
        "runs": [],
    }


def test_a_counter_that_a_gpu_lacks_is_left_out(driver, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPowerUsage", refuse)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", refuse)

    assert set(made(GPUS).latest()["devices"][0]) == {
        *("memory_used_bytes", "memory_bytes", "temperature_c", "runs"),
    }


def test_a_gpu_that_is_lost_tells_nothing(driver, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", refuse)

    assert made(GPUS).latest()["devices"] == [{"runs": []}, {"runs": []}]


def test_each_device_has_the_runs_of_its_slots():
    slots = Slots(divide(GPUS, 4))
    found = Gauges(GPUS, slots, NOWHERE)
    found.read()
    of_first = [slot for slot in slots.all if slot.device == GPUS[0]]

    slots.note(of_first, 7)
    assert [each["runs"] for each in found.latest()["devices"]] == [[7], []]

    slots.give_back(*of_first)
    assert [each["runs"] for each in found.latest()["devices"]] == [[], []]


def test_the_datasets_are_those_that_lie_in_the_data_folder(tmp_path):
    (tmp_path / DATASETS["mnist"].folder).mkdir(parents=True)
    found = Gauges([CPU], Slots(divide([CPU], None)), tmp_path)
    found.read()

    assert found.latest()["datasets"] == ["mnist", "digits"]


def test_what_is_old_is_told_to_nobody(monkeypatch):
    found = made([CPU])
    monkeypatch.setattr(gauges, "OLD_AFTER_S", -1.0)

    assert found.latest() == {}


def test_a_heartbeat_carries_what_was_read_last(context, database):
    object.__setattr__(context, "gauges", made([CPU]))

    Heartbeat(context, 1.0).beat()

    with database.reading() as session:
        stored = session.get_one(Worker, context.claimant.worker_id).gauges
    assert stored["host"]["cores"] >= 1
