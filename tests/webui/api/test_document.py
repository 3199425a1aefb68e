"""The OpenAPI document says what every address takes and answers, and people can read it."""

from __future__ import annotations

import json
import re

import jsonschema_rs
import pytest
from flask import Flask

from tests.webui import addresses
from webui.access import NEEDS
from webui.api import document, requests
from webui.api.description import describe, description_of
from webui.api.shapes import HealthShape


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def whole(client):
    """The document, as a program gets it."""
    return client.get("/api/v1/openapi.json").json


def operations(whole):
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_document_names_the_addresses_that_are_there_and_no_other(whole, app):
    there = {
        (method, addresses.PLACE.sub(r"{\1}", re.sub(r"string\(length=64\):", "", rule)))
        for method, rule in addresses.of_api(app)
        if rule != "/metrics"  # is Prometheus's, and in its format
    }

    assert {(method, path) for method, path, _ in operations(whole)} == there


def test_an_address_that_nothing_was_said_of_has_no_document():
    app = Flask("bare", static_folder=None)
    app.add_url_rule("/api/v1/new", "api.new", lambda: "")

    with pytest.raises(LookupError, match=r"api\.new"):
        document.document(app)


def test_what_is_said_of_an_address_is_kept_with_the_function_that_answers_it():
    @describe(HealthShape, problems=[409])
    def view():
        return ""

    assert description_of(view).problems == [409]
    assert description_of(lambda: "") is None


def test_every_reference_leads_to_a_shape_and_every_schema_is_one(whole):
    schemas = whole["components"]["schemas"]

    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(whole)))

    assert named <= set(schemas)
    for schema in schemas.values():
        jsonschema_rs.meta.validate({**schema, "$schema": jsonschema_rs_dialect()})


def jsonschema_rs_dialect():
    return "https://json-schema.org/draft/2020-12/schema"


def test_every_address_has_a_name_of_its_own_a_sentence_and_what_it_refuses(whole):
    found = list(operations(whole))

    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    for _, path, operation in found:
        assert operation["summary"].endswith((".", ":")) or "; " in operation["summary"], path
        assert "503" in operation["responses"]


def test_the_scope_of_a_token_is_that_of_the_table_of_needs(whole):
    scopes = {
        operation["operationId"]: operation["security"][0]["token"]
        for _, _, operation in operations(whole)
        if "security" in operation
    }

    assert scopes["jobs"] == ["read"]
    assert scopes["submit"] == ["submit"]
    assert scopes["clean"] == ["admin"]
    assert "health_healthz" not in scopes
    assert "api.jobs" in NEEDS


def test_the_filters_of_the_list_are_those_that_are_read(whole):
    [operation] = [each for _, _, each in operations(whole) if each["operationId"] == "jobs"]

    named = {each["name"] for each in operation["parameters"]}
    assert set(requests.SELECTING) | {"limit", "cursor"} <= named


def test_a_person_can_read_every_address_on_a_page(client, whole):
    page = client.get("/api").get_data(as_text=True).replace("<wbr>", "")

    for _, path, operation in operations(whole):
        assert f'id="at-{operation["operationId"]}"' in page
        assert f"<code>{path}</code>" in page
