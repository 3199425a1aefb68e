"""Errors as answers: problem+json for programs, a page for people, never a bare fault."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
from flask import abort

from core import logs, queries
from core.errors import (
    BadRequest,
    Conflict,
    DatabaseUnavailable,
    FieldError,
    Forbidden,
    InvalidInput,
    LeaseLost,
    NotFound,
    PreconditionFailed,
    Unavailable,
    UnsupportedMediaType,
)
from core.logs import get_logger
from core.messages import message, plain
from webui.live import topics
from webui.problems import RETRY_AFTER_S, problem


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


ERRORS = [
    (InvalidInput.one("epochs", "must be at least 1"), 422),
    (NotFound("There is no run 7."), 404),
    (Conflict("Run 7 has not failed."), 409),
    (Forbidden("Ada may not cancel run 7."), 403),
    (BadRequest("What is that?"), 400),
    (UnsupportedMediaType("Send JSON."), 415),
    (PreconditionFailed("It is another."), 412),
    (Unavailable("The file store is away."), 503),
    (DatabaseUnavailable("The database is away."), 503),
    (LeaseLost("gone"), 500),
    (KeyError("secret"), 500),
]


@pytest.fixture
def raising(app):
    """An application in which two addresses raise what a test puts there."""

    def raises():
        raise app.extensions["raised"]

    app.add_url_rule("/api/v1/raise", "raise_api", raises)
    app.add_url_rule("/raise", "raise_page", raises)
    return app


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("path", ["/api/v1/raise", "/raise"])
def test_every_error_is_answered_in_the_askers_language(raising, path, error, status):
    raising.extensions["raised"] = error

    response = raising.test_client().get(path)

    assert response.status_code == status
    if path.startswith("/api/"):
        assert response.content_type == "application/problem+json"
        assert response.json["status"] == status
        is_coded = not isinstance(error, InvalidInput)
        assert ("code" in response.json) == ("params" in response.json) == is_coded
        assert response.json["title"]
        assert response.json["detail"]
    else:
        assert response.content_type.startswith("text/html")
        assert "</html>" in response.text
    assert ("Retry-After" in response.headers) == (status == 503)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/v1/raise", "/raise"])
def test_a_surprise_is_logged_and_not_shown(raising, path, caplog):
    raising.extensions["raised"] = RuntimeError("password=hunter2")

    response = raising.test_client().get(path)

    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert "hunter2" in caplog.text


def test_a_problem_names_each_field_that_is_wrong(raising):
    raising.extensions["raised"] = InvalidInput(
        [FieldError("a", plain("one")), FieldError("b.c", message("input.too_many", most=2))]
    )

    body = raising.test_client().get("/api/v1/raise").json

    assert body == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "a: one; b.c: give at most 2",
        "errors": [
            {"field": "a", "message": "one", "code": "text", "params": {"text": "one"}},
            {
                "field": "b.c",
                "message": "give at most 2",
                "code": "input.too_many",
                "params": {"most": 2},
            },
        ],
    }


def test_the_retry_after_header_is_sent(raising):
    raising.extensions["raised"] = DatabaseUnavailable("away")

    response = raising.test_client().get("/raise")

    assert response.headers["Retry-After"] == str(RETRY_AFTER_S)


@pytest.mark.parametrize("path", ["/api/v1/raise", "/raise"])
def test_markup_in_an_error_is_text(raising, path):
    raising.extensions["raised"] = NotFound("<img src=x onerror=alert(1)>")

    response = raising.test_client().get(path)

    if path == "/raise":
        assert "<img src=x" not in response.text
        assert "&lt;img src=x" in response.text
    else:
        assert response.json["detail"] == "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/nothing", "text/html; charset=utf-8"),
        ("/jobs/x", "text/html; charset=utf-8"),
        ("/static/nothing.js", "text/html; charset=utf-8"),
        ("/static/../app.py", "text/html; charset=utf-8"),
        ("/static/%2e%2e/app.py", "text/html; charset=utf-8"),
        ("/api/v1/nothing", "application/problem+json"),
        ("/api/v1/jobs/", "application/problem+json"),
        ("/api/v2/jobs", "application/problem+json"),
    ],
)
def test_an_address_that_leads_nowhere_is_404(client, path, kind):
    response = client.get(path)

    assert response.status_code == 404
    assert response.content_type == kind
    assert "There is nothing at this address." in response.text
    if kind == "application/problem+json":
        assert response.json["code"] == "request.unknown_address"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_is_not_there_is_404_whatever_is_done_to_it(client, method):
    assert client.open("/api/v1/nothing", method=method).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v1/jobs/1/cancel", {"POST"}),
        ("PUT", "/api/v1/jobs/1", {"DELETE", "GET", "PATCH"}),
        ("PUT", "/api/v1/jobs", {"GET", "POST"}),
        ("POST", "/healthz", {"GET"}),
        ("PATCH", "/workers", {"GET"}),
    ],
)
def test_a_wrong_method_is_405_and_the_right_ones_are_named(client, method, path, allowed):
    response = client.open(path, method=method)

    assert response.status_code == 405
    named = {each.strip() for each in response.headers["Allow"].split(",")}
    assert named - {"HEAD", "OPTIONS"} == allowed


def test_a_redirect_is_no_error(app):
    app.add_url_rule("/old/", "old", lambda: "here")

    response = app.test_client().get("/old")

    assert (response.status_code, response.location) == (308, "http://localhost/old/")


def test_an_error_keeps_the_headers_that_explain_it(app):
    app.add_url_rule("/api/v1/late", "late", lambda: abort(405, valid_methods=["PUT"]))

    assert app.test_client().get("/api/v1/late").headers["Allow"] == "PUT"


def test_a_problem_is_whole_json_whatever_it_says(app):
    wrong = {"field": "\ud800", "message": "x", "code": "y", "params": {"\ud800": "\ud800"}}
    with app.app_context():
        response = problem(422, "\ud800 \u2028 é", errors=[wrong])

    assert response.get_data().isascii()
    assert response.json["detail"] == "\ud800 \u2028 é"


@pytest.fixture
def lines():
    """What is logged, as a program reads it."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure("json", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


def test_each_line_carries_the_job_that_the_address_names(raising, lines, monkeypatch):
    def fails(*_arguments):
        raise raising.extensions["raised"]

    monkeypatch.setattr(queries, "job", fails)
    client = raising.test_client()
    for error in (KeyError("x"), DatabaseUnavailable("away")):
        raising.extensions["raised"] = error
        for path in ("/api/v1/jobs/7", "/jobs/8", "/api/v1/jobs/7/epochs"):
            assert client.get(path).status_code >= 500
    assert client.get("/raise").status_code == 503

    logged = [(line["event"], line.get("job_id")) for line in lines()]
    jobs = (7, 8, 7)
    assert logged == [
        *[("request_failed", job) for job in jobs],
        *[("service_unavailable", job) for job in jobs],
        ("service_unavailable", None),
    ]


def test_the_lines_of_a_stream_carry_its_job_too_and_no_line_after_it(browser, lines, monkeypatch):
    job = browser.post("/api/v1/jobs", json={"name": "x"}).json()["id"]

    def looks(*_arguments):
        get_logger("here").info("looked")
        raise NotFound("It is no longer there.")

    monkeypatch.setattr(topics, "news", looks)
    assert browser.get(f"/api/v1/jobs/{job}/events").text.startswith("retry: ")
    get_logger("here").info("over")

    logged = [(line["event"], line.get("job_id")) for line in lines() if line["logger"] == "here"]
    assert set(logged[:-1]) == {("looked", job)}
    assert logged[-1] == ("over", None)


def test_an_error_page_says_what_to_do_and_under_what_the_log_has_it(raising, caplog):
    caplog.set_level(logging.INFO)
    raising.extensions["raised"] = NotFound("There is no run 7.")

    page = raising.test_client().get("/raise").text

    assert "There is nothing here" in page
    assert "There is no run 7." in page
    for address in ('href="/"', 'href="/search"', 'href="/?deleted=true"'):
        assert address in page
    [number] = re.findall(r"Request ([0-9a-f]{16}), ", page)
    assert number in caplog.text


def test_where_trying_again_may_help_the_error_page_offers_it(raising):
    raising.extensions["raised"] = Unavailable("The file store is away.")

    page = raising.test_client().get("/raise").text

    assert '<a class="button primary" href="">Try again</a>' in page
    assert "nothing is lost" in page
