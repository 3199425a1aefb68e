"""The buttons of a run's page: cancel, pause, resume, retry."""

from __future__ import annotations

import json
import re

import pytest

from core import queries
from core.jobs import endings, lifecycle, snapshots
from core.jobs.actors import Actor
from core.jobs.endings import Failure
from core.jobs.snapshots import SnapshotRef
from core.messages import message, plain
from core.storage.blobs import Blob
from tests.webui.pages.conftest import Page, get, token


def test_cancelling_a_queued_run_ends_it(client, submitted):
    job = submitted()
    answer = client.post(f"/jobs/{job.id}/cancel", data={"csrf_token": token(client)})
    assert answer.status_code == 303
    head = get(client, answer.headers["Location"]).one("header", id="part-head")
    assert head.attributes["data-state"] == "cancelled"


def test_a_running_run_that_is_cancelled_says_so_with_the_seconds(client, running):
    job_id, _ = running()
    client.post(f"/jobs/{job_id}/cancel", data={"csrf_token": token(client)})
    page = get(client, f"/jobs/{job_id}")
    head = page.one("header", id="part-head")
    assert head.attributes["data-state"] == "running"
    assert "Cancelling, " in head.text
    assert buttons(page) == ["[Cancelling, … s]"]  # how many depends on how busy the machine is


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry"])
def test_an_action_on_what_does_not_exist_is_an_error_page(client, action):
    answer = client.post(f"/jobs/9/{action}", data={"csrf_token": token(client)})
    assert answer.status_code == 404


def press(client, job_id: int, action: str, **fields: str) -> Page:
    """Send the form of a button of a run's page, and see what the page is then."""
    page = get(client, f"/jobs/{job_id}")
    token = page.all("input", name="csrf_token")[0].attributes["value"]
    button = page.all("button", name="action", value=action)[0].attributes
    data = {"csrf_token": token, button["name"]: button["value"], **fields}
    answer = client.post(address_of(page, job_id, action), data=data)
    assert answer.status_code == 303
    return get(client, answer.headers["Location"])


def address_of(page: Page, job_id: int, action: str) -> str:
    """Where the form of a button leads to."""
    addresses = [form.attributes["action"] for form in page.all("form")]
    return next(each for each in addresses if each.startswith(f"/jobs/{job_id}/{action}?"))


def buttons(page: Page) -> list[str]:
    """What can be asked of a run, and, in brackets, what cannot; without those of its dialog."""
    return [
        f"[{re.sub('[0-9]+ s', '… s', button.text)}]"
        if "disabled" in button.attributes
        else button.text
        for button in page.all("button")
        if "button" in (button.attributes.get("class") or "").split()
        and button.text not in ("Keep it", "Cancel run")
    ]


def secure(database, job_id: int) -> None:
    with database.writing() as session:
        snapshots.add(session, job_id, 1, SnapshotRef(2, 950, Blob("a" * 64, 5)))


def test_a_queued_run_can_be_paused_and_resumed(client, submitted):
    job = submitted()
    assert buttons(get(client, f"/jobs/{job.id}")) == ["Pause", "Cancel"]
    paused = press(client, job.id, "pause")
    assert buttons(paused) == ["Resume", "Cancel"]
    head = paused.one("header", id="part-head")
    assert head.attributes["data-state"] == "paused"
    assert paused.all("span", **{"class": "badge", "data-state": "paused"})
    notice = paused.one("section", **{"class": "notice"})
    assert notice.text == "Paused by owner just now. It has not started yet."
    assert buttons(press(client, job.id, "resume")) == ["Pause", "Cancel"]


def test_a_run_that_is_being_paused_shows_the_seconds_and_can_be_resumed(client, running):
    job_id, _ = running()
    pausing = press(client, job_id, "pause")
    assert buttons(pausing) == ["[Pausing, … s]", "Keep running", "Cancel"]
    assert pausing.one("span", **{"class": "badge", "data-state": "pausing"})
    assert buttons(press(client, job_id, "resume")) == ["Pause", "Cancel"]


def test_a_paused_run_shows_who_paused_it_and_from_where_it_resumes(client, database, running):
    job_id, lease = running()
    secure(database, job_id)
    lifecycle.pause(database, job_id, Actor("user", "u", "ada <b>", "administrator"))
    endings.end(database, lease, "paused")
    page = get(client, f"/jobs/{job_id}")
    notice = page.one("section", **{"class": "notice"})
    assert notice.text == "Paused by ada <b> just now. It resumes from epoch 3, batch 13."
    attempt = page.one("li", id="attempt-1").text
    assert "Paused just now Pause requested by ada <b> just now" in attempt
    row = get(client, "/?state=paused").one("tr", id=f"job-{job_id}")
    assert "epoch 1 of 1" in row.text


def test_a_failed_run_can_be_retried(client, database, running):
    job_id, lease = running()
    endings.end(database, lease, "failed", Failure("ValueError", plain("no")))
    failed = get(client, f"/jobs/{job_id}")
    assert buttons(failed) == ["Retry"]
    assert "A retry starts from scratch." in failed.text
    again = press(client, job_id, "retry")
    assert again.one("header", id="part-head").attributes["data-state"] == "queued"
    assert json.loads(again.one("script", id="run-data").text)["over"] is False
    assert not again.all("section", role="alert")
    assert "Retried by owner just now." in again.text


def test_a_run_that_waits_to_start_from_scratch_shows_no_numbers_of_what_failed(
    client, database, running
):
    job_id, lease = running()
    before = get(client, f"/jobs/{job_id}")
    assert before.one("dd", data_live="train_loss").text == "0.5123"
    endings.end(database, lease, "failed", Failure("ValueError", plain("no")))

    again = press(client, job_id, "retry")

    shown = [each.text for each in again.all("dd") if "data-live" in each.attributes]
    assert set(shown) <= {"–", "– of 1", "0", "0 of 469"}
    assert "data-elapsed" not in again.one("div", id="part-progress").attributes
    assert not [each for each in again.all("span") if "data-elapsed" in each.attributes]


def test_a_run_that_diverged_is_to_be_cloned_and_not_retried(client, database, running):
    job_id, lease = running()
    reason = message(
        "run.diverged", epoch=1, batch=262, learning_rate=6.37, snapshot=message("run.no_snapshot")
    )
    endings.end(database, lease, "failed", Failure("diverged", reason))

    page = get(client, f"/jobs/{job_id}")

    [retry] = [each for each in page.all("button", name="action") if each.text == "Retry"]
    [clone] = [each for each in page.all("a") if each.text == "Clone run"]
    assert "primary" not in retry.attributes["class"]
    assert "primary" in clone.attributes["class"]
    assert "so it ends there again: clone the run and lower its learning rate" in page.text
    alert = page.one("section", role="alert").text
    assert alert.startswith("The loss diverged Loss became NaN or infinite at epoch 1, batch 262")
    assert "It had made no snapshot." in alert
    assert page.one("span", data_live="batch").text == "262"


@pytest.mark.parametrize(
    ("from_scratch", "place"),
    [("", "resumes from epoch 3, batch 13"), ("true", "starts from scratch")],
)
def test_a_retry_resumes_from_a_snapshot_or_starts_from_scratch(
    client, database, running, from_scratch, place
):
    job_id, lease = running()
    secure(database, job_id)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no")))
    failed = get(client, f"/jobs/{job_id}")
    assert buttons(failed) == ["Restart from scratch", "Retry"]
    assert [each.attributes["value"] for each in failed.all("input", name="from_scratch")] == [
        "true"
    ]
    assert "A retry resumes from epoch 3, batch 13." in failed.text
    again = press(client, job_id, "retry", from_scratch=from_scratch)
    assert f"It {place}." in again.text


@pytest.mark.parametrize("action", ["pause", "resume", "retry"])
def test_what_does_not_fit_the_state_is_an_error_page_with_a_sentence(client, succeeded, action):
    job_id = succeeded()
    assert buttons(get(client, f"/jobs/{job_id}")) == []
    answer = client.post(f"/jobs/{job_id}/{action}", data={"csrf_token": token(client)})
    assert answer.status_code == 409
    assert f"Run {job_id} is succeeded" in Page(answer.text).text


def test_a_button_whose_page_was_changed_by_halves_does_nothing(client, submitted, database):
    job = submitted()

    for asked, meant in [("resume", "pause"), ("resume", "cancel"), ("retry", "pause")]:
        data = {"csrf_token": token(client), "action": meant}
        answer = client.post(f"/jobs/{job.id}/{asked}", data=data)
        assert answer.status_code == 409
        assert f"The button said {meant}" in Page(answer.text).text

    with database.reading() as session:
        assert queries.job(session, job.id)[0].revision == job.revision


def test_each_button_is_of_its_own_so_that_none_turns_into_another(client, submitted):
    job = submitted()
    queued = get(client, f"/jobs/{job.id}")
    paused = press(client, job.id, "pause")

    def ids(page: Page) -> set[str]:
        found = {form.attributes.get("id") or "" for form in page.all("form")}
        return {each for each in found if each.startswith("ask-")}

    assert ids(queued) == {"ask-pause", "ask-cancel"}
    assert ids(paused) == {"ask-resume", "ask-cancel"}


def test_a_cancel_is_asked_about_by_a_page_where_there_is_no_script(client, submitted, database):
    job = submitted("the long one")

    question = get(client, f"/jobs/{job.id}/cancel")
    assert "Cancel run 1? the long one stops" in question.one("form", method="post").text
    assert question.one("a", **{"class": "button"}).text == "Keep it"
    with database.reading() as session:
        assert queries.job(session, job.id)[0].state == "queued"

    data = {"csrf_token": question.one("input", name="csrf_token").attributes["value"]}
    answer = client.post(
        question.one("form", method="post").attributes["action"], data=data | {"action": "cancel"}
    )
    head = get(client, answer.headers["Location"]).one("header", id="part-head")
    assert head.attributes["data-state"] == "cancelled"
    assert client.get(f"/jobs/{job.id}/cancel").status_code == 303  # there is nothing to ask


@pytest.mark.parametrize("from_scratch", ["", "true"])
def test_a_retry_that_came_twice_shows_the_run_that_continues(
    client, database, running, from_scratch
):
    job_id, lease = running()
    secure(database, job_id)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no")))
    press(client, job_id, "retry", from_scratch=from_scratch)

    data = {"csrf_token": token(client), "action": "retry", "from_scratch": from_scratch}
    again = client.post(f"/jobs/{job_id}/retry", data=data)

    assert again.status_code == 303
    with database.reading() as session:
        events = [each.kind for each in queries.events(session, job_id).items]
    assert events.count("retried") == 1


def test_a_retry_from_scratch_of_a_run_that_resumes_already_is_refused(client, database, running):
    job_id, lease = running()
    secure(database, job_id)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no")))
    press(client, job_id, "retry")

    data = {"csrf_token": token(client), "from_scratch": "true"}
    assert client.post(f"/jobs/{job_id}/retry", data=data).status_code == 409
