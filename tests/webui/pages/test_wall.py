"""The wall: everything at a glance, each number with what it is of."""

from __future__ import annotations

from core import workers
from core.jobs import drains, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Failure
from core.messages import plain
from core.spec.presets import resolve
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

    assert numbers(page) == ["1", "1", "0", "0", "1", "1 of 2"]
    assert "About to start." in page.one("li", id="next-3").text
    for text in ("done", "98.76%", "succeeded", "goes", "epoch 1 of 1 · 21%"):
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
        "1",
        "1",
        "1",
        "1 drained",
        "0 of 2",
    ]


def test_what_waits_is_named_in_the_order_in_which_it_starts_each_with_why(
    client, submitted, running, database
):
    running("goes")
    submitted("far (seed 4)", seed=4)
    for seed in (1, 2):
        submitted(f"near (seed {seed})", seed=seed, priority=9)
    submitted("last")
    drains.drain(database, "worker-one", LOCAL_OWNER)

    page = get(client, "/wall")

    waits = [each for each in page.all("li") if (each.attributes["id"] or "").startswith("next-")]
    why = "Worker worker-one, the only one that could run it, is drained by owner."
    assert [each.text for each in waits] == [
        f"near (seed 1) #3 {why}",
        f"near (seed 2) #4 {why}",
        f"far (seed 4) #2 {why}",
    ]


def test_paused_runs_are_named_where_there_is_room(client, submitted, database):
    for number in (1, 2, 3, 4):
        lifecycle.pause(database, submitted(f"rests {number}").id, LOCAL_OWNER)
    submitted("waits")

    page = get(client, "/wall")

    assert [each.attributes["id"] for each in page.all("li")] == [
        "next-5",
        "next-4",
        "next-3",
        "next-2",
    ]
    assert page.one("li", id="next-4").text == "rests 4 #4 paused Paused by owner."


def test_a_failed_run_says_shortly_why(client, running, database):
    _, lease = running("breaks")
    why = plain("Loss became NaN at epoch 3.")
    endings.end(database, lease, "failed", Failure("diverged", why))

    card = get(client, "/wall").one("li", id="ended-1")

    assert "failed The loss diverged" in card.text


def test_a_run_that_learned_nothing_is_no_success_like_others(client, report):
    report({}, epoch_end(test_accuracy=0.11))
    report({}, epoch_end(test_accuracy=0.95))
    page = get(client, "/wall")

    assert "hardly better than guessing" in page.one("li", id="ended-1").text
    assert "hardly better than guessing" not in page.one("li", id="ended-2").text


def test_with_accounts_each_card_says_whose_it_is_and_hides_what_is_private(place, client):
    ada, grace = place.join("ada"), place.join("grace")
    for owner, is_private in ((ada, False), (grace, True), (grace, False)):
        lifecycle.submit(
            place.database, owner, name="waits", spec=resolve("quick", {}), private=is_private
        )

    page = get(place.browser("ada"), "/wall")

    assert [each.text.split(" · ")[0] for each in page.all("li")] == [
        "waits #1 ada",
        "waits #3 grace",
    ]
    assert numbers(page)[:2] == ["0", "3"]
    assert "owner" not in get(client, "/wall").one("main").text


def test_a_worker_that_was_lost_is_counted(client, database, worker_id):
    with database.writing() as session:
        workers.mark_lost(session, worker_id)

    assert numbers(get(client, "/wall"))[-3:] == ["0", "1 lost", "0 of 0"]


def test_the_wall_is_found_from_every_page(client):
    assert get(client, "/workers").one("a", data_key="wall").attributes["href"] == "/wall"
    assert "Wall" in get(client, "/search?q=wall").text
