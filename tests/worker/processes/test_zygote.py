"""The zygote and what it forks, as real processes."""

from __future__ import annotations

import errno
import os
import signal
import tempfile

import psutil
import pytest

from core.protocol.orders import Order
from core.protocol.pulse import Beat
from core.protocol.reports import Finished, Started
from core.spec.presets import resolve
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import LONG_DIGITS, QUICK_DIGITS, process_of
from worker.devices import Device
from worker.processes import out_of_memory
from worker.processes.zygote import Zygote, ZygoteGone
from worker.slots import Slot

SLOT = Slot(0, Device("cpu", "CPU"), threads=1)


@pytest.fixture
def wake():
    readable, writable = os.pipe()
    yield readable
    os.close(readable)
    os.close(writable)


def order(trainer, data_folder, changes=QUICK_DIGITS):
    return Order(
        spec=resolve("quick", changes),
        data=data_folder,
        scratch=trainer.scratch,
        device="cpu",
        threads=1,
    )


def read_all(trainer, wake):
    reports = []
    while (more := trainer.read(60, wake)) is not None:
        reports += more
    return reports


def test_a_fork_carries_out_its_order_and_ends(zygote, data_folder, wake):
    with zygote.fork(SLOT) as trainer:
        trainer.give(order(trainer, data_folder))
        reports = read_all(trainer, wake)
        assert trainer.wait(60)

        assert trainer.exit_status() == 0
        scratch = trainer.scratch

    assert isinstance(reports[0], Started)
    assert isinstance(reports[-1], Finished)
    assert not scratch.exists()


def test_a_fork_that_is_not_needed_is_gone_when_it_is_closed(zygote):
    trainer = zygote.fork(SLOT)
    process = psutil.Process(trainer.process_id)

    trainer.close()

    wait_until_gone([process])


def test_how_a_killed_fork_ended_is_known(zygote):
    with zygote.fork(SLOT) as trainer:
        os.kill(trainer.process_id, signal.SIGKILL)

        assert trainer.wait(60)
        assert trainer.exit_status() == -signal.SIGKILL
        assert not trainer.is_alive


def test_forks_outlive_their_zygote_and_a_new_one_takes_its_place(mortal, data_folder, wake):
    with mortal.fork(SLOT) as trainer:
        trainer.give(order(trainer, data_folder, LONG_DIGITS))
        assert trainer.read(60, wake)
        old = process_of(mortal)
        old.kill()
        wait_until_gone([old])

        mortal.revive()

        assert process_of(mortal) != old
        mortal.wait_until_ready(120)
        with mortal.fork(SLOT) as another:
            assert another.is_alive
        assert trainer.is_alive
        assert trainer.reap(60)
        assert trainer.exit_status() is None  # nobody was there to see


def test_a_zygote_that_is_stopped_is_given_up(mortal, monkeypatch):
    monkeypatch.setattr("worker.processes.zygote.FORK_TIMEOUT_S", 0.2)
    process_of(mortal).suspend()

    with pytest.raises(ZygoteGone, match="does not answer"):
        mortal.fork(SLOT)

    mortal.revive()
    mortal.wait_until_ready(120)
    mortal.fork(SLOT).close()


def test_without_a_zygote_that_is_ready_nothing_is_forked(data_folder):
    made = Zygote(data_folder)
    made.start()
    try:
        with pytest.raises(ZygoteGone, match="not ready"):
            made.fork(SLOT)
    finally:
        made.stop()


def test_a_zygote_that_cannot_start_says_why(data_folder, monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made = Zygote(data_folder)
    made.start()
    try:
        with pytest.raises(ZygoteGone, match="libcudart is missing"):
            made.wait_until_ready(120)
    finally:
        made.stop()


def test_a_fork_has_no_secrets_and_its_own_device(zygote, monkeypatch):
    slot = Slot(0, Device("cuda", "GPU", uuid="GPU-42"), threads=1)

    assert slot.environment() == {"CUDA_VISIBLE_DEVICES": "GPU-42"}
    environment = process_of(zygote).environ()
    assert not [name for name in environment if name.startswith("TRAINYARD_")]


def test_forks_talk_to_each_other_within_the_host_only(zygote):
    environment = process_of(zygote).environ()

    assert {environment[f"{library}_SOCKET_IFNAME"] for library in ("GLOO", "NCCL")} == {"lo"}


def test_a_full_disk_is_a_reason_to_fork_nothing(zygote, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)

    with pytest.raises(ZygoteGone, match=r"cannot fork \(No space left on device\)"):
        zygote.fork(SLOT)


@pytest.mark.parametrize("memory_kills", [0, 1])
def test_a_fork_that_was_probably_killed_for_its_memory_says_so(
    zygote, data_folder, monkeypatch, memory_kills
):
    with zygote.fork(SLOT) as trainer:
        trainer.give(order(trainer, data_folder, LONG_DIGITS))
        before = out_of_memory.kills()
        monkeypatch.setattr(out_of_memory, "kills", lambda: before + memory_kills)
        os.kill(trainer.process_id, signal.SIGKILL)
        assert trainer.wait(60)

        reason = trainer.end_reason()

    assert reason.code == (
        "process.killed_for_memory" if memory_kills else "process.ended_by_signal"
    )
    assert "SIGKILL" in reason.text


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_fork_says_where_it_is_even_if_it_was_stopped(zygote, data_folder, wake, is_stopped):
    with zygote.fork(SLOT) as trainer:
        trainer.give(order(trainer, data_folder, LONG_DIGITS))
        wait_until(lambda: trainer.pulse.read().phase == "training", "it trains")
        if is_stopped:
            os.kill(trainer.process_id, signal.SIGSTOP)

        trainer.dump_stacks()

        wait_until(lambda: "in run" in trainer.stacks(), "it says where it is")
        assert trainer.is_alive


def test_the_pulse_of_a_fork_beats_as_it_trains(zygote, data_folder):
    with zygote.fork(SLOT) as trainer:
        assert trainer.pulse.read() == Beat("starting", 0)
        trainer.give(order(trainer, data_folder, LONG_DIGITS))
        wait_until(lambda: trainer.pulse.read().phase == "training", "it trains")
        before = trainer.pulse.read().number

        wait_until(lambda: trainer.pulse.read().number > before + 100, "it gets on")
