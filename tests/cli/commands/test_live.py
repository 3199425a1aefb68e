"""The queue and the workers, live."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from core.jobs import claim
from tests.services import wait_until


def test_one_picture_has_what_runs_what_waits_and_who_works(trainyard, database, claimant):
    trainyard("submit", "--name", "first")
    claim.claim(database, claimant, 30)
    trainyard("submit", "--name", "second")

    shown = trainyard("top", "--once")

    assert shown.exit_code == 0, shown.output
    running, _, rest = shown.stdout.partition("Waiting")
    waiting, _, workers = rest.partition("Workers")
    assert "first" in running
    assert "second" in waiting
    assert "ada" in workers


def by_key(terminal, _program):
    os.write(terminal, b"q")
    return 0


def by_signal(_terminal, program):
    program.terminate()
    return 128 + signal.SIGTERM


@pytest.mark.parametrize("leave", [by_key, by_signal])
def test_on_a_screen_it_follows_what_happens_until_it_is_left(trainyard, server_url, leave):
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "TRAINYARD_URL": server_url, "COLUMNS": "200"}
    program = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "top"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    seen = []
    reader = threading.Thread(target=_read, args=(ours, seen))
    reader.start()
    try:
        wait_until(lambda: "No run waits" in "".join(seen), "the first picture", timeout=120)
        trainyard("submit", "--name", "later")
        wait_until(lambda: "later" in "".join(seen), "the run is shown", timeout=120)
        status = leave(ours, program)
        assert program.wait(timeout=120) == status
        restored = ("\x1b[?25h", "\x1b[?1049l")  # the cursor, and what was on the screen before
        wait_until(lambda: all(each in "".join(seen) for each in restored), "the screen is back")
    finally:
        program.kill()
        program.wait()
        reader.join()
        os.close(ours)


def _read(terminal, seen):
    while True:
        try:
            seen.append(os.read(terminal, 1 << 16).decode(errors="replace"))
        except OSError:  # the other side is closed
            return
