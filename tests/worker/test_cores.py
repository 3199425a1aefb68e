"""The cores that a process may use: its affinity, and the quota of its control groups."""

import os

import pytest

from worker.cores import cpu_quota, usable_cores


@pytest.fixture
def group(tmp_path):
    """Makes the files of a control group, and the one that names those of this process."""

    def make(own, files):
        for name, text in files.items():
            place = tmp_path / "cgroup" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text + "\n")
        (tmp_path / "own").write_text(own + "\n")
        return tmp_path / "cgroup", tmp_path / "own"

    return make


def v1(quota, period=100_000):
    return {"cpu/cpu.cfs_quota_us": str(quota), "cpu/cpu.cfs_period_us": str(period)}


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/", {"cpu.max": "200000 100000"}, 2.0),
        ("0::/", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
        # of those that a group is in the strictest counts
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3.0),
        ("0::/a/b", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1.0),
        # a path of the host, seen from within
        ("0::/docker/1f", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/../elsewhere", {"cpu.max": "150000 100000"}, 1.5),
        ("4:cpu,cpuacct:/docker/1f\n3:memory:/docker/1f", v1(250_000), 2.5),
        ("4:cpu,cpuacct:/", v1(-1), None),
        ("3:memory:/", v1(250_000), None),
        ("0::/", {"cpu.max": "0 0"}, None),
    ],
)
def test_a_quota_is_read_in_both_versions(group, own, files, quota):
    assert cpu_quota(*group(own, files)) == quota


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cpu_quota(tmp_path / "none", tmp_path / "none of mine") is None


@pytest.mark.parametrize(
    ("cpu_max", "cores"), [("200000 100000", 2), ("290000 100000", 2), ("10000 100000", 1)]
)
def test_the_whole_cores_of_a_quota_are_used_and_at_least_one(group, monkeypatch, cpu_max, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))

    assert usable_cores(*group("0::/", {"cpu.max": cpu_max})) == cores


def test_an_affinity_below_the_quota_counts(group, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})

    assert usable_cores(*group("0::/", {"cpu.max": "400000 100000"})) == 1
