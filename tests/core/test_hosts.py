"""Locks by which a host sees that processes have ended."""

import os
import shutil
import subprocess

import pytest

from core import hosts
from core.hosts import HeldLock


@pytest.fixture
def lock(tmp_path):
    return HeldLock.take(tmp_path)


def is_ended(folder, lock):
    with hosts.ended(folder, lock.name) as found:
        return found


def test_a_holder_that_lives_has_not_ended(tmp_path, lock):
    assert not is_ended(tmp_path, lock)

    lock.release()


def test_a_holder_that_has_let_go_has_ended_and_is_found_once(tmp_path, lock):
    os.close(lock.descriptor)  # as the kernel does at its end

    assert is_ended(tmp_path, lock)
    assert not is_ended(tmp_path, lock)
    assert list((tmp_path / hosts.FOLDER).iterdir()) == []


def test_whoever_has_inherited_it_must_have_ended_too(tmp_path, lock):
    with subprocess.Popen(["sleep", "600"], pass_fds=[lock.descriptor]) as heir:
        os.close(lock.descriptor)
        assert not is_ended(tmp_path, lock)
        heir.kill()

    assert is_ended(tmp_path, lock)


def test_what_could_not_be_written_down_is_found_again(tmp_path, lock):
    os.close(lock.descriptor)

    with pytest.raises(RuntimeError):
        find_and_fail(tmp_path, lock)

    assert is_ended(tmp_path, lock)


def find_and_fail(folder, lock):
    with hosts.ended(folder, lock.name) as found:
        assert found
        raise RuntimeError


def test_while_one_looks_no_other_finds_the_same(tmp_path, lock):
    os.close(lock.descriptor)

    with hosts.ended(tmp_path, lock.name) as found:
        assert found
        assert not is_ended(tmp_path, lock)


def test_a_copy_of_the_folder_proves_nothing(tmp_path, lock):
    shutil.copytree(tmp_path / hosts.FOLDER, tmp_path / "copy" / hosts.FOLDER)

    assert not is_ended(tmp_path / "copy", lock)
    lock.release()


def test_a_lock_that_is_not_there_proves_nothing(tmp_path, lock):
    lock.release()

    assert not is_ended(tmp_path, lock)
    assert not is_ended(tmp_path / "elsewhere", lock)


def test_files_that_nobody_holds_go_after_a_while_and_those_that_are_held_stay(tmp_path, lock):
    left = HeldLock.take(tmp_path)
    os.close(left.descriptor)  # killed, and its host was started again: nobody looks for it

    hosts.sweep(tmp_path, age_s=3600.0)
    assert len(list((tmp_path / hosts.FOLDER).iterdir())) == 2

    hosts.sweep(tmp_path, age_s=0.0)
    assert [path.name for path in (tmp_path / hosts.FOLDER).iterdir()] == [
        lock.name.partition(":")[0]
    ]
    assert not is_ended(tmp_path, lock)
    lock.release()


def test_a_folder_without_workers_has_nothing_to_sweep(tmp_path):
    hosts.sweep(tmp_path, age_s=0.0)

    assert list(tmp_path.iterdir()) == []
