"""How the devices are shared, and what each person may use, over the API."""

import pytest

from core.accounts import history
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec import presets


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


NONE = {
    "most_running": None,
    "most_queued": None,
    "device_hours_a_week": None,
    "storage_bytes": None,
}


def put(client, path, **limits):
    return client.put(f"/api/v1{path}", json=limits)


def test_limits_that_are_put_are_those_that_are_shown(client):
    assert client.get("/api/v1/sharing").json == {"everybody": NONE, "people": [], "queues": []}

    answer = put(client, "/limits/Ada%20L", most_running=3, device_hours_a_week=1.5)
    put(client, "/limits", most_queued=7)

    assert answer.json == NONE | {"most_running": 3, "device_hours_a_week": 1.5}
    found = client.get("/api/v1/sharing").json
    assert found["everybody"] == NONE | {"most_queued": 7}
    assert [(each["owner"], each["limits"]) for each in found["people"]] == [("Ada L", answer.json)]
    put(client, "/limits/Ada%20L")
    assert client.get("/api/v1/sharing").json["people"] == []


def test_a_limit_that_is_none_is_refused_by_its_field(client):
    answer = put(client, "/limits", most_running=-1, most_queued=1.5, other=1)

    assert answer.status_code == 422
    assert {each["field"] for each in answer.json["errors"]} == {
        "most_running",
        "most_queued",
        "other",
    }
    assert client.get("/api/v1/sharing").json["everybody"] == NONE


def test_a_submit_beyond_a_limit_is_refused_with_the_number(client):
    put(client, "/limits", most_queued=1)
    assert client.post("/api/v1/jobs", json={"name": "x", "preset": "quick"}).status_code == 201

    answer = client.post("/api/v1/jobs", json={"name": "x", "preset": "quick"})

    assert (answer.status_code, answer.json["code"]) == (409, "limit.queued")
    assert answer.json["params"] == {"owner": "owner", "queued": 1, "most": 1}


def test_who_waits_is_shown_though_nothing_was_used_yet(client, database):
    spec = presets.resolve("quick", {"dataset": "digits"})
    lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec)

    [person] = client.get("/api/v1/sharing").json["people"]

    assert (person["owner"], person["queued"], person["share"]) == ("owner", 1, 0.0)


def test_preemption_is_allowed_for_a_queue_and_the_audit_says_by_whom(client, database):
    assert put(client, "/queues/fast", preempts=True).json["preempts"]
    put(client, "/queues/fast", preempts=True)

    [queue] = client.get("/api/v1/sharing").json["queues"]
    assert (queue["queue"], queue["preempts"], queue["changed_by"]) == ("fast", True, "owner")
    assert not put(client, "/queues/fast", preempts=False).json["preempts"]
    with database.reading() as session:
        events = history.page(session, 10).items
        assert [history.describe(event).text for event in events] == [
            "owner no longer allows preemption in queue fast",
            "owner allowed preemption in queue fast",
        ]


@pytest.mark.parametrize(
    ("queue", "body", "field"),
    [("a b", {"preempts": True}, "queue"), ("fast", {}, "preempts"), ("fast", {"x": 1}, "x")],
)
def test_what_is_no_policy_is_refused_by_its_field(client, queue, body, field):
    answer = put(client, f"/queues/{queue}", **body)

    assert answer.status_code == 422
    assert field in {each["field"] for each in answer.json["errors"]}
