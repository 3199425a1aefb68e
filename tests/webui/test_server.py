"""The server: who sends or reads slowly, or not at all, holds up nobody; a stop is a good one."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from flask import Response, request

from cli.stack.ports import free_port
from core import queries, workers
from core.database.clock import now
from core.database.models import Artifact
from core.jobs import claim, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.spec import presets
from core.storage import store
from core.workers import WorkerFacts
from tests.services import wait_until
from tests.serving import serving, serving_with
from webui import bridge, context
from webui import server as server_module
from webui.app import create_app

THREADS = 4
ROOT = Path(__file__).parents[2]


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"web_threads": THREADS})


@contextlib.contextmanager
def connections(address, count, text):
    """Connections that have sent this much, and send no more."""
    place = urlsplit(address)
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            made = stack.enter_context(socket.create_connection((place.hostname, place.port), 20))
            made.sendall(text.encode())
            opened.append(made)
        yield opened


HALVES = {
    "a head": "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "a body": "POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    'Content-Length: 100\r\n\r\n{"name": ',
    "a part of a body": "POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{",
    "nothing": "",
}


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_who_sends_half_a_request_holds_up_nobody(served, browser, sent):
    with connections(served[1], 3 * THREADS, sent):
        assert browser.get("/healthz").status_code == 200
        assert browser.get("/").status_code == 200


def test_a_head_that_does_not_come_is_waited_for_only_so_long(app, monkeypatch):
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_S", 0.05)
    with serving(app) as (_, address), connections(address, 1, HALVES["a head"]) as [half]:
        assert half.recv(1) == b""


@pytest.mark.parametrize("blank", ["\r\n", "\n", "\r\n\r\n"])
def test_who_sends_blank_lines_alone_after_an_answer_is_waited_for_only_so_long(
    app, monkeypatch, blank
):
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_S", 0.05)
    text = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(app) as (_, address), connections(address, 1, text) as [idle]:
        answer = b""
        while b'"ok"' not in answer:
            answer += idle.recv(65536)
        idle.sendall(blank.encode())
        while idle.recv(65536):
            pass  # the rest of the answer, then the end


def test_a_body_that_does_not_come_is_waited_for_only_so_long(app, monkeypatch):
    monkeypatch.setattr(bridge, "BODY_TIMEOUT_S", 0.05)
    with serving(app) as (_, address), connections(address, 1, HALVES["a body"]) as [half]:
        assert half.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_cut_off(served):
    text = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with connections(served[1], 1, text) as [endless], contextlib.suppress(ConnectionError):
        for number in range(10_000):
            endless.sendall(f"X-{number}: {'y' * 100}\r\n".encode())
        pytest.fail("it was read to the end")


@pytest.fixture
def large_file(database, storage, settings, tmp_path):
    """The address of a file that fits into no buffer."""
    (tmp_path / "large").write_bytes(os.urandom(8 << 20))
    blob = store.connect(settings.storage_address).put(tmp_path / "large")
    spec = presets.resolve("quick", {})
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec)
    with database.writing() as session:
        row = Artifact(
            job_id=job.id,
            attempt=1,
            epoch=1,
            format="pt",
            kind="checkpoint",
            filename="x.pt",
            sha256=blob.sha256,
            size=blob.size,
            created_at=now(),
        )
        session.add(row)
        session.flush()
        return f"/api/v1/artifacts/{row.id}/download"


def test_who_reads_slowly_holds_up_nobody_and_gets_all_of_it(served, browser, large_file, tmp_path):
    request = f"GET {large_file} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with connections(served[1], 3 * THREADS, request) as readers:
        for reader in readers:
            assert reader.recv(1)
        assert browser.get("/").status_code == 200
        answer = b"".join(iter(lambda: readers[0].recv(1 << 20), b""))

    assert answer.endswith((tmp_path / "large").read_bytes())
    assert browser.get(large_file).content == (tmp_path / "large").read_bytes()


def test_who_leaves_during_a_download_lets_go_of_the_file(served, browser, large_file, tmp_path):
    with browser.stream("GET", large_file) as response:
        next(response.iter_raw())
    files = [str(path) for path in (tmp_path / "storage").rglob("*") if path.is_file()]

    def is_open():
        return [each for each in psutil.Process().open_files() if each.path in files]

    wait_until(lambda: not is_open(), "the file is closed")


def test_more_viewers_than_threads_are_served(served, browser, database, hub):
    spec = presets.resolve("quick", {})
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec)
    text = f"GET /api/v1/jobs/{job.id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connections(served[1], 10 * THREADS, text):
        wait_until(lambda: hub.connections == 10 * THREADS, "all of them watch")
        assert browser.get("/healthz").status_code == 200
    assert browser.get("/healthz").status_code == 200  # at once, however many are still leaving
    wait_until(lambda: hub.connections == 0, "all of them have left")


@pytest.fixture
def gate(app):
    """An address that answers when it is let, and what was asked of it."""
    asked, may_answer = [], threading.Event()

    def answer(name):
        asked.append(name)
        may_answer.wait(20)
        return name

    app.add_url_rule("/gate/<name>", "gate", answer)
    yield asked, may_answer
    may_answer.set()


def test_a_request_whose_sender_leaves_before_its_turn_is_not_begun(gate, served, browser):
    asked, may_answer = gate
    requests = served[0].server_state.tasks
    text = "GET /gate/{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connections(served[1], THREADS, text.format("first")):
        wait_until(lambda: len(asked) == THREADS, "all threads are busy")
        with connections(served[1], 3 * THREADS, text.format("left")):
            wait_until(lambda: len(requests) == 4 * THREADS, "they wait for a thread")
        wait_until(lambda: len(requests) == THREADS, "they have left")
        may_answer.set()
        assert browser.get("/gate/last").text == "last"

    assert asked == ["first"] * THREADS + ["last"]


def test_an_answer_that_fails_in_its_middle_is_closed_and_cut_off(app, served, caplog):
    closed = threading.Event()

    class Parts:
        def __iter__(self):
            yield b"x" * bridge.PART_BYTES
            raise OSError("the disk is gone")

        def close(self):
            closed.set()

    def answer():
        length = str(2 * bridge.PART_BYTES)
        return Response(Parts(), headers={"Content-Length": length}, direct_passthrough=True)

    app.add_url_rule("/broken", "broken", answer)

    with pytest.raises(httpx.RemoteProtocolError), httpx.Client(trust_env=False) as client:
        client.get(f"{served[1]}/broken")
    assert closed.wait(20)
    assert "the disk is gone" in caplog.text


def test_a_viewer_who_asks_for_more_behind_a_stream_and_leaves_is_missed(served, database, hub):
    spec = presets.resolve("quick", {})
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec)
    text = f"GET /api/v1/jobs/{job.id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connections(served[1], 1, 2 * text):
        wait_until(lambda: hub.connections == 1, "it watches")
    wait_until(lambda: hub.connections == 0, "it has left")


def test_only_so_many_requests_wait_on_one_connection(served, browser):
    text = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with (
        connections(served[1], 1, 1000 * text) as [greedy],
        contextlib.suppress(ConnectionResetError),
    ):
        answered = b"".join(iter(lambda: greedy.recv(65536), b""))
        assert answered.count(b"HTTP/1.1 200") <= server_module.MOST_IN_LINE + 1
    assert browser.get("/healthz").status_code == 200


ECHOED = "/api/v1/echo"


@pytest.fixture
def echo(app):
    """An address that answers with what it was asked."""
    from flask import jsonify, request  # noqa: PLC0415

    def answer():
        return jsonify(
            path=request.path,
            query=request.args.to_dict(flat=False),
            headers=dict(request.headers),
            body=request.get_data().decode(),
            secure=request.is_secure,
        )

    app.config["WTF_CSRF_ENABLED"] = False
    app.add_url_rule(ECHOED, "echo", answer, methods=["GET", "POST"])
    app.add_url_rule(f"{ECHOED}/<path:rest>", "echo_more", lambda rest: answer())
    return app


def test_a_request_arrives_as_it_was_sent(echo, browser):
    found = browser.get(
        f"{ECHOED}/%C3%A4%2Fb c?x=1&x=%E2%82%AC", headers={"X-Some": "thing"}
    ).json()

    assert found["path"] == f"{ECHOED}/ä/b c"
    assert found["query"] == {"x": ["1", "€"]}
    assert found["headers"]["X-Some"] == "thing"
    assert not found["secure"]


def test_bodies_arrive_whole_in_one_piece_or_in_parts(echo, browser):
    body = "0123456789" * 50_000

    assert browser.post(ECHOED, content=body).json()["body"] == body
    parts = (body[start : start + 10_000].encode() for start in range(0, len(body), 10_000))
    assert browser.post(ECHOED, content=parts).json()["body"] == body


def test_a_body_that_is_too_large_is_refused(echo, browser):
    large = b"x" * (2 << 20)

    assert browser.post(ECHOED, content=large).status_code == 413
    parts = (large[start : start + 65536] for start in range(0, len(large), 65536))
    assert browser.post(ECHOED, content=parts).status_code == 413
    assert browser.get("/healthz").status_code == 200


def test_a_bulk_submit_may_be_larger(echo, browser):
    """It arrives, and what is wrong with it is named."""
    body = {"jobs": [], "x": "x" * (2 << 20)}

    assert browser.post("/api/v1/jobs/bulk", json=body).status_code == 422
    assert browser.post("/api/v1/jobs/bulk", json=body | {"y": "y" * (3 << 20)}).status_code == 413


def test_a_connection_outlives_a_body_that_was_refused(echo, served):
    """What is left of the body comes after the answer, in pieces larger than a head may be."""
    rest = bytes(2 << 20)
    head = f"POST {ECHOED} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(rest)}\r\n\r\n"
    with connections(served[1], 30, head) as senders:
        for sender in senders:
            sender.settimeout(20)
            assert b" 413 " in sender.recv(65536)
        for sender in senders:
            sender.sendall(rest)
        for sender in senders:
            sender.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            found = b""
            while b" 200 " not in found:
                piece = sender.recv(65536)
                assert piece, "the connection was closed"
                found += piece


def test_what_comes_behind_a_body_is_no_header(echo, served):
    text = (
        f"POST {ECHOED} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n"
    )
    with connections(served[1], 1, text) as [sender]:
        sender.settimeout(20)
        assert b"X-Late" not in sender.recv(65536)


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
    ],
)
def test_a_request_whose_end_could_be_read_in_two_ways_is_refused(echo, served, framing):
    text = (
        f"POST {ECHOED} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n0\r\n\r\n"
        "GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    )
    with connections(served[1], 1, text) as [sender]:
        sender.settimeout(20)
        found = b"".join(iter(lambda: sender.recv(65536), b""))

    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.count(b"HTTP/1.1 ") == 1


def test_a_header_with_an_underscore_stands_for_no_other(echo, browser):
    found = browser.get(ECHOED, headers={"X_Forwarded_Proto": "https"}).json()

    assert "X-Forwarded-Proto" not in found["headers"]


def test_a_connection_is_used_again(served):
    place = urlsplit(served[1])
    connection = http.client.HTTPConnection(place.hostname, place.port)
    with contextlib.closing(connection):
        for path in ("/healthz", "/nothing", "/"):
            connection.request("GET", path)
            first = connection.sock
            connection.getresponse().read()
            assert connection.sock is first


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_that_is_stopped_ends_its_streams_at_once_and_exits_in_good_order(
    settings, database, host, tmp_path
):
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=presets.resolve("quick", {}))
    chosen = settings.model_copy(update={"host": host, "port": free_port()})
    address = f"http://[{host}]:{chosen.port}" if ":" in host else f"http://{host}:{chosen.port}"
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "webui"],
            cwd=ROOT,
            env=os.environ | chosen.environment(),
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: answers(address), "it serves")
        with (
            httpx.Client(base_url=address, timeout=20, trust_env=False) as browser,
            browser.stream("GET", f"/api/v1/jobs/{job.id}/events") as response,
        ):
            lines = response.iter_lines()
            assert any(line == "event: job" for line in lines)
            process.send_signal(signal.SIGTERM)
            assert "event: end" not in list(lines)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (tmp_path / "web.log").read_text()


def answers(address):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{address}/healthz", trust_env=False).is_success


def test_two_servers_share_nothing(settings):
    with serving_with(settings) as (one, _), serving_with(settings) as (other, _):
        assert one.hub is not other.hub


def test_a_run_whose_worker_is_gone_is_taken_back_by_the_server_alone(settings, database):
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=presets.resolve("quick", {}))
    facts = WorkerFacts("gone", 1, "0", ["default"], [], 1)
    claimant = Claimant(workers.register(database, facts), ["default"])
    assert claim.claim(database, claimant, 0.1)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    with serving_with(settings.model_copy(update={"lease_seconds": 0.1})):
        wait_until(lambda: state_of(database, job) == "cancelled", "it is cancelled")


def state_of(database, job):
    with database.reading() as session:
        return queries.job(session, job.id)[0].state


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [((), "http from 127.0.0.1"), (("127.0.0.0/8",), "https from 192.0.2.7")],
    ids=["nobody", "named"],
)
def test_what_a_proxy_says_of_a_request_is_believed_where_it_is_named(settings, trusted, seen):
    app = create_app(settings.model_copy(update={"trusted_proxies": trusted}))
    app.add_url_rule("/seen", view_func=lambda: f"{request.scheme} from {request.remote_addr}")
    forwarded = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}

    with serving(app) as (_, address):
        assert httpx.get(f"{address}/seen", headers=forwarded, timeout=30).text == seen
    context.of(app).database.dispose()
