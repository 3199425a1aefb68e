"""The list of runs: filtered, paged and kept up to date."""

from __future__ import annotations

from sqlalchemy import update

from core import queries
from core.database.models import Job
from tests.webui.pages.conftest import Page, get


def test_an_empty_list_invites_to_make_the_first_run(client):
    page = get(client, "/")
    assert "No runs yet" in page.text
    assert page.one("a", href="/jobs/new?preset=quick").text == "Start your first run"


def test_the_list_shows_what_a_run_has_come_to(client, succeeded):
    job_id = succeeded("done one")
    row = get(client, "/").one("tr", id=f"job-{job_id}")
    for text in ("succeeded", "done one", "epoch 1 of 1", "98.76%", "0.2000", "worker-one"):
        assert text in row.text


def test_the_list_can_be_filtered_by_state(client, submitted, running):
    running("runs")
    submitted("waits")
    page = get(client, "/?state=queued")
    assert "waits" in page.text
    assert "runs" not in page.one("table").text
    assert page.one("a", aria_current="true").text == "queued"
    assert "No run is failed" in get(client, "/?state=failed").text


def test_an_unknown_state_is_refused_with_the_known_ones(client):
    assert "succeeded" in get(client, "/?state=lazy", 422).text


def test_older_and_newest_lead_through_the_list(client, submitted):
    for number in range(queries.DEFAULT_LIMIT + 1):
        submitted(f"run {number}")
    first = get(client, "/")
    assert not [link for link in first.all("a") if "Newest" in link.text]
    older = get(client, first.one("a", rel="next").attributes["href"])
    assert [link.text for link in older.all("a") if "run " in link.text.lower()][-1] == "run 0"
    assert [link.attributes["href"] for link in older.all("a") if "Newest" in link.text] == ["/"]
    assert not older.all("a", rel="next")


def test_the_list_keeps_itself_fresh_by_a_part_of_its_own_address(client, submitted):
    submitted("waits")
    address = get(client, "/?state=queued").one("div", id="fresh").attributes["data-refresh"]
    part = Page(client.get(address).text)
    assert "waits" in part.one("table").text
    assert not part.all("html")
    assert not part.all("header")


def test_the_filters_stand_in_the_address_and_stay_when_one_pages(client, submitted):
    for number in range(queries.DEFAULT_LIMIT + 1):
        submitted(f"run {number}")
    page = get(client, "/?dataset=mnist&text=RUN&state=queued")

    chosen = [option.text for option in page.all("option", selected=None)]
    assert chosen == ["mnist"]
    assert page.one("input", name="text", type="text").attributes["value"] == "RUN"
    following = page.one("a", rel="next").attributes["href"]
    assert "dataset=mnist" in following
    last = get(client, following)
    assert [link.text for link in last.all("a") if "run " in link.text.lower()] == ["run 0"]
    assert "No run is like that" in get(client, "/?dataset=digits").text


def test_a_tag_leads_to_the_runs_that_have_it(client):
    body = {"name": "mine", "tags": ["thesis"]}
    job_id = client.post("/api/v1/jobs", json=body).json["id"]
    for address in ("/", f"/jobs/{job_id}"):
        link = get(client, address).one("a", **{"class": "tag"})
        assert link.text == "thesis"
        assert "mine" in get(client, link.attributes["href"]).one("table").text


def test_a_sorted_list_has_the_runs_with_a_measurement(client, succeeded, submitted):
    succeeded("done")
    submitted("waits")

    page = get(client, "/?sort=-test_accuracy")

    assert [option.text for option in page.all("option", selected=None)] == [
        "test accuracy, largest first"
    ]
    assert "done" in page.one("table").text
    assert "waits" not in page.one("table").text


def test_a_name_of_before_can_be_clicked_and_turns_nothing(client, submitted, database):
    blank, turning = submitted("one"), submitted("other")
    with database.writing() as session:
        for job, name in ((blank, "\u200b\u2060"), (turning, "a\u202eb\u2067")):
            session.execute(update(Job).where(Job.id == job.id).values(name=name))

    for address in ("/", f"/jobs/{blank.id}", f"/jobs/{turning.id}"):
        assert not set("\u200b\u202e\u2067") & set(client.get(address).text)
    page = get(client, "/")
    assert page.one("a", href=f"/jobs/{blank.id}").text == "(invisible name)"
    assert page.one("a", href=f"/jobs/{turning.id}").text == "a\ufffdb\ufffd"


def test_an_unknown_order_is_refused_with_those_that_there_are(client):
    assert "test_accuracy" in get(client, "/?sort=beauty", 422).text
