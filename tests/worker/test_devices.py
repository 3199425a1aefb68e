"""The devices of a host; its driver is a stub here."""

from types import SimpleNamespace

import pynvml
import pytest

from worker import devices
from worker.devices import find_devices
from worker.slots import divide

UUIDS = ["GPU-aaaa1111", "GPU-aabb2222", "GPU-cccc3333"]
PART = "MIG-dddd4444"


class Driver:
    """What NVML answers: facts of each GPU, or that it does not tell one."""

    def __init__(self, monkeypatch, uuids):
        self.uuids = uuids
        self.refused = set()
        """Pairs of a function and a GPU's UUID."""
        for name in ("nvmlInit", "nvmlShutdown"):
            monkeypatch.setattr(pynvml, name, lambda: None)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(self.uuids))
        monkeypatch.setattr(
            pynvml,
            "nvmlDeviceGetHandleByIndex",
            lambda number: self.tell("handle", self.uuids[number], self.uuids[number]),
        )
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", self.part)
        for name, function, value in (
            ("name", "nvmlDeviceGetName", lambda uuid: f"Stub {uuid[4:8]}"),
            ("uuid", "nvmlDeviceGetUUID", str),
            ("memory", "nvmlDeviceGetMemoryInfo", lambda _: SimpleNamespace(total=80)),
            ("capability", "nvmlDeviceGetCudaComputeCapability", lambda _: (9, 0)),
        ):
            monkeypatch.setattr(
                pynvml,
                function,
                lambda uuid, name=name, value=value: self.tell(name, uuid, value(uuid)),
            )

    def tell(self, name, uuid, value):
        if (name, uuid) in self.refused:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return value

    def part(self, uuid):
        if uuid != PART:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Driver(monkeypatch, list(UUIDS))


def uuids():
    return [device.uuid for device in find_devices()]


def test_a_host_has_at_least_one_device():
    assert find_devices()


def test_every_gpu_is_found_with_what_is_known_of_it(driver):
    first, *_ = found = find_devices()

    assert [each.uuid for each in found] == UUIDS
    assert (first.kind, first.name, first.memory_bytes) == ("cuda", "Stub aaaa", 80)
    assert "bf16" in first.precisions


@pytest.mark.parametrize(
    ("variable", "visible"),
    [
        ("1", ["GPU-aabb2222"]),
        ("2,0", ["GPU-cccc3333", "GPU-aaaa1111"]),
        (" 1 , 2 ", ["GPU-aabb2222", "GPU-cccc3333"]),
        ("1,1", ["GPU-aabb2222"]),
        ("GPU-cccc3333", ["GPU-cccc3333"]),
        ("GPU-cc,0", ["GPU-cccc3333", "GPU-aaaa1111"]),
        # the first that is none ends the list
        ("0,7,1", ["GPU-aaaa1111"]),
        ("0,-1,1", ["GPU-aaaa1111"]),
        ("0,GPU-aa,1", ["GPU-aaaa1111"]),
        (PART, [PART]),
        ("0,MIG-0", ["GPU-aaaa1111"]),
    ],
)
def test_the_variable_says_which_gpus_a_worker_may_use(driver, monkeypatch, variable, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)

    slots = divide(find_devices(), None)

    assert uuids() == visible
    assert [slot.environment()["CUDA_VISIBLE_DEVICES"] for slot in slots] == visible


@pytest.mark.parametrize("variable", ["", "-1", "9", "none"])
def test_a_worker_that_may_use_no_gpu_uses_the_cpu(driver, monkeypatch, variable):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)

    [device] = find_devices()

    assert device.kind == "cpu"


def test_a_gpu_without_a_memory_counter_is_used(driver):
    driver.refused = {("memory", UUIDS[1])}

    assert [device.memory_bytes for device in find_devices()] == [80, None, 80]
    assert uuids() == UUIDS


def test_a_gpu_that_tells_nothing_is_named_by_its_number(driver):
    driver.refused = {(name, UUIDS[1]) for name in ("name", "uuid", "memory", "capability")}

    device = find_devices()[1]

    assert (device.kind, device.name, device.uuid) == ("cuda", "GPU 1", "1")
    assert device.facts()["memory_bytes"] is None


def test_a_gpu_that_is_lost_is_left_out(driver):
    driver.refused = {("handle", UUIDS[0])}

    assert uuids() == UUIDS[1:]


def test_a_driver_that_cannot_list_its_gpus_leaves_the_cpu(driver, monkeypatch):
    def fail():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", fail)

    assert [device.kind for device in find_devices()] == ["cpu"]


def test_without_a_driver_there_is_the_cpu(monkeypatch):
    def fail():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(devices.pynvml, "nvmlInit", fail)

    assert [device.kind for device in find_devices()] == ["cpu"]
