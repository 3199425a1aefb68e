"""The trainers of one run as one: their reports, and that the end of one is the end of all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import psutil
import pytest

from core.protocol.orders import Order
from core.protocol.pulse import Pulse
from core.protocol.reports import Failed, Finished, Line, Saved, Stopped
from core.spec.presets import resolve
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import LONG_DIGITS, QUICK_DIGITS
from worker.devices import Device
from worker.processes.group import ECHO_S, Group, gather
from worker.processes.pipe import WakeupPipe
from worker.processes.trainer import Trainer
from worker.slots import Slot

STARTS = """
import json, os, signal, socket, sys, time
connection = socket.socket(fileno=int(sys.argv[1]))
lines = connection.makefile("rb")
def say(kind, **values):
    connection.sendall(json.dumps({"kind": kind, **values}).encode() + b"\\n")
def fail(kind, text):
    say("failed", error_kind=kind, reason={"code": "text", "params": {"text": text}})
"""
HANGS = "time.sleep(600)"
ECHO = "fail('RuntimeError', 'Connection closed by peer')"


WAIT = "lines.readline(); "


class Clock:
    """A clock that stands still until a test sets it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def release(group, rank):
    """Let a rank's script go past its `WAIT`."""
    group._trainers[rank].ask_to_stop("save")


def read_until_failed(group, wake, count=1):
    """Read until so many failures have arrived, none of which ends the run yet."""
    while len(group._failures) < count:
        assert group.read(60, wake) == []


def order(**changes):
    spec = resolve("quick", QUICK_DIGITS)
    values = {"spec": spec, "data": "/data", "scratch": "/none", "device": "cpu", "threads": 1}
    return Order(**values | changes)


@pytest.fixture
def wake():
    readable, writable = os.pipe()
    yield readable
    os.close(readable)
    os.close(writable)


@pytest.fixture
def clock():
    """The clock of the groups that a test makes."""
    return Clock()


@pytest.fixture
def scripted(tmp_path, clock):
    """Makes a group whose trainers run scripts."""
    with ExitStack() as stack:

        def start(*scripts):
            trainers = [
                trainer_of(stack, script, tmp_path / f"rank-{rank}")
                for rank, script in enumerate(scripts)
            ]
            return stack.enter_context(Group(trainers, clock))

        yield start


def trainer_of(stack, script, scratch):
    """A trainer whose process runs a script, and whose exit status is unknown."""
    ours, theirs = socket.socketpair()
    line, lifeline = os.pipe()
    status, status_end = os.pipe()
    scratch.mkdir()
    with theirs, (scratch / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", STARTS + script, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdout=output,
            stderr=output,
            cwd=scratch,
            start_new_session=True,
        )
    stack.callback(process.wait)
    for descriptor in (line, status_end):
        os.close(descriptor)
    return Trainer(
        process.pid,
        pidfd=os.pidfd_open(process.pid),
        connection=ours,
        status=status,
        lifeline=lifeline,
        pulse=Pulse(),
        scratch=scratch,
    )


@pytest.fixture
def forked(zygote):
    """Two forks of a zygote that wait for an order."""
    slots = [Slot(number, Device("cpu", "CPU"), threads=1) for number in range(2)]
    trainers = [zygote.fork(slot) for slot in slots]
    with Group(trainers) as group:
        yield group, [psutil.Process(trainer.process_id) for trainer in trainers]


def read_to_the_end(group, wake):
    """All reports, up to the last one or the end of a process, which stands as None."""
    reports = []
    while True:
        more = group.read(60, wake)
        if more is None:
            return [*reports, None]
        reports += more
        if any(isinstance(report, Finished | Failed | Stopped) for report in more):
            return reports


def said(reports):
    """Reports, of which the lines of the log are only their texts."""
    return [report.text if isinstance(report, Line) else report for report in reports]


def test_a_group_of_one_is_the_trainer_itself(zygote):
    with zygote.fork(Slot(0, Device("cpu", "CPU"), threads=1)) as trainer:
        assert gather([trainer]) is trainer


def test_each_gets_its_own_part_of_the_order_and_one_place_to_meet(scripted):
    keeps = "open('order', 'wb').write(lines.readline()); os.rename('order', 'kept'); " + HANGS
    group = scripted(keeps, keeps)

    group.give(order(resume_from="/data/resume-from.pt"))

    folders = [group.scratch, group.scratch.parent / "rank-1"]
    wait_until(lambda: all((each / "kept").exists() for each in folders), "both have orders")
    first, second = (Order.model_validate_json((each / "kept").read_text()) for each in folders)
    assert [(each.rank, each.world_size) for each in (first, second)] == [(0, 2), (1, 2)]
    assert [first.scratch, second.scratch] == folders
    assert first.rendezvous == second.rendezvous == group.scratch / "rendezvous"
    assert first.resume_from == second.resume_from
    assert not first.rendezvous.exists()


def test_only_rank_0_reports_and_with_its_last_report_the_others_end(scripted, wake):
    other = "say('stopped'); " + HANGS
    group = scripted(WAIT + "say('line', text='of rank 0'); say('stopped')", other)
    assert group.read(60, wake) == []
    release(group, 0)

    assert said(read_to_the_end(group, wake)) == ["of rank 0", Stopped()]
    assert group.wait(60)
    assert not group.is_alive


def test_a_snapshot_of_another_rank_is_none_of_the_run(scripted, wake):
    other = "say('saved', epoch=1, step=1, path='/x'); " + HANGS
    group = scripted(WAIT + "say('stopped')", other)
    assert group.read(60, wake) == []
    release(group, 0)

    assert not any(isinstance(report, Saved) for report in read_to_the_end(group, wake))


def test_the_failure_of_another_rank_ends_the_run_and_names_it(scripted, wake):
    group = scripted(HANGS, "fail('out_of_memory', 'The memory is full.'); " + HANGS)

    [failed] = read_to_the_end(group, wake)

    assert (failed.error_kind, failed.reason.text) == (
        "out_of_memory",
        "Rank 1: The memory is full.",
    )
    assert group.wait(60)


def test_the_failure_of_rank_0_stays_as_it_is(scripted, wake):
    group = scripted("fail('diverged', 'The loss is no number.')", HANGS)

    [failed] = read_to_the_end(group, wake)

    assert failed.reason.text == "The loss is no number."
    assert group.wait(60)


def test_a_rank_that_ends_without_a_report_ends_all(scripted, wake):
    group = scripted("say('line', text='x'); " + HANGS, "print('a library says why'); sys.exit(3)")

    reports = read_to_the_end(group, wake)

    assert [text for text in said(reports) if text is not None] in ([], ["x"])
    assert group.read(60, wake) is None
    assert group.wait(60)
    assert group.end_reason().text.startswith("Rank 1: The training process ended")
    assert group.output_tail() == "a library says why"


@pytest.mark.parametrize("rank", [0, 1])
def test_how_a_killed_rank_ended_is_known(forked, wake, rank):
    group, processes = forked
    processes[rank].kill()

    assert read_to_the_end(group, wake) == [None]

    assert group.wait(60)
    wait_until_gone(processes)
    assert group.end_reason().text == f"Rank {rank}: The training process was ended by SIGKILL."


def test_the_report_of_a_broken_connection_gives_way_to_the_end_that_broke_it(scripted, wake):
    group = scripted(ECHO + "; " + HANGS, WAIT + "os.kill(os.getpid(), signal.SIGSEGV)")
    read_until_failed(group, wake)
    release(group, 1)

    assert read_to_the_end(group, wake) == [None]

    assert group.end_reason().params["rank"] == 1


@pytest.mark.parametrize(
    ("cause", "text"),
    [(1, "Rank 1: The disk is full."), (0, "The disk is full.")],
    ids=["of rank 1", "of rank 0"],
)
def test_the_report_of_a_broken_connection_gives_way_to_its_cause(scripted, wake, cause, text):
    scripts = [ECHO, ECHO]
    scripts[cause] = WAIT + "fail('storage', 'The disk is full.')"
    group = scripted(*scripts)
    read_until_failed(group, wake)
    release(group, cause)

    assert read_to_the_end(group, wake)[-1].reason.text == text


def test_a_rank_that_is_left_because_rank_0_was_stopped_has_not_failed(scripted, wake):
    group = scripted(WAIT + "say('stopped')", ECHO)
    read_until_failed(group, wake)
    group.ask_to_stop("save")

    assert read_to_the_end(group, wake) == [Stopped()]


@pytest.mark.parametrize("is_alone", [True, False], ids=["the others hang", "nobody is left"])
def test_where_no_cause_arrives_the_first_failure_counts(scripted, wake, clock, is_alone):
    group = scripted(HANGS if is_alone else ECHO, ECHO)
    if is_alone:
        read_until_failed(group, wake)
        clock.now += ECHO_S

    [failed] = read_to_the_end(group, wake)

    assert failed.reason.text.endswith("Connection closed by peer")
    assert group.wait(60)


def test_only_rank_0_is_asked_to_stop(scripted, wake):
    other = "say('line', text='x'); fail('asked', lines.readline().decode())"
    group = scripted("say('line', text=lines.readline().decode()); say('stopped')", other)

    group.ask_to_stop("save")

    assert said(read_to_the_end(group, wake)) == ["save\n", Stopped()]


def test_a_reading_ends_when_its_time_is_over(scripted, wake):
    assert scripted(HANGS, HANGS).read(0.05, wake) == []


def test_a_reading_ends_when_it_is_woken(scripted):
    group, pipe, results = scripted(HANGS, HANGS), WakeupPipe(), []
    reading = threading.Thread(target=lambda: results.append(group.read(3600, pipe.descriptor)))
    reading.start()

    pipe.set()

    reading.join(60)
    assert results == [[]]
    pipe.close()


def test_a_group_is_gone_only_when_each_of_its_processes_is(forked):
    group, processes = forked
    os.kill(processes[0].pid, signal.SIGKILL)
    wait_until_gone(processes[:1])

    assert group.is_alive
    assert not group.wait(0.1)
    assert group.reap(60)
    assert not group.is_alive
    wait_until_gone(processes)


def test_at_the_end_no_process_and_no_file_is_left(zygote):
    trainers = [zygote.fork(Slot(n, Device("cpu", "CPU"), threads=1)) for n in range(2)]
    processes = [psutil.Process(trainer.process_id) for trainer in trainers]

    with Group(trainers):
        pass

    wait_until_gone(processes)
    assert not any(trainer.scratch.exists() for trainer in trainers)


def test_each_rank_of_a_group_says_where_it_is(forked, data_folder):
    group, _ = forked
    spec = resolve("quick", LONG_DIGITS | {"device": "cpu", "devices": 2})
    group.give(order(spec=spec, data=data_folder))
    wait_until(lambda: group.pulse.read().phase == "training", "they train")

    group.dump_stacks()

    wait_until(lambda: group.stacks().count("most recent call first") >= 2, "both answer")
    assert group.stacks().startswith("Rank 0:\n")
    assert "\nRank 1:\n" in group.stacks()
