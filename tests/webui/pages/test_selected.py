"""What is asked of the runs that are chosen in the list, without any script."""

from __future__ import annotations

import pytest

from core.jobs import endings
from core.jobs.endings import Failure
from core.messages import plain
from tests.webui.pages.conftest import Page, get, token


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: each run is changed by a function that is tested on both."""
    return "sqlite"


def choose(client, page, action, ids, **more):
    """Press a button of a form with some runs chosen; the list that it leads to."""
    data = {"csrf_token": token(client), "run": ids, **more}
    answer = client.post(f"/jobs/selected/{action}", data=data)
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"] == page
    return get(client, page)


def test_a_cancel_is_asked_first_and_says_what_became_of_each_run(client, submitted, succeeded):
    done, waits = succeeded("done"), submitted("waits").id
    question = get(client, f"/jobs/selected/cancel?run={done}&run={waits}")
    assert question.one("h1").text == "Cancel 1 run?"
    assert [each.attributes["value"] for each in question.all("input", name="run")] == [
        str(waits),
        str(done),
    ]

    page = choose(client, "/?state=queued", "cancel", [done, waits], back="state=queued")

    answer = page.one("section", role="status").text
    assert answer == f"1 run cancelled. Run {done} had ended already: it is succeeded."
    assert "1 run cancelled" not in get(client, "/").text


def question(client, address):
    """What a question warns of, and the control that has the focus."""
    page = get(client, address)
    [focused] = [each for each in page.elements if "autofocus" in each.attributes]
    return page.one("p", **{"class": "notice warn"}).text, focused.text


def test_the_question_of_a_cancel_fits_what_is_cancelled(client, submitted, running):
    runs, waits, also = running("runs")[0], submitted("waits").id, submitted("waits too").id

    of_one, keep_it = question(client, f"/jobs/selected/cancel?run={waits}")
    of_two, keep_them = question(client, f"/jobs/selected/cancel?run={waits}&run={also}")
    of_all, let_run = question(client, f"/jobs/selected/cancel?run={waits}&run={runs}")

    assert of_one == (
        "It has not begun: it leaves the queue, and cannot come back to it. "
        "To stop it for a while, pause it on its page."
    )
    assert of_two == "They have not begun: they leave the queue, and cannot come back to it."
    assert "snapshots are removed" in of_all
    assert "pause" not in of_all
    assert (keep_it, keep_them, let_run) == ("Keep it", "Keep them", "Let them run")


def test_a_question_has_the_focus_where_it_is_answered(client, submitted, database, running):
    failed, lease = running("fails")
    endings.end(database, lease, "failed", Failure("error", plain("it broke")))
    waits = submitted("waits").id

    def focused(address):
        found = [each for each in get(client, address).elements if "autofocus" in each.attributes]
        return [each.text or each.attributes["value"] for each in found]

    assert focused(f"/jobs/selected/retry?run={failed}") == ["Retry"]
    assert focused(f"/jobs/delete?run={waits}") == ["Keep them"]
    assert focused("/jobs/delete") == [str(waits)]
    assert focused(f"/jobs/{waits}/delete") == ["Keep it"]


def chosen(page):
    boxes = page.all("input", name="run", type="checkbox")
    return [each.attributes["value"] for each in boxes if "checked" in each.attributes]


def test_runs_that_were_tagged_are_chosen_still_in_this_answer_alone(client, submitted):
    ids = [submitted(f"run {number}").id for number in range(3)]

    page = choose(client, "/", "tags", ids[:2], tags="night", how="add")

    assert chosen(page) == ["2", "1"]
    assert chosen(get(client, "/")) == []


def test_a_running_run_is_asked_to_stop(client, running):
    job_id, _ = running("runs")

    assert "1 run is asked to stop." in choose(client, "/", "cancel", [job_id]).text


def test_the_failed_ones_are_tried_again(client, database, running, submitted):
    failed, lease = running("fails")
    endings.end(database, lease, "failed", Failure("error", plain("it broke")))

    page = choose(client, "/", "retry", [failed, submitted("waits").id])

    assert "1 run queued again." in page.text
    assert "only a failed run can be retried" in page.text


def test_tags_are_given_to_all_and_taken_from_all(client, submitted):
    ids = [submitted(f"run {number}").id for number in range(2)]
    assert (
        get(client, f"/jobs/selected/tags?run={ids[0]}&run={ids[1]}").one("h1").text == "Tag 2 runs"
    )

    page = choose(client, "/", "tags", ids, tags="night, thesis", how="add")
    assert "2 runs tagged." in page.text
    assert len(page.all("a", href="/?tag=night")) == 2

    page = choose(client, "/", "tags", ids[:1], tags="night", how="remove")
    assert len(page.all("a", href="/?tag=night")) == 1


def test_the_question_of_a_delete_takes_the_chosen_runs(client, submitted, running):
    runs_on, waits, other = running("runs")[0], submitted("waits").id, submitted("other").id

    page = get(client, f"/jobs/delete?run={waits}&run={runs_on}")

    assert str(other) not in [each.attributes["value"] for each in page.all("input", name="id")]
    assert page.one("input", value=str(waits)).attributes.keys() >= {"checked"}
    assert page.one("input", value=str(runs_on)).attributes.keys() >= {"disabled"}


def test_all_runs_that_match_are_named_by_the_server_before_anything_is_done(client, submitted):
    match = [submitted(f"match {number}").id for number in range(3)]
    submitted("other")

    question = get(client, "/jobs/selected/cancel?matching=text%3Dmatch%26sort%3Dcreated")

    assert question.one("h1").text == "Cancel 3 runs?"
    named = [each.attributes["value"] for each in question.all("input", name="run")]
    assert named == [str(each) for each in match[::-1]]
    deletion = get(client, "/jobs/delete?matching=text%3Dmatch")
    assert deletion.one("h1").text == "Delete 3 runs?"
    assert "No run is chosen" in get(client, "/jobs/selected/retry?matching=").text
    assert get(client, "/jobs/selected/tags?matching=text%3Dmatch").one("h1").text == "Tag 3 runs"
    assert client.get("/jobs/selected/cancel?matching=state%3Dlazy").status_code == 422


def test_of_more_runs_than_are_asked_of_at_once_the_first_of_the_list_are_named(
    client, submitted, monkeypatch
):
    for number in range(3):
        submitted(f"run {number}")
    monkeypatch.setattr("webui.actions.MOST_AT_ONCE", 2)

    question = get(client, "/jobs/selected/cancel?matching=sort%3Dcreated")

    assert [each.attributes["value"] for each in question.all("input", name="run")] == ["2", "1"]
    assert "these are the first 2 of the list" in question.text


@pytest.mark.parametrize("page", ["cancel", "tags"])
def test_a_question_about_no_run_leads_back(client, page):
    assert "No run is chosen" in get(client, f"/jobs/selected/{page}").text
    assert "No run is chosen" not in Page(client.get("/").text).text


def test_a_button_that_was_pressed_with_no_run_chosen_says_so(client):
    answer = client.post("/jobs/selected/retry", data={"csrf_token": token(client)})

    assert answer.status_code == 422
    assert "Choose the runs first" in answer.text


def test_the_way_back_leads_to_this_server_alone(client, submitted):
    job_id = submitted("waits").id

    choose(client, "/?//evil.example", "retry", [job_id], back="//evil.example")
