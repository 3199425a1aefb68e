"""A signal to end is answered, also while a service is not."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import time
from cli import stopping
stopping.LONGEST_S = 0.2
with stopping.waited_for() as stop:
    print("ready", flush=True)
    {body}
print("the end", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("body", "last"),
    [("stop.wait()", "the end\n"), ("time.sleep(3600)", "")],
    ids=["well", "stuck"],
)
def test_what_waits_for_a_service_that_does_not_answer_ends_all_the_same(number, body, last):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout.readline() == "ready\n"

    program.send_signal(number)

    assert program.communicate(timeout=120)[0] == last
    assert program.returncode == 0
