"""Several processes of the web server are one: to whoever asks, counts, stops or kills it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.stack.ports import free_port
from core import scratch
from core.accounts import invitations, people, tokens
from core.database.engine import Database
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec import presets
from tests.services import wait_until
from tests.webui.people import PASSWORD, hash_quickly
from webui.processes import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    STEADY_AFTER_S,
    Place,
    Processes,
    listening,
)

ROOT = Path(__file__).parents[2]
COUNT = 2


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


class Several:
    """A server of several processes."""

    def __init__(self, settings, log: Path):
        self.log = log
        self.address = f"http://127.0.0.1:{settings.port}"
        with log.open("wb") as output:
            self.first = subprocess.Popen(
                [sys.executable, "-m", "webui"],
                cwd=ROOT,
                env=os.environ | settings.environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def others(self) -> list[psutil.Process]:
        """Those that answer."""
        return psutil.Process(self.first.pid).children()

    def busy(self) -> Counter[int]:
        """How many connections each has."""
        return Counter(
            {
                each.pid: sum(
                    one.status == "ESTABLISHED" and one.laddr.port == self.port
                    for one in each.net_connections("tcp")
                )
                for each in self.others()
            }
        )

    @property
    def port(self) -> int:
        """Where all of them listen."""
        return int(self.address.rpartition(":")[2])

    def get(self, path: str, **options) -> httpx.Response:
        """An answer, over a connection of its own."""
        return httpx.get(f"{self.address}{path}", timeout=20, trust_env=False, **options)

    def answers(self) -> bool:
        """Whether one serves."""
        with contextlib.suppress(httpx.TransportError):
            return self.get("/healthz").is_success
        return False

    def samples(self) -> dict[tuple, float]:
        """What `/metrics` tells."""
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
        }


@contextlib.contextmanager
def several(settings, tmp_path, **more):
    chosen = settings.model_copy(update={"port": free_port(), "web_processes": COUNT, **more})
    made = Several(chosen, tmp_path / "web.log")
    try:
        wait_until(made.answers, "it serves")
        yield made
    finally:
        made.first.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            made.first.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(made.first.pid, signal.SIGKILL)
        made.first.wait()


@pytest.fixture
def server(settings, tmp_path, database):
    with several(settings, tmp_path) as made:
        yield made


@contextlib.contextmanager
def held(server, count):
    """Connections that have been taken, and ask for nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 20))
        yield


def test_all_processes_answer_on_one_port_each_as_it_is_free(server):
    def are_shared():
        with held(server, 20):
            wait_until(lambda: server.busy().total() == 20, "all are taken")
            return min(server.busy().values()) > 0

    wait_until(are_shared, "each has taken some")


def test_one_that_dies_is_replaced_and_whoever_asks_meanwhile_is_answered(server):
    first = {each.pid for each in server.others()}
    os.kill(min(first), signal.SIGKILL)

    def is_replaced():
        assert server.get("/api/v1/jobs").status_code == 200
        now = {each.pid for each in server.others() if each.status() != psutil.STATUS_ZOMBIE}
        return len(now) == COUNT and len(now - first) == 1

    wait_until(is_replaced, "another has come")
    assert "web_process_ended" in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_none_outlives_the_first(server, database, number):
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=presets.resolve("quick", {}))
    others = server.others()
    with (
        httpx.Client(base_url=server.address, timeout=20, trust_env=False) as browser,
        browser.stream("GET", f"/api/v1/jobs/{job.id}/events") as response,
    ):
        lines = response.iter_lines()
        assert any(line == "event: job" for line in lines)
        server.first.send_signal(number)
        with contextlib.suppress(httpx.RemoteProtocolError):  # it is cut off by a kill
            assert "event: end" not in list(lines)

    assert server.first.wait(20) == (-number if number == signal.SIGKILL else 0)
    wait_until(lambda: not any(each.is_running() for each in others), "all are gone")
    assert "Traceback" not in server.log.read_text()


def test_a_share_of_requests_is_one_over_all_processes(settings, tmp_path, database, monkeypatch):
    hash_quickly(monkeypatch)
    secret = invitations.invite(database, people.CONSOLE, "member")
    ada = people.as_actor(invitations.accept(database, secret, "ada", PASSWORD))
    text, _ = tokens.make(database, ada, "tests", "read", None)
    with several(settings, tmp_path, accounts="shared", requests_per_minute=3) as server:
        headers = {"Authorization": f"Bearer {text}"}
        answered = Counter(
            server.get("/api/v1/me", headers=headers).status_code for _ in range(4 * COUNT)
        )

    assert answered == {200: 3, 429: 4 * COUNT - 3}


def test_what_they_count_is_told_as_one_by_whichever_is_asked(server, database: Database):
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stream = httpx.stream("GET", f"{server.address}/api/v1/events", timeout=20)
            stack.enter_context(stream)
        wait_until(lambda: server.samples()["trainyard_streams",] == 6, "all are counted")
    wait_until(lambda: server.samples()["trainyard_streams",] == 0, "none is left")

    for _ in range(20):
        server.get("/api/v1/jobs")
    lifecycle.submit(database, LOCAL_OWNER, name="x", spec=presets.resolve("quick", {}))
    looks = [server.samples() for _ in range(10)]

    route = "trainyard_http_requests_total", *sorted(("GET", "/api/v1/jobs", "200"))
    assert {each[route] for each in looks} == {20}
    assert {each["trainyard_run_events_total", "submitted"] for each in looks} == {1}
    assert {each["trainyard_run_events_total", "lost"] for each in looks} == {0}
    ended = ("trainyard_housekeeping_timestamp_seconds",)
    wait_until(lambda: server.samples()[ended] > 0, "each has kept house")


def test_what_one_that_died_had_counted_is_not_lost_and_its_streams_are(server):
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stream = httpx.stream("GET", f"{server.address}/api/v1/events", timeout=20)
            stack.enter_context(stream)
        for _ in range(20):
            server.get("/api/v1/jobs")
        for each in server.others():
            each.kill()
        wait_until(server.answers, "others serve")

    wait_until(lambda: server.samples()["trainyard_streams",] == 0, "none is left")
    route = "trainyard_http_requests_total", *sorted(("GET", "/api/v1/jobs", "200"))
    assert server.samples()[route] == 20


def test_nothing_is_left_of_what_they_counted(settings, tmp_path, database, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with several(settings, tmp_path):
        assert scratch.sweep(0) == 0, "it is theirs"
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []

    with several(settings, tmp_path) as killed:
        os.killpg(killed.first.pid, signal.SIGKILL)
        killed.first.wait()
        wait_until(lambda: scratch.sweep(0) == 1, "it is swept where all were killed")


def test_none_outlives_the_first_though_it_hangs(server):
    others = server.others()
    for each in others:
        each.suspend()

    server.first.kill()
    server.first.wait()

    wait_until(lambda: not any(each.is_running() for each in others), "all are gone")


def test_a_server_that_cannot_work_here_ends_and_says_so(settings, tmp_path):
    (tmp_path / "a file").touch()
    chosen = settings.model_copy(
        update={"home": tmp_path / "a file", "secret_key": "", "port": free_port()}
    )
    refused = Several(chosen.model_copy(update={"web_processes": COUNT}), tmp_path / "web.log")

    assert refused.first.wait(60) == 1
    assert "No web process can serve here" in refused.log.read_text()


def test_a_process_that_cannot_be_started_is_tried_again_later(monkeypatch):
    several = Processes(1, [], lambda _sockets: None)

    def refuse():
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(os, "fork", refuse)
    several._start_due(100.0)

    [place] = several._places
    assert place.pid is None
    assert place.start_at == 100.0 + FIRST_BACKOFF_S
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGTERM, signal.SIGINT}


def test_a_port_that_is_taken_is_told_in_a_sentence(settings, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = settings.model_copy(update={"port": port, "web_processes": COUNT})
        refused = Several(chosen, tmp_path / "web.log")
        assert refused.first.wait(60) == 1

    assert f"Port {port} of 127.0.0.1 cannot be had" in refused.log.read_text()
    assert "Traceback" not in refused.log.read_text()


def test_both_families_of_addresses_are_listened_on_where_a_host_has_both():
    opened = listening("localhost", 0)
    try:
        known = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)
        assert {each.family for each in opened} == {found[0] for found in known}
    finally:
        for each in opened:
            each.close()


def test_one_that_ends_again_and_again_is_started_ever_more_seldom():
    place = Place(started_at=100.0)

    pauses = [place.lose(101.0) for _ in range(8)]

    assert pauses[:3] == [FIRST_BACKOFF_S, 2 * FIRST_BACKOFF_S, 4 * FIRST_BACKOFF_S]
    assert pauses[-1] == LONGEST_BACKOFF_S
    assert place.lose(101.0 + STEADY_AFTER_S) == FIRST_BACKOFF_S
