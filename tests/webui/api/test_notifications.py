"""Webhooks, choices and deliveries over the API: each owner's own alone."""

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.notifications.deliverer import Deliverer
from tests.core.jobs.conftest import submit
from tests.core.notifications.conftest import receiver  # noqa: F401
from webui.context import of

HOOKS = "/api/v1/webhooks"


@pytest.fixture
def database_kind():
    """SQLite alone: what is asked of the database is asked of each kind elsewhere."""
    return "sqlite"


@pytest.fixture
def settings(settings):
    """Those of a server whose webhooks may reach this machine."""
    return settings.model_copy(update={"webhook_hosts": ("127.0.0.1",)})


@pytest.fixture
def deliver(app):
    """Delivers what is due."""
    parts = of(app)
    return Deliverer(parts.database, parts.settings).deliver


@pytest.fixture
def hook(client, receiver):  # noqa: F811
    answer = client.post(HOOKS, json={"address": receiver.address, "events": ["ended", "failed"]})
    assert answer.status_code == 201
    return answer.json


def test_a_webhook_is_added_tested_and_removed(client, hook, receiver, deliver):  # noqa: F811
    assert hook["secret"].startswith("whsec_")
    assert client.get(HOOKS).json["items"] == [hook | {"secret": None}]

    assert client.post(f"{HOOKS}/{hook['id']}/test").status_code == 202
    deliver()

    [(_, headers, body)] = receiver.got
    assert Verifier(hook["secret"]).verify(body, headers)["type"] == "test"
    [delivery] = client.get("/api/v1/deliveries").json["items"]
    assert (delivery["state"], delivery["status"]) == ("delivered", 200)
    assert client.delete(f"{HOOKS}/{hook['id']}").status_code == 204
    assert client.get(HOOKS).json["items"] == []


def test_a_delivery_is_sent_again_by_hand(client, hook, receiver, deliver):  # noqa: F811
    client.post(f"{HOOKS}/{hook['id']}/test")
    deliver()
    [delivery] = client.get("/api/v1/deliveries").json["items"]

    again = client.post(f"/api/v1/deliveries/{delivery['id']}/replay")
    deliver()

    assert again.status_code == 202
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 2


def test_a_webhook_is_changed(client, hook):
    address = f"{HOOKS}/{hook['id']}"

    changed = client.patch(address, json={"events": ["waited"], "enabled": False}).json

    assert (changed["events"], changed["enabled"]) == (["waited"], False)
    assert client.post(f"{address}/test").status_code == 409
    rotated = client.post(f"{address}/rotate").json
    assert rotated["secret"] not in (None, hook["secret"])
    assert rotated["former_secret_until"] is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "address"),
        ({"address": "ftp://x/"}, "address"),
        ({"address": "https://a:b@x/"}, "address"),
        ({"address": "https://x/", "kind": "fax"}, "kind"),
        ({"address": "https://x/", "events": ["never"]}, "events.0"),
        ({"address": "https://x/", "secret": "short"}, "secret"),
    ],
)
def test_a_wrong_webhook_is_refused_by_its_field(client, body, field):
    answer = client.post(HOOKS, json=body)

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json["errors"]] == [field]


def test_choices_are_replaced_as_a_whole(client):
    asked = {"choices": {"failed": ["browser"]}, "metric": "test_loss", "bound": 0.1}
    chosen = client.put("/api/v1/notifications", json=asked).json

    assert chosen == client.get("/api/v1/notifications").json
    assert chosen["choices"] == {"ended": [], "failed": ["browser"], "waited": [], "measured": []}
    assert (chosen["metric"], chosen["bound"]) == ("test_loss", 0.1)
    assert client.put("/api/v1/notifications", json={}).json["choices"]["failed"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"choices": {"failed": ["mail"]}}, "mail"),
        ({"mail": "nobody"}, "mail"),
        ({"language": "tlh"}, "language"),
        ({"metric": "beauty"}, "metric"),
        ({"wait_minutes": 0}, "wait_minutes"),
    ],
)
def test_wrong_choices_are_refused_by_their_field(client, body, field):
    answer = client.put("/api/v1/notifications", json=body)

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json["errors"]] == [field]


def test_a_browser_takes_its_news_once(client, app):
    client.put("/api/v1/notifications", json={"choices": {"ended": ["browser"]}})
    database = of(app).database
    job = submit(database)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    [news] = client.post("/api/v1/notifications/news").json["items"]

    assert news["message"]["text"] == "job was cancelled."
    assert client.post("/api/v1/notifications/news").json["items"] == []


@pytest.mark.parametrize("host", ["10.9.9.9", "[::1]", "169.254.169.254"])
def test_a_webhook_to_a_private_address_is_refused_when_it_is_added(client, host):
    answer = client.post(HOOKS, json={"address": f"http://{host}/hook", "events": ["ended"]})

    assert answer.status_code == 422
    [error] = answer.json["errors"]
    assert (error["field"], error["code"]) == ("address", "webhook.private_address")
    assert client.get(HOOKS).json["items"] == []
