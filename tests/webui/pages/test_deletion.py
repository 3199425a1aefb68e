"""Deleting runs from the pages: a question first, an undo after, several at once; and the space."""

from __future__ import annotations

from flask import session

from core.jobs import deletion
from core.jobs.actors import LOCAL_OWNER
from tests.webui.pages.conftest import get, token
from webui.actions import Many
from webui.pages import outcome


def send(client, address, **fields):
    return client.post(address, data={"csrf_token": token(client), **fields})


def links(page):
    return [each.attributes.get("href") for each in page.all("a")]


def test_a_run_is_deleted_after_a_question_and_its_page_offers_the_undo(client, succeeded):
    job_id = succeeded("old run")
    assert f"/jobs/{job_id}/delete" in links(get(client, f"/jobs/{job_id}"))
    question = get(client, f"/jobs/{job_id}/delete")
    assert f"Delete run {job_id}?" in question.text
    assert "restored for 24 h" in question.text or "restored for 1 d" in question.text
    form = question.one("form", method="post")

    answer = send(client, form.attributes["action"])

    assert answer.status_code == 303
    page = get(client, answer.headers["Location"])
    assert "Deleted just now" in page.one("div", id="part-alerts").text
    assert [each.text for each in page.all("button", type="submit")] == ["Undo delete", "Search"]
    assert "old run" not in get(client, "/").text
    assert "old run" in get(client, "/?deleted=true").text
    again = send(client, f"/jobs/{job_id}/restore")
    page = get(client, again.headers["Location"])
    assert "Deleted just now" not in page.one("div", id="part-alerts").text
    assert "Restored by owner" in page.text
    assert "old run" in get(client, "/").text


def test_a_run_that_is_running_offers_no_delete_and_its_question_says_why(client, running):
    job_id, _ = running()

    assert f"/jobs/{job_id}/delete" not in links(get(client, f"/jobs/{job_id}"))
    question = get(client, f"/jobs/{job_id}/delete")
    assert "cancel or pause it first" in question.text
    assert not question.all("button", type="submit")
    assert send(client, f"/jobs/{job_id}/delete").status_code == 409


def test_several_runs_are_chosen_from_a_list_and_deleted(client, submitted):
    ids = [submitted(f"run {number}").id for number in range(3)]
    other = submitted("digits", dataset="digits").id
    page = get(client, "/jobs/delete?dataset=mnist")
    boxes = [each.attributes["value"] for each in page.all("input", type="checkbox")]
    assert boxes == [str(job_id) for job_id in reversed(ids)]

    back = page.one("input", name="back").attributes["value"]

    answer = send(client, "/jobs/delete", id=[ids[0], ids[2]], back=back)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/?dataset=mnist")
    page = get(client, answer.headers["Location"])
    assert "2 runs deleted." in page.one("section", role="status").text
    left = {row.attributes.get("id") for row in get(client, "/").all("tr")} - {None}
    assert left == {f"job-{ids[1]}", f"job-{other}"}


def test_the_list_offers_to_undo_a_delete_of_several(client, submitted):
    ids = [submitted(f"run {number}").id for number in range(2)]
    send(client, "/jobs/delete", id=ids)
    [undo] = get(client, "/").all("form", action="/jobs/selected/restore")
    assert undo.text == "Undo delete"

    send(client, undo.attributes["action"], run=ids)

    page = get(client, "/")
    assert "2 runs restored." in page.one("section", role="status").text
    assert {f"job-{each}" for each in ids} <= {row.attributes.get("id") for row in page.all("tr")}


def test_the_delete_of_as_many_as_can_be_chosen_is_undone_and_its_cookie_fits(client, submitted):
    chosen = [submitted(f"run {number}").id for number in range(3)]
    far = range(900, 900 + 97 * 990, 97)
    many = Many(done=[*chosen, *far], refused=[])
    with client.application.test_request_context("/"):
        outcome.to_list(many, ["done"], can_be_undone=True)
        [steps] = [text for kind, text in session["_flashes"] if kind == "undo"]
        cookie = client.application.session_interface.get_signing_serializer(
            client.application
        ).dumps(dict(session))

    assert len(cookie) < 4000
    assert outcome.undone(steps) == [*chosen, *far]


def test_deleted_runs_are_restored_from_their_list_one_or_those_that_are_chosen(client, submitted):
    ids = [submitted(f"run {number}").id for number in range(3)]
    send(client, "/jobs/delete", id=ids)
    get(client, "/")
    page = get(client, "/?deleted=true")
    assert page.one("h1").text == "Deleted runs"
    assert page.one("title").text.startswith("Deleted runs")
    assert "can be restored for 24 h" in page.text or "can be restored for 1 d" in page.text
    buttons = {each.attributes["formaction"] for each in page.all("button", form="selection")}
    assert buttons == {f"/jobs/selected/restore?only={each}" for each in ids}
    assert not [each for each in page.all("button") if each.text in ("Retry", "Cancel…")]

    send(client, f"/jobs/selected/restore?only={ids[0]}", run=ids[1], back="deleted=true")
    answer = send(client, "/jobs/selected/restore", run=[ids[1], ids[0]], back="deleted=true")

    assert answer.headers["Location"] == "/?deleted=true"
    page = get(client, "/?deleted=true")
    assert [each.attributes["value"] for each in page.all("input", name="run")] == [str(ids[2])]
    assert "2 runs restored." in page.one("section", role="status").text


def test_those_that_cannot_be_deleted_are_named(client, submitted, running):
    busy, _ = running("busy")
    idle = submitted("idle").id

    answer = send(client, "/jobs/delete", id=[busy, idle])

    page = get(client, answer.headers["Location"])
    assert "1 run deleted." in page.text
    assert f"Run {busy} is running" in page.text


def test_nothing_is_deleted_where_nothing_was_chosen(client, submitted):
    submitted("kept")

    answer = send(client, "/jobs/delete")

    assert answer.status_code == 422
    assert "Choose the runs first" in answer.text
    assert "kept" in get(client, "/").text


def test_there_is_nothing_to_choose_from_without_runs(client):
    assert "There is no run to delete" in get(client, "/jobs/delete").text


def test_a_deleted_run_that_was_queued_does_not_say_that_it_waits(client, database, submitted):
    job = submitted()
    deletion.delete(database, job.id, LOCAL_OWNER, 60.0)

    page = get(client, f"/jobs/{job.id}")

    assert "Paused" not in page.one("div", id="part-alerts").text
    assert not page.all("form", action=f"/jobs/{job.id}/resume")


def test_the_page_of_the_storage_has_a_row_a_kind_and_the_largest_runs(client, succeeded):
    job_id = succeeded("large")

    page = get(client, "/storage")

    [artifacts] = [row for row in page.all("tr") if row.attributes.get("data-kind") == "artifacts"]
    assert artifacts.text == "Artifacts 3 1.24 MB" or "MB" in artifacts.text
    assert f"/jobs/{job_id}" in links(page)
