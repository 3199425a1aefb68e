"""What a run takes of its devices and its host; the driver is a stub here."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pynvml
import pytest

from core.protocol.reports import StepMetrics, StepMetricsBatch
from tests.services import wait_until
from worker.devices import Device
from worker.gauges import Gauges
from worker.slots import Slots, divide
from worker.supervisor.resources import BEFORE_DOUBLING, FIRST_EVERY_S, ResourceSampler

COUNTERS = {
    "nvmlDeviceGetUtilizationRates": lambda number: SimpleNamespace(gpu=40 + 20 * number),
    "nvmlDeviceGetMemoryInfo": lambda number: SimpleNamespace(used=10**9, total=8 * 10**9),
    "nvmlDeviceGetPowerUsage": lambda number: 150_500,
    "nvmlDeviceGetTemperature": lambda number, _sensor: 60 + number,
}
"""What two GPUs answer, which are their numbers here."""


def refuse(*_):
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: int(uuid[-1]))
    for name, read in COUNTERS.items():
        monkeypatch.setattr(pynvml, name, read)


def gpus(count=1):
    return [Device("cuda", "Stub", f"GPU-{number}") for number in range(count)]


def sample(step=1, **values):
    usual = {"epoch": 1, "batch": 1, "train_loss": 1.0, "learning_rate": 0.1, "images_per_s": 9.0}
    return StepMetrics(step=step, eta_s=1.0, **usual, **values)


CPU = Device("cpu", "CPU")


def gauges_of(devices=(CPU,)):
    return Gauges(devices, Slots(divide(devices, None)), Path("no data here"))


def read(clock, devices, report=None, process_id=None):
    gauges = gauges_of(devices or [CPU])
    gauges.read()
    resources = ResourceSampler(devices, gauges.of, clock)
    resources.begin([process_id or os.getpid()])
    clock.now += FIRST_EVERY_S
    return resources.beside(report or sample())


def test_a_sample_has_what_each_counter_says(driver, clock):
    found = read(clock, gpus(), sample(step=7, gradient_norm=0.5))

    assert (found.step, found.gradient_norm) == (7, 0.5)
    assert (found.gpu_utilization, found.gpu_memory_bytes) == (0.4, 10**9)
    assert (found.gpu_power_w, found.gpu_temperature_c) == (150.5, 60.0)
    assert found.memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.5)
    assert found.cpu_cores >= 0


def test_the_gpus_of_one_run_are_read_as_one(driver, clock):
    found = read(clock, gpus(2))

    assert found.gpu_utilization == pytest.approx(0.5)
    assert (found.gpu_memory_bytes, found.gpu_power_w) == (2 * 10**9, 301.0)
    assert found.gpu_temperature_c == 61.0


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_counter_that_is_missing_is_nothing_and_the_others_stay(
    driver, clock, monkeypatch, counter
):
    monkeypatch.setattr(pynvml, counter, refuse)

    found = read(clock, gpus()).model_dump()

    of_gpus = [value for name, value in found.items() if name.startswith("gpu_")]
    assert (of_gpus.count(None), len(of_gpus)) == (1, 4)


def test_without_a_driver_the_host_is_read_all_the_same(clock, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", refuse)

    found = read(clock, gpus())

    assert (found.gpu_utilization, found.gpu_temperature_c) == (None, None)
    assert found.memory_bytes > 0


def test_a_run_on_a_cpu_asks_no_driver(clock, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", None)

    assert read(clock, [Device("cpu", "CPU")]).memory_bytes > 0


def test_a_process_that_is_gone_leaves_nothing_to_read(clock):
    found = read(clock, [], process_id=2**22 + 1)

    assert (found.cpu_cores, found.memory_bytes) == (None, None)


def test_samples_are_further_apart_the_longer_an_attempt_lasts(clock):
    resources = ResourceSampler([], gauges_of().of, clock)
    resources.begin([])
    hour, taken = 3600, []
    for second in range(24 * hour):
        clock.now += 1
        if resources.beside(sample(step=second + 1)):
            taken.append(second)

    assert taken[1] - taken[0] == FIRST_EVERY_S
    assert taken[BEFORE_DOUBLING + 1] - taken[BEFORE_DOUBLING] == 2 * FIRST_EVERY_S
    assert len(taken) < 10 * BEFORE_DOUBLING


def test_a_driver_that_does_not_answer_holds_no_sample_up(driver, clock, monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPowerUsage", lambda _gpu: answers.wait(60) * 1000)
    gauges = gauges_of(gpus())
    resources = ResourceSampler(gpus(), gauges.of, clock)
    resources.begin([os.getpid()])
    gauges.start()
    clock.now += FIRST_EVERY_S

    assert resources.beside(sample()).gpu_power_w is None

    answers.set()
    wait_until(lambda: gauges.of(*gpus()), "the driver has answered")
    gauges.stop()
    clock.now += FIRST_EVERY_S
    assert resources.beside(sample(step=2)).gpu_power_w == 1.0


def test_a_norm_that_came_between_samples_is_in_the_next(clock):
    resources = ResourceSampler([], gauges_of().of, clock)
    resources.begin([])
    many = StepMetricsBatch(
        **{name: [1] for name in ("step", "epoch", "batch")},
        **{name: [1.0] for name in ("train_loss", "learning_rate", "images_per_s")},
        eta_s=1.0,
        gradient_norm=3.0,
    )
    assert resources.beside(many) is None
    clock.now += FIRST_EVERY_S

    assert resources.beside(sample(step=2)).gradient_norm == 3.0
    clock.now += FIRST_EVERY_S
    assert resources.beside(sample(step=3)).gradient_norm is None
