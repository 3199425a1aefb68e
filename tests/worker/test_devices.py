"""The devices of a host."""

from worker.devices import find_devices


def test_a_host_has_at_least_one_device():
    assert find_devices()
