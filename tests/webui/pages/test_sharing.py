"""The page on which everybody's use and limits stand, and limits are set."""

import pytest

from tests.webui.pages.conftest import get, token


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


FIELDS = ("most_running", "most_queued", "device_hours_a_week", "storage_gb")


def save(client, owner="", **typed):
    empty = dict.fromkeys(FIELDS, "")
    return client.post(
        "/sharing", data={"csrf_token": token(client), "owner": owner, **empty, **typed}
    )


def test_limits_are_set_and_stand_in_the_form_again(client):
    answer = save(client, "Ada", most_running="3", device_hours_a_week="1,5", storage_gb="0.5")

    assert answer.status_code == 303
    page = get(client, answer.location)
    assert page.one("p", role="status", **{"class": "saved"}).text == "Saved."
    shown = {name: page.one("input", id=name).attributes["value"] for name in FIELDS}
    assert shown == {
        "most_running": "3",
        "most_queued": "",
        "device_hours_a_week": "1.5",
        "storage_gb": "0.5",
    }
    limits = client.get("/api/v1/sharing").json["people"][0]["limits"]
    assert (limits["most_queued"], limits["storage_bytes"]) == (None, 500_000_000)


def test_what_is_wrong_is_said_beside_it_and_nothing_is_lost(client):
    answer = save(client, most_running="many", most_queued="-1")

    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    assert client.get("/api/v1/sharing").json["people"] == []


def test_preemption_is_allowed_and_forbidden_with_a_button(client):
    client.post("/api/v1/jobs", json={"name": "x", "preset": "quick"})

    for shown, wanted in (("allowed", "true"), ("not allowed", "false")):
        asked = {"csrf_token": token(client), "preempts": wanted}
        answer = client.post("/sharing/queues/default", data=asked)
        assert answer.status_code == 303
        row = get(client, "/sharing").one("tr", **{"data-queue": "default"})
        assert row.text.startswith(f"default {shown} by")
