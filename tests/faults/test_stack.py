"""The embedded stack, `trainyard up`, as a real process."""

from __future__ import annotations

import contextlib
import signal
import sys

import httpx
import psutil
import pytest

from cli.stack import endpoint
from cli.stack.ports import free_port
from core.settings import Settings
from tests.faults.conftest import VARIANT, Program
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import LONG_DIGITS, QUICK_DIGITS


@pytest.fixture
def stack(tmp_path, data_folder):
    """An embedded stack that is not started yet."""
    settings = Settings(home=tmp_path / "home", data=data_folder, port=free_port())
    program = Program([sys.executable, "-m", "cli.main", "up"], settings, tmp_path / "up.log")
    program.only_set("HOME", "DATA", "PORT")
    program.home = settings.home
    program.url = f"http://127.0.0.1:{settings.port}"
    yield program
    program.end()


def up(stack):
    process = stack.start()
    wait_until(lambda: endpoint.find_running(stack.home), f"it is up; {stack.log}", 60)
    return process


def test_everything_stops_with_it_and_the_next_one_carries_on(stack):
    process = up(stack)
    api = f"{stack.url}/api/v1"
    body = {"name": "long", "preset": "quick", "spec": LONG_DIGITS}
    job = httpx.post(f"{api}/jobs", json=body).json()
    behind = httpx.post(f"{api}/jobs", json=body | {"spec": QUICK_DIGITS}).json()
    wait_until(lambda: httpx.get(f"{api}/jobs/{job['id']}").json()["progress"]["epoch"] > 1, "runs")
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGINT)

    assert process.wait(40) == 0
    wait_until_gone(children)
    assert endpoint.find_running(stack.home) is None

    up(stack)
    states = {j["id"]: j["state"] for j in httpx.get(f"{api}/jobs").json()["items"]}
    assert states[job["id"]] in ("queued", "running")
    assert states[behind["id"]] == "queued"
    wait_until(lambda: httpx.get(f"{api}/jobs/{job['id']}").json()["attempt"] == 2, "runs again")
    httpx.post(f"{api}/jobs/{job['id']}/cancel")
    wait_until(
        lambda: httpx.get(f"{api}/jobs/{behind['id']}").json()["state"] == "succeeded",
        "the one behind runs too",
    )


@pytest.mark.parametrize("name", [pytest.param("webui", marks=VARIANT), "worker"])
def test_a_child_that_dies_is_started_again_and_a_line_says_so(stack, name):
    process = up(stack)

    def child():
        for found in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.Error):  # it may end while we look
                if name in found.cmdline():
                    return found
        return None

    first = child()
    first.kill()

    wait_until(lambda: (again := child()) and again.pid != first.pid, f"{name} is started again")
    wait_until(lambda: httpx_answers(stack.url), "it serves again")
    assert "ended unexpectedly (SIGKILL)" in " ".join(stack.log.read_text().split())


def httpx_answers(url):
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def test_a_second_one_says_where_the_first_is_and_what_to_do_about_a_taken_port(stack, tmp_path):
    up(stack)
    log = tmp_path / "second.log"
    of_the_same_home = Program(stack._command, Settings(home=stack.home), log)

    assert of_the_same_home.start().wait(60) == 1
    assert stack.url in " ".join(log.read_text().split())

    port = int(stack.url.rpartition(":")[2])
    log = tmp_path / "third.log"
    on_its_port = Program(stack._command, Settings(home=tmp_path / "other", port=port), log)

    assert on_its_port.start().wait(60) == 1
    assert f"Port {port} is taken" in log.read_text()
    assert "TRAINYARD_PORT" in log.read_text()


def test_children_of_a_killed_stack_end_by_themselves(stack):
    process = up(stack)
    children = psutil.Process(process.pid).children(recursive=True)

    process.kill()

    wait_until_gone(children)
    process.wait()
