"""The page on which a run is renamed, tagged and annotated; the same by the API."""

from __future__ import annotations

import pytest

from tests.webui.pages.conftest import get


def save(client, job_id, **fields):
    page = get(client, f"/jobs/{job_id}/edit")
    form = {name: page.one("input", id=name).attributes["value"] for name in ("name", "tags")}
    form["csrf_token"] = page.one("input", name="csrf_token").attributes["value"]
    return client.post(f"/jobs/{job_id}/edit", data=form | {"notes": ""} | fields)


def test_a_run_is_edited_on_its_page(client, submitted):
    job = submitted("first")
    assert get(client, f"/jobs/{job.id}").one("a", href=f"/jobs/{job.id}/edit").text == "Edit"

    answer = save(client, job.id, name=" second ", tags="a, b,,a", notes="one\r\ntwo <b>")

    assert answer.status_code == 303
    page = get(client, f"/jobs/{job.id}")
    assert page.one("h1").text == "second"
    assert page.one("section", **{"aria-label": "Notes"}).text == "one two <b>"
    assert "Renamed from first by owner, who also changed: tags, notes" in page.text
    shown = client.get(f"/api/v1/jobs/{job.id}").json
    assert (shown["tags"], shown["notes"]) == (["a", "b"], "one\ntwo <b>")


@pytest.mark.parametrize(
    ("field", "typed"),
    [("name", "   "), ("name", "\u202ebad"), ("tags", "x" * 200), ("notes", "bell \x07")],
)
def test_what_is_wrong_is_said_beside_it_and_nothing_that_was_typed_is_lost(
    client, submitted, field, typed
):
    job = submitted("first")
    fields = {"name": "second", "tags": "t", "notes": "much text"} | {field: typed}

    answer = save(client, job.id, **fields)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    for name, text in fields.items():
        assert name == field or text in answer.text
    assert client.get(f"/api/v1/jobs/{job.id}").json["name"] == "first"


def test_programs_change_what_they_name_and_nothing_else(client, submitted):
    job = submitted("first")
    address = f"/api/v1/jobs/{job.id}"
    client.patch(address, json={"tags": ["a"], "notes": "why"})

    answer = client.patch(address, json={"name": "second"})

    shown = answer.json
    assert (shown["name"], shown["tags"], shown["notes"]) == ("second", ["a"], "why")
    assert client.patch(address, json={"state": "failed"}).status_code == 422
    assert client.patch(address, json={"notes": "x" * 10_001}).status_code == 422
    assert client.patch(address, data="{}").status_code == 415
    assert client.patch("/api/v1/jobs/99", json={"name": "x"}).status_code == 404


def test_a_deleted_run_offers_no_edit(client, submitted):
    job = submitted()
    client.delete(f"/api/v1/jobs/{job.id}")

    assert get(client, f"/jobs/{job.id}").all("a", href=f"/jobs/{job.id}/edit") == []
    assert client.patch(f"/api/v1/jobs/{job.id}", json={"name": "x"}).status_code == 409
