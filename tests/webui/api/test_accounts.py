"""People, invitations and the audit, for programs; and who asks."""

from urllib.parse import urlsplit

import pytest

from tests.webui.people import shared


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    with shared(settings, monkeypatch, compiled_templates) as made:
        yield made


@pytest.fixture
def ada(place):
    """A program of an administrator."""
    return place.program(place.join("ada", "administrator"))


def test_a_program_learns_who_it_asks_as_and_what_it_may(place):
    me = place.program(place.join("eve"), "submit").get("/api/v1/me").json

    assert me == {"name": "eve", "role": "member", "scope": "submit", "accounts": "shared"}


def test_people_are_listed_given_roles_and_shut_out(place, ada):
    program = place.program(place.join("eve"))

    assert [each["name"] for each in ada.get("/api/v1/people").json["items"]] == ["ada", "eve"]
    changed = ada.patch("/api/v1/people/eve", json={"role": "viewer"})
    assert changed.json["role"] == "viewer"
    assert program.post("/api/v1/jobs", json={"name": "x"}).status_code == 403
    assert ada.patch("/api/v1/people/eve", json={"disabled": True}).json["disabled_at"]
    assert program.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("nobody", {"role": "viewer"}, 404),
        ("ada", {"role": "viewer"}, 409),
        ("ada", {"disabled": True}, 409),
        ("ada", {"role": "king"}, 422),
        ("ada", {"name": "eva"}, 422),
    ],
)
def test_what_would_be_wrong_of_a_person_is_refused(ada, name, body, status):
    assert ada.patch(f"/api/v1/people/{name}", json=body).status_code == status


def test_an_invitation_is_made_listed_without_its_secret_and_withdrawn(place, ada):
    made = ada.post("/api/v1/invitations", json={"role": "viewer", "hours": 1})
    secret = made.json["address"].rpartition("/")[2]

    listed = ada.get("/api/v1/invitations")

    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    assert secret not in listed.text
    [item] = listed.json["items"]
    assert (item["role"], item["is_for_password"]) == ("viewer", False)
    assert ada.delete(f"/api/v1/invitations/{item['id']}").status_code == 204
    gone = place.app.test_client().get(urlsplit(made.json["address"]).path)
    assert gone.status_code == 410


def test_the_audit_is_read_by_its_pages_and_by_person(place, ada):
    place.join("eve")

    first = ada.get("/api/v1/audit?limit=1").json
    rest = ada.get(f"/api/v1/audit?limit=100&cursor={first['next']}").json
    of_eve = ada.get("/api/v1/audit?person=eve").json["items"]

    assert len(first["items"]) == 1
    assert first["items"][0]["id"] > rest["items"][0]["id"]
    assert {each["person"] for each in of_eve} == {"eve"}


def test_a_token_that_is_none_is_answered_with_what_is_needed(place):
    refused = place.app.test_client().get(
        "/api/v1/jobs", headers={"Authorization": "Bearer ty_wrong"}
    )

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert refused.json["code"] == "token.refused"
