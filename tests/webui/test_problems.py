"""Errors as answers: problem+json for programs, a page for people, never a bare fault."""

from __future__ import annotations

import pytest
from flask import abort

from core.errors import (
    Conflict,
    DatabaseUnavailable,
    FieldError,
    Forbidden,
    InvalidInput,
    LeaseLost,
    NotFound,
    TrainyardError,
    Unavailable,
)
from core.messages import message, plain
from webui.problems import RETRY_AFTER_S, problem


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


ERRORS = [
    (InvalidInput.one("epochs", "must be at least 1"), 422),
    (NotFound("There is no job 7."), 404),
    (Conflict("Run 7 has not failed."), 409),
    (Forbidden("Ada may not cancel run 7."), 403),
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
        is_coded = isinstance(error, TrainyardError) and not isinstance(error, InvalidInput)
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


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_is_not_there_is_404_whatever_is_done_to_it(client, method):
    assert client.open("/api/v1/nothing", method=method).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v1/jobs/1/cancel", {"POST"}),
        ("DELETE", "/api/v1/jobs/1", {"GET"}),
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
    with app.app_context():
        response = problem(422, "\ud800 \u2028 é", errors=[{"field": "\ud800", "message": "x"}])

    assert response.get_data().isascii()
    assert response.json["detail"] == "\ud800 \u2028 é"
