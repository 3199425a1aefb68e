"""Trainers that hang, as real processes: they are noticed, asked where they are, and ended."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from core import queries
from core.jobs import snapshots
from tests.services import is_gone
from tests.worker.conftest import LONG_DIGITS, ready_zygote
from tests.worker.supervisor.test_supervisor import (
    look,
    rows,
    running,
    trainers,
    wait_for_progress,
)
from worker.processes import zygote as zygotes
from worker.processes.spares import Spares
from worker.supervisor import progress
from worker.supervisor.progress import ProgressWatch

STUCK = Path(__file__).with_name("stuck_zygote.py")


@pytest.fixture
def database_kind():
    """What hangs is the same whatever the database."""
    return "sqlite"


@pytest.fixture
def impatience(monkeypatch):
    """Makes every trainer that is silent for a moment one that hangs, from the call on."""
    monkeypatch.setattr(progress, "LOOK_EVERY_S", 0.1)

    def begin():
        monkeypatch.setattr(ProgressWatch, "_limit_s", lambda self, phase: 0.5)

    return begin


@pytest.fixture
def with_grace(context):
    def give(seconds):
        changed = context.settings.model_copy(update={"grace_seconds": seconds})
        object.__setattr__(context, "settings", changed)

    return give


def the_end(database, job):
    """The job as it waits for its next try, its attempt, and the lines of its log."""
    waiting = look(database, job.id)
    [attempt] = [row for row, _worker in rows(database, queries.attempts, job.id)]
    return waiting, attempt, [row.text for row in rows(database, queries.logs, job.id)]


def test_a_stopped_trainer_is_ended_with_a_snapshot_and_tried_again(
    context, database, submit, impatience, with_grace
):
    with_grace(60.0)  # so that it has the time to answer
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        [trainer] = trainers(context)
        os.kill(trainer.pid, signal.SIGSTOP)
        impatience()
        thread.join(90)
        assert not thread.is_alive()

    waiting, attempt, log = the_end(database, job)
    assert (waiting.state, waiting.crashes) == ("queued", 1)
    assert waiting.available_at > waiting.created_at
    assert (attempt.outcome, attempt.reason.code) == ("crashed", "process.hung")
    assert any("seems to hang" in line for line in log)
    assert any("most recent call first" in line for line in log)
    assert is_gone(trainer)
    with database.reading() as session:
        [snapshot, *_] = snapshots.newest_first(session, job.id)
    assert snapshot.step == waiting.secured_step > 0


@pytest.fixture
def stuck_file(tmp_path, monkeypatch):
    """While it is there, steps do not end."""
    path = tmp_path / "stuck"
    monkeypatch.setenv("STUCK_FILE", str(path))
    return path


@pytest.fixture
def stuck_zygote(data_folder, stuck_file, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {STUCK} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(zygotes, "sys", SimpleNamespace(executable=str(program)))
    with ready_zygote(data_folder) as made:
        yield made


def test_a_trainer_stuck_in_a_step_says_where_and_is_killed(
    context, stuck_zygote, stuck_file, database, submit, impatience, with_grace
):
    object.__setattr__(context, "spares", Spares(stuck_zygote))
    with_grace(0.5)
    job = submit(LONG_DIGITS)
    with running(context) as thread:
        wait_for_progress(database, job)
        stuck_file.touch()
        impatience()
        thread.join(60)
        assert not thread.is_alive()
    context.spares.end()

    waiting, attempt, log = the_end(database, job)
    assert (waiting.state, waiting.crashes) == ("queued", 1)
    assert attempt.reason.code == "process.hung"
    assert attempt.reason.params["phase"] == "training"
    assert any("in take_or_hang" in line for line in log)
    assert any("was killed" in line for line in log)
