"""Processes that were killed for their memory, as the kernel counts them."""

from __future__ import annotations

import pytest

from worker.processes import out_of_memory

EVENTS = "low 0\nhigh 0\nmax 31\noom 2\noom_kill {kills}\noom_group_kill 0\n"


@pytest.fixture
def proc(tmp_path):
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "self" / "cgroup").write_text("0::/system.slice/worker\n")
    (folder / "vmstat").write_text("pgfault 1\noom_kill 9\n")
    return folder


def test_those_of_our_own_group_count(proc, tmp_path):
    group = tmp_path / "cgroup" / "system.slice" / "worker"
    group.mkdir(parents=True)
    (group / "memory.events").write_text(EVENTS.format(kills=3))

    assert out_of_memory.kills(proc, tmp_path / "cgroup") == 3


def test_in_a_container_our_group_is_the_root_that_is_seen(proc, tmp_path):
    (proc / "self" / "cgroup").write_text("4:memory:/elsewhere\n0::/\n")
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cgroup" / "memory.events").write_text(EVENTS.format(kills=1))

    assert out_of_memory.kills(proc, tmp_path / "cgroup") == 1


def test_where_no_group_counts_those_of_the_host_do(proc, tmp_path):
    assert out_of_memory.kills(proc, tmp_path / "cgroup") == 9


def test_where_nothing_can_be_read_there_were_none(tmp_path):
    assert out_of_memory.kills(tmp_path, tmp_path) == 0
