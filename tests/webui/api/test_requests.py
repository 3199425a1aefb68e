"""Requests of any shape: errors that name the field, never a 5xx."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import queries
from tests.webui import addresses
from tests.webui.api.conftest import count, errors
from webui.context import current

JSON = "application/json"

MALFORMED = [
    (b"{", JSON, 400),
    (b"\xff\xfe", JSON, 400),
    (b"[" * 100_000, JSON, 400),
    (b"{}", "text/plain", 415),
    (b"{}", "application/x-www-form-urlencoded", 415),
    (b"", JSON, 400),
    (b"null", JSON, 422),
    (b'{"name": "x", "spec": {"epochs": NaN}}', JSON, 422),
    (b'{"name": "' + b"x" * 10_000_000 + b'"}', JSON, 413),
    (
        b'{"name": "x", "spec": ' + b'{"a":' * 9999 + b"1" + b"}" * 10_000,
        JSON,
        400,
    ),
    (b'{"name": "x", "spec": ' + b'{"a":' * 500 + b"1" + b"}" * 501, JSON, 422),
    (b'{"name": "x", "priority": ' + b"9" * 5000 + b"}", JSON, 400),
    (b'{"name": "x", "priority": 1e999}', JSON, 422),
    (b'{"name": "x", "priority": Infinity}', JSON, 422),
    (b'{"name": NaN}', JSON, 422),
    (b'{"name": "x", "spec": {"optimizer": {"momentum": -Infinity}}}', JSON, 422),
    (b'{"name": "x", "spec": {"\\ud800": 1}}', JSON, 422),
    (b'{"name": "x", "\\u0000": 1}', JSON, 422),
    (b'{"name": "x", "preset": "\\ud800"}', JSON, 422),
    (b'{"name": "\xff"}', JSON, 400),
    (b"{'name': 'x'}", JSON, 400),
    (b'{"name": "x"} {"name": "y"}', JSON, 400),
    (b'{"name": "x"}', "", 415),
    (b'{"name": "x"}', "multipart/form-data", 415),
]


def test_a_malformed_body_is_a_problem_not_a_fault_and_queues_nothing(client):
    for data, content_type, status in MALFORMED:
        response = client.post("/api/v1/jobs", data=data, content_type=content_type)
        assert response.status_code == status, (data[:80], response.text)
        assert response.content_type == "application/problem+json"
        assert response.json["detail"]
        coded = response.json["errors"] if status == 422 else [response.json]
        assert all("." in each["code"] and "params" in each for each in coded), data[:80]
    assert count(client) == 0


@pytest.mark.parametrize(
    ("data", "content_type", "code"),
    [
        (b"{}", "text/plain", "request.not_json"),
        (b"{", JSON, "request.invalid_json"),
        (b"[" * 100_000, JSON, "request.too_deep"),
        (b"x" * 2**21, JSON, "http.request_entity_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_by_a_code(client, data, content_type, code):
    response = client.post("/api/v1/jobs", data=data, content_type=content_type)

    assert response.json["code"] == code


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ('{"name": "a", "name": "b"}', "name"),
        ('{"name": "a", "spec": {"epochs": 1, "epochs": 2}}', "epochs"),
        ('{"name": "a", "spec": {"model": {"kind": "cnn", "kind": "cnn"}}}', "kind"),
        ('{"name": "a", "": 1, "": 2}', "body"),
        ('{"name": "a", "\\ud800": 1, "\\ud800": 2}', "\ud800"),
    ],
)
def test_a_field_that_is_given_twice_is_refused(client, data, field):
    response = client.post("/api/v1/jobs", data=data, content_type="application/json")

    assert response.status_code == 422
    assert errors(response) == {field: "Duplicate field"}
    assert count(client) == 0


def test_a_body_that_is_not_json_is_refused_with_the_position_of_the_error(client):
    response = client.post("/api/v1/jobs", data=b'{"name": }', content_type=JSON)

    detail = "The body is not JSON: Expecting value: line 1 column 10 (char 9)"
    assert response.json["detail"] == detail
    assert response.json["params"] == {"detail": "Expecting value: line 1 column 10 (char 9)"}


MISSING = [
    f"/api/v1/jobs/{'9' * 5000}",
    "/api/v1/jobs/0",
    "/api/v1/jobs/-1",
    "/api/v1/jobs/1.0",
    "/api/v1/jobs/%00",
    "/api/v1/jobs/x",
    "/api/v1/nothing",
]


MADE = {"/api/v1/limits/<owner>", "/api/v1/queues/<queue>"}
"""What a PUT makes where it is not there."""


def test_what_does_not_exist_is_404(client, app):
    named = [
        (method, addresses.filled(rule, number))
        for method, rule in addresses.of_api(app)
        if "<" in rule and rule not in MADE
        for number in (7, 2**63 - 1, 2**63, 10**40)
    ]
    for method, path in named + [("GET", path) for path in MISSING]:
        response = client.open(path, method=method)
        assert response.status_code == 404, path
        assert response.content_type == "application/problem+json"


WRONG_QUERIES = [
    *("limit=0", "limit=x", "limit=1001", "limit=", "limit=-1", "limit=1e2", "limit=%D9%A1"),
    *("limit=%00", f"limit={'9' * 5000}", "cursor=x", "cursor=1.2", "cursor=-1", "cursor=%00"),
    *(f"cursor={'9' * 19}", "state=asleep", "state=queued,asleep", "state=%00", "state=%FF"),
]


def test_a_wrong_query_is_422_naming_its_parameter(client):
    for query in WRONG_QUERIES:
        response = client.get(f"/api/v1/jobs?{query}")
        assert response.status_code == 422, query
        assert set(errors(response)) == {query.partition("=")[0]}


def test_a_wrong_method_is_405_and_names_the_right_ones(client):
    response = client.delete("/api/v1/jobs/1/cancel")

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert (response.json["code"], response.json["params"]) == ("http.method_not_allowed", {})
    assert response.content_type == "application/problem+json"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)

ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)

FIELDS = st.sampled_from(
    ["dataset", "model", "optimizer", "schedule", "batch_size", "epochs", "seed", "device", "kind"]
)

SPECS = st.dictionaries(
    FIELDS, ANY_JSON | st.dictionaries(FIELDS, ANY_JSON, max_size=3), max_size=4
)

BODIES = ANY_JSON | st.fixed_dictionaries(
    {"name": ANY_JSON},
    optional={
        "preset": ANY_JSON,
        "spec": SPECS | ANY_JSON,
        "priority": ANY_JSON,
        "queue": ANY_JSON,
    },
)


@given(body=BODIES)
@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_posted_is_answered_and_never_a_fault(client, body):
    response = client.post("/api/v1/jobs", data=json.dumps(body), content_type="application/json")

    assert response.status_code in (201, 400, 422)
    with client.application.app_context(), current().database.reading() as session:
        assert len(queries.jobs(session).items) >= (response.status_code == 201)
