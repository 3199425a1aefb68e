"""Previews as the form and programs ask for them; a worker's part is played by the test."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update

from core import previews, workers
from core.database.clock import now
from core.database.models import Worker
from core.datasets.builtin import DATASETS
from core.messages import message
from core.workers import WorkerFacts
from tests.services import wait_until
from tests.webui.pages.conftest import token
from webui.context import current

PICTURE = b"\x89PNG and so on"
ADDRESS = "/api/v1/previews"


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def worker(database):
    return workers.register(database, WorkerFacts("w", 1, "0", ["default"], [], 1))


def ask(client, **asked):
    answer = client.post(ADDRESS, json={"dataset": "digits"} | asked)
    assert answer.status_code == 202
    return answer.json


def take(database):
    return previews.take(database, list(DATASETS))


def test_what_is_asked_for_is_drawn_for_its_address(client, database, worker):
    asked = {"augmentation": {"kind": "handwriting", "rotation": 30}, "seed": 3}

    preview = ask(client, **asked)

    key, request = take(database)
    assert preview == {"key": key, "url": f"{ADDRESS}/{key}.png"}
    assert (request["dataset"], request["seed"]) == ("digits", 3)
    assert request["augmentation"]["rotation"] == 30
    previews.finish(database, key, PICTURE)
    shown = client.get(preview["url"])
    assert (shown.status_code, shown.content_type, shown.data) == (200, "image/png", PICTURE)
    assert shown.headers["Cache-Control"] == "private, max-age=86400"
    again = client.get(preview["url"], headers={"If-None-Match": shown.headers["ETag"]})
    assert again.status_code == 304


def test_an_ask_wakes_the_workers(client, app):
    received, stop = [], threading.Event()
    with app.app_context():
        wakeups = current().wakeups
    listener = threading.Thread(target=wakeups.listen, args=("preview", received.append, stop))
    listener.start()
    try:
        wait_until(lambda: ask(client) and received, "the wake-up is received")
    finally:
        stop.set()
        listener.join()


def test_while_it_waits_it_says_for_what(client, database, worker):
    url = ask(client)["url"]

    waiting = client.get(url)

    assert (waiting.status_code, waiting.headers["Retry-After"]) == (202, "1")
    assert list(waiting.json.items()) == [
        ("status", "waiting"),
        ("detail", "It waits for a worker."),
        ("code", "preview.waits"),
        ("params", {}),
    ]
    assert waiting.headers["Cache-Control"] == "no-store"
    take(database)
    assert client.get(url).json["detail"] == "It is being drawn."
    assert client.get(url).json["code"] == "preview.being_drawn"


@pytest.mark.parametrize("is_silent", [False, True])
def test_without_a_live_worker_it_says_so(client, database, worker, is_silent):
    url = ask(client)["url"]
    gone = {"last_heartbeat_at": now(-60)} if is_silent else {"stopped_at": now()}
    with database.writing() as session:
        session.execute(update(Worker).values(gone))

    answer = client.get(url)

    assert answer.status_code == 202
    assert answer.json["code"] == "preview.no_worker"
    assert "No worker is there" in answer.json["detail"]


def test_where_every_worker_is_drained_it_says_so(client, database, worker):
    url = ask(client)["url"]
    with database.writing() as session:
        session.execute(update(Worker).values(desired="drain"))

    assert client.get(url).json["code"] == "preview.all_drained"


def test_what_could_not_be_drawn_says_why_and_can_be_asked_for_again(client, database, worker):
    preview = ask(client)
    take(database)
    reason = message("preview.too_slow", limit_s=20.0)
    previews.fail(database, preview["key"], reason)

    answer = client.get(preview["url"])

    assert (answer.status_code, answer.content_type) == (424, "application/problem+json")
    assert answer.json["detail"] == reason.text
    assert (answer.json["code"], answer.json["params"]) == (reason.code, {"limit_s": 20.0})
    assert ask(client) == preview
    assert client.get(preview["url"]).status_code == 202


@pytest.mark.parametrize("name", ["0" * 64, "x", "0" * 63 + "%00"])
def test_what_nobody_asked_for_is_not_there(client, name):
    assert client.get(f"{ADDRESS}/{name}.png").status_code == 404


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"dataset": "cats"}, "dataset"),
        ({"seed": -1}, "seed"),
        ({"augmentation": {"kind": "handwriting", "rotation": 400}}, "augmentation.rotation"),
        ({"augmentation": {"kind": "handwriting", "flip": True}}, "augmentation.flip"),
        ({"augmentation": {"kind": "photos"}}, "augmentation.color"),
        ({"augmentation": "photos"}, "augmentation"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_wrong_fields_are_named_and_nothing_is_asked_for(client, database, asked, field):
    answer = client.post(ADDRESS, json={"dataset": "digits"} | asked)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert take(database) is None


def test_programs_send_json(client):
    assert client.post(ADDRESS, data={"dataset": "digits"}).status_code == 415
    assert client.post(ADDRESS, json=["digits"]).status_code == 422


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_can_be_shown_as_it_is(client, database, dataset):
    assert client.post(ADDRESS, json={"dataset": dataset}).status_code == 202
    assert take(database)[1]["augmentation"] == {"kind": "none"}


# the form


def type_in(client, **fields):
    return client.post("/previews", data={"csrf_token": token(client), **fields})


def test_a_form_is_asked_for_as_it_is_typed(client, database):
    answer = type_in(
        client,
        **{
            "name": "",  # what does not concern the images may be wrong still
            "epochs": "none",
            "dataset": "digits",
            "seed": "5",
            "augmentation.kind": "handwriting",
            "augmentation.handwriting.rotation": "30",
            "augmentation.photos.color": "nonsense",
        },
    )

    assert answer.status_code == 202
    key, request = take(database)
    assert answer.json == {"key": key, "url": f"{ADDRESS}/{key}.png"}
    assert (request["seed"], request["augmentation"]["rotation"]) == (5, 30)


def test_a_form_and_a_program_that_ask_alike_get_one_picture(client):
    typed = type_in(client, **{"dataset": "digits", "seed": "0", "augmentation.kind": "clothes"})

    assert typed.json == ask(client, augmentation={"kind": "clothes"})


def test_what_is_wrong_in_a_form_is_told_by_its_titles(client, database):
    answer = type_in(
        client, **{"augmentation.kind": "handwriting", "augmentation.handwriting.rotation": "400"}
    )

    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert answer.json["detail"] == "Rotation: must be at most 180"
    assert answer.json["errors"] == [
        {
            "field": "augmentation.rotation",
            "message": "must be at most 180",
            "code": "input.at_most",
            "params": {"bound": 180},
        }
    ]
    assert take(database) is None


def test_a_form_without_its_token_asks_for_nothing(client, database):
    assert client.post("/previews", data={"dataset": "digits"}).status_code == 400
    assert take(database) is None


@pytest.mark.parametrize("path", [ADDRESS, "/previews"])
def test_a_post_from_another_site_asks_for_nothing(client, database, path):
    stranger = {"Origin": "https://evil.example"}

    assert client.post(path, json={"dataset": "digits"}, headers=stranger).status_code == 403
    assert take(database) is None
