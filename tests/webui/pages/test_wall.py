"""The wall: everything at a glance, each number with what it is of."""

from __future__ import annotations

from core import workers
from core.jobs import drains, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Failure
from core.messages import plain
from tests.reported import epoch_end
from tests.webui.pages.conftest import Page, get

SECOND = {"epoch": 2, "step": 20, "test_accuracy": 0.715}


def numbers(page):
    """The large numbers, and what is noted below them."""
    return [each.text for each in page.all("dd")]


def test_the_wall_shows_what_runs_what_ended_and_what_waits(client, succeeded, running, submitted):
    assert "Nothing is training" in get(client, "/wall").text
    succeeded("done")
    running("goes")
    submitted("waits")

    page = get(client, "/wall")

    assert numbers(page) == ["1", "1", "About to start.", "0", "0", "1", "1 of 2"]
    for text in ("done", "98.76%", "succeeded", "goes", "epoch 1 of 1"):
        assert text in page.text
    assert not Page(client.get("/wall?part=1").text).all("header")


def test_a_card_says_what_its_numbers_are_and_where_it_runs(client, report):
    report({"epochs": 3}, epoch_end(test_accuracy=0.75), epoch_end(**SECOND), ended=False)

    card = get(client, "/wall").one("li", id="wall-1").text

    assert "71.50% test accuracy" in card
    assert "best 75.00%" in card
    assert "mnist · cnn · sgd 0.1 · worker-one" in card
    assert "epoch 2 of" in card


def test_what_is_paused_has_failed_or_is_drained_is_counted(client, running, submitted, database):
    _, lease = running("breaks")
    endings.end(database, lease, "failed", Failure("diverged", plain("The loss is no number.")))
    lifecycle.pause(database, submitted("later").id, LOCAL_OWNER)
    submitted("waits")
    drains.drain(database, "worker-one", LOCAL_OWNER)

    assert numbers(get(client, "/wall")) == [
        "0",
        "1",
        "Worker worker-one, the only one that could run it, is drained by owner.",
        "1",
        "1",
        "1",
        "1 drained",
        "0 of 2",
    ]


def test_a_worker_that_was_lost_is_counted(client, database, worker_id):
    with database.writing() as session:
        workers.mark_lost(session, worker_id)

    assert numbers(get(client, "/wall"))[-3:] == ["0", "1 lost", "0 of 0"]


def test_the_wall_is_found_from_every_page(client):
    assert get(client, "/workers").one("a", data_key="wall").attributes["href"] == "/wall"
    assert "Wall" in get(client, "/search?q=wall").text
