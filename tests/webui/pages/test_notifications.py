"""The page of notifications: choices, webhooks and what was sent, without a script too."""

import pytest

from core.notifications import webhooks
from core.notifications.deliverer import Deliverer
from tests.core.notifications.conftest import receiver  # noqa: F401
from tests.webui.people import Installation, hash_quickly
from webui.app import create_app
from webui.context import of

PAGE = "/account/notifications"


@pytest.fixture
def database_kind():
    """SQLite alone: what is asked of the database is asked of each kind elsewhere."""
    return "sqlite"


@pytest.fixture
def settings(settings):
    """Those of a server whose webhooks may reach this machine."""
    return settings.model_copy(update={"webhook_hosts": ("127.0.0.1",)})


@pytest.fixture
def free(app):
    """An application that asks for no token of forms."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


def post(client, path, **typed):
    return client.post(path, data=typed, headers={"Sec-Fetch-Site": "same-origin"})


def choose(client, **typed):
    usual = {"wait_minutes": "30", "bound": "0.95", "metric": "test_loss", "language": "zh"}
    return post(client, PAGE, **(usual | typed))


def test_choices_are_kept_and_shown(free):
    answer = choose(free, **{"failed-browser": "on", "side": "below", "mail": "ada@lab.example"})

    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    page = free.get(PAGE).text
    assert 'name="failed-browser" data-by-browser' in page
    assert page.count(" checked") == 2  # the other is the default of a new webhook
    assert 'value="ada@lab.example"' in page


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"wait_minutes": "soon"}, "Write a number."),
        ({"failed-mail": "on"}, "Required."),
        ({"mail": "<script>"}, "Write one address of mail"),
    ],
)
def test_a_wrong_choice_is_named_and_what_was_typed_stays(free, typed, words):
    answer = choose(free, **typed)

    assert answer.status_code == 422
    assert words in answer.text
    assert "<script>" not in answer.text.split("<main", 1)[1]


def test_a_webhook_is_added_tested_sent_again_and_removed(free, app, receiver):  # noqa: F811
    answer = post(
        free, "/account/webhooks", address=receiver.address, kind="standard", event="ended"
    )
    assert answer.status_code == 201
    assert "whsec_" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "whsec_" not in free.get(PAGE).text

    post(free, "/account/webhooks/1/test")
    parts = of(app)
    Deliverer(parts.database, parts.settings).deliver()

    assert len(receiver.got) == 1
    page = free.get(PAGE).text
    assert "This is a test of the notifications of Trainyard." in page
    assert post(free, "/account/deliveries/1/replay").status_code == 303
    assert "on its way" in free.get(PAGE).text
    assert "whsec_" in post(free, "/account/webhooks/1/rotate").text
    post(free, "/account/webhooks/1", enabled="0")
    assert "disabled" in free.get(PAGE).text
    post(free, "/account/webhooks/1/remove")
    assert receiver.address not in free.get(PAGE).text


def test_a_wrong_webhook_is_named(free):
    answer = post(free, "/account/webhooks", address="ftp://x", kind="standard")

    assert answer.status_code == 422
    assert "Write an address such as" in answer.text
    assert 'value="ftp://x"' in answer.text


def test_nobody_comes_to_a_webhook_of_somebody_else(settings, monkeypatch, compiled_templates):
    hash_quickly(monkeypatch)
    app = create_app(settings.model_copy(update={"accounts": "shared"}))
    app.testing = True
    app.config["WTF_CSRF_ENABLED"] = False
    app.jinja_env.bytecode_cache = compiled_templates
    place = Installation(app)
    for name in ("ada", "eve"):
        place.join(name, "administrator")
    hook = webhooks.add(place.database, "ada", "https://hooks.example/ada", "slack", ["ended"])
    eve = place.browser("eve")

    assert "hooks.example" not in eve.get(PAGE).text
    assert eve.get("/api/v1/webhooks").json["items"] == []
    for method, path in [
        ("PATCH", f"/api/v1/webhooks/{hook.id}"),
        ("DELETE", f"/api/v1/webhooks/{hook.id}"),
        ("POST", f"/api/v1/webhooks/{hook.id}/test"),
        ("POST", f"/api/v1/webhooks/{hook.id}/rotate"),
        ("POST", f"/account/webhooks/{hook.id}/remove"),
    ]:
        json = {"enabled": False} if method == "PATCH" else None
        assert eve.open(path, method=method, json=json).status_code == 404
    assert "hooks.example" in place.browser("ada").get(PAGE).text
    place.database.dispose()
