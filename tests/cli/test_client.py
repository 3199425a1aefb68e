"""The client against servers that are not as they should be."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask, Response
from werkzeug.serving import make_server

from cli import client as client_module
from cli.client import Client
from core.errors import NotFound, TrainyardError, Unavailable

SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@contextmanager
def serving(application):
    """The address of a server of some other application."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(*answers):
    """An application that gives one answer after the other; the last one again and again."""
    left = list(answers)
    app = Flask(__name__)

    @app.get("/<path:_path>")
    def answer(_path):
        return left.pop(0)() if len(left) > 1 else left[0]()

    return app


def page(text, status=200, content_type="text/html"):
    return lambda: Response(text, status, content_type=content_type)


def stream(*events):
    return page("".join(events), content_type="text/event-stream")


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '"text"', "null"])
@pytest.mark.parametrize("status", [404, 500, 502])
def test_an_error_of_another_server_is_told_as_such(status, body):
    with (
        serving(answering(page(body, status))) as url,
        pytest.raises(Unavailable, match=f"answered {status}, not as a Trainyard server does"),
    ):
        Client(url).get("/jobs")


def test_an_answer_that_is_no_json_is_told_as_such():
    with (
        serving(answering(page("<html>welcome</html>"))) as url,
        pytest.raises(Unavailable, match="not as a Trainyard server does"),
    ):
        Client(url).get("/jobs")


def test_a_list_is_read_page_by_page():
    pages = [
        page('{"items": [{"id": 1}, {"id": 2}], "next": "2"}', content_type="application/json"),
        page('{"items": [{"id": 3}], "next": null}', content_type="application/json"),
    ]
    with serving(answering(*pages)) as url:
        assert [item["id"] for item in Client(url).all("/jobs")] == [1, 2, 3]


def test_a_stream_that_breaks_off_is_taken_up_again(monkeypatch):
    monkeypatch.setattr(client_module, "RECONNECT_AFTER_S", 0)
    answers = [
        stream("retry: 1\n\n", 'id: 1\nevent: job\ndata: {"n": 1}\n\n'),
        page("busy", 503),
        stream('id: 2\nevent: job\ndata: {"n": 2}\n\n', "event: end\ndata: {}\n\n"),
    ]
    with serving(answering(*answers)) as url:
        events = list(Client(url).events(1))

    assert events == [("job", {"n": 1}), ("job", {"n": 2}), ("end", {})]


def test_a_stream_whose_server_stays_away_is_given_up(monkeypatch):
    monkeypatch.setattr(client_module, "RECONNECT_AFTER_S", 0)
    monkeypatch.setattr(client_module, "GIVE_UP_AFTER_S", 0)

    with pytest.raises(Unavailable, match="trainyard up"):
        list(Client("http://127.0.0.1:1").events(1))


def test_a_stream_of_a_job_that_does_not_exist_is_not_tried_again():
    problem = page('{"detail": "There is no run 1."}', 404, "application/problem+json")
    with serving(answering(problem)) as url, pytest.raises(NotFound, match="no run 1"):
        list(Client(url).events(1))


def test_a_download_that_breaks_off_leaves_no_file(tmp_path):
    def half():
        return Response(iter([b"half"]), headers={"Content-Length": "100"})

    with serving(answering(half)) as url, pytest.raises(Unavailable):
        Client(url).download({"id": 1, "sha256": "0" * 64}, tmp_path / "m.pt")

    assert list(tmp_path.iterdir()) == []


def test_a_damaged_download_leaves_the_file_that_was_there(tmp_path):
    target = Path(tmp_path / "m.pt")
    target.write_text("old")

    with (
        serving(answering(page(b"other bytes"))) as url,
        pytest.raises(TrainyardError, match="damaged"),
    ):
        Client(url).download({"id": 1, "sha256": SHA256_OF_NOTHING}, target)

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("m.pt", "old")]


@pytest.mark.parametrize(
    ("code", "known"), [("run.unknown_none", True), ("run.of_a_later_release", False)]
)
def test_the_code_that_a_server_sends_is_kept_where_this_release_knows_it(code, known):
    sent = {"detail": "There is no run 1.", "code": code, "params": {"job_id": 1}}

    with (
        serving(answering(page(json.dumps(sent), 404, "application/problem+json"))) as url,
        pytest.raises(NotFound) as refusal,
    ):
        Client(url).get("jobs/1")

    assert refusal.value.reason.code == (code if known else "text")
    assert str(refusal.value).startswith("There is no run 1")
