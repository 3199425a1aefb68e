"""Private runs are hidden from others, and pages have the buttons of whoever reads them."""

import pytest

from core import workers
from tests.webui.pages.conftest import Page
from tests.webui.people import shared
from webui.context import of


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    with shared(settings, monkeypatch, compiled_templates) as made:
        for name, role in (("ada", "administrator"), ("eve", "member"), ("bob", "member")):
            made.join(name, role)
        made.join("ann", "viewer")
        yield made


@pytest.fixture
def submit(place):
    """Submits a run of somebody; its number."""

    def submitted(name, **more):
        answer = place.browser(name).post("/api/v1/jobs", json={"name": "a run", **more})
        assert answer.status_code == 201, answer.text
        return answer.json["id"]

    return submitted


def status(client, run):
    return client.get(f"/api/v1/jobs/{run}").status_code


def test_a_run_that_is_submitted_as_private_is_not_there_for_others(place, submit):
    run = submit("eve", private=True)

    assert place.browser("eve").get(f"/api/v1/jobs/{run}").json["private"] is True
    assert [status(place.browser(name), run) for name in ("ada", "bob", "ann")] == [200, 404, 404]


def test_the_form_makes_a_private_run_where_its_box_is_ticked(place):
    eve = place.browser("eve")
    assert Page(eve.get("/jobs/new").text).one("input", id="private").attributes["value"] == "true"

    for ticked in (["false", "true"], ["false"]):
        eve.post("/jobs", data={"name": "x", "preset": "quick", "private": ticked})

    shown = [each["private"] for each in eve.get("/api/v1/jobs").json["items"]]
    assert shown == [False, True]


def test_a_clone_of_a_private_run_is_private_unless_it_is_said_to_be_none(place, submit):
    run = submit("eve", private=True)
    eve = place.browser("eve")

    form = Page(eve.get(f"/jobs/new?from={run}").text)
    clones = [submit("eve", cloned_from=run, **more) for more in ({}, {"private": False})]

    assert "checked" in form.one("input", id="private").attributes
    shown = [eve.get(f"/api/v1/jobs/{each}").json["private"] for each in clones]
    assert shown == [True, False]


def test_a_clone_tells_nothing_of_a_private_run_of_somebody_else(place, submit):
    run = submit("eve", private=True)

    clone = place.browser("bob").get(f"/api/v1/jobs/{submit('bob', cloned_from=run)}").json

    assert (clone["private"], clone["cloned_from"]) == (False, None)


def test_a_run_that_has_become_private_is_no_longer_named_by_its_clones_and_heirs(place, submit):
    eve, bob = place.browser("eve"), place.browser("bob")
    run = submit("eve")
    clone = submit("bob", cloned_from=run)
    assert bob.get(f"/api/v1/jobs/{clone}").json["cloned_from"] == run

    eve.patch(f"/api/v1/jobs/{run}", json={"private": True})

    assert bob.get(f"/api/v1/jobs/{clone}").json["cloned_from"] is None
    assert eve.get(f"/api/v1/jobs/{clone}").json["cloned_from"] == run


def test_its_owner_changes_who_sees_a_run_and_its_history_says_so(place, submit):
    run = submit("eve")
    eve, bob = place.browser("eve"), place.browser("bob")
    form = {"name": "a run", "tags": "", "notes": "", "private": ["false", "true"]}

    eve.post(f"/jobs/{run}/edit", data=form)

    assert status(bob, run) == 404
    assert "who sees it" in eve.get(f"/jobs/{run}").text
    eve.post(f"/jobs/{run}/edit", data=form | {"private": "false"})
    assert status(bob, run) == 200


def test_lists_and_the_run_page_say_that_a_run_is_private(place, submit):
    run = submit("eve", private=True)
    eve = place.browser("eve")

    for address in ("/", f"/jobs/{run}"):
        assert [each.text for each in badges(eve.get(address).text)] == ["private"]


def badges(html):
    spans = Page(html).all("span")
    return [each for each in spans if "private" in (each.attributes.get("class") or "").split()]


def test_without_accounts_no_form_asks_whether_a_run_is_private(client):
    run = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]

    for address in ("/jobs/new", f"/jobs/{run}/edit"):
        assert not Page(client.get(address).text).all("input", name="private")


BUTTONS = {"New run", "Edit", "Clone run", "Pause", "Cancel"}


def words(page):
    return {each.text for each in (*page.all("a"), *page.all("button"))}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ann", set()),
        ("bob", {"New run", "Clone run"}),
        ("eve", BUTTONS),
        ("ada", BUTTONS),
    ],
)
def test_a_run_page_has_the_buttons_that_its_reader_may_press(place, submit, name, expected):
    page = Page(place.browser(name).get(f"/jobs/{submit('eve')}").text)

    assert words(page) & BUTTONS == expected
    assert bool(page.all("dialog", id="cancel-dialog")) == ("Cancel" in expected)


def test_the_buttons_for_many_runs_are_there_for_whoever_may_submit(place, submit):
    submit("eve")
    of_many = {"Retry", "Tag…", "Cancel…", "Delete…"}

    for name, expected in (("ann", set()), ("bob", of_many)):
        page = Page(place.browser(name).get("/").text)
        assert words(page) & of_many == expected
        assert "Compare" in words(page)
        assert not [each for each in page.all("a") if each.attributes.get("class") == "edit"]


def test_only_administrators_find_how_to_drain_and_to_clean(place):
    facts = workers.WorkerFacts("w", 1, "1", ["default"], [{"kind": "cpu", "name": "CPU"}], 1)
    workers.register(of(place.app).database, facts)

    for name, is_there in (("bob", False), ("ada", True)):
        browser = place.browser(name)
        assert ("Drain" in words(Page(browser.get("/workers").text))) is is_there
        assert ("trainyard clean" in browser.get("/storage").text) is is_there


@pytest.mark.parametrize("page", ["edit", "cancel", "delete"])
def test_a_form_is_refused_to_whoever_could_not_send_it(place, submit, page):
    assert place.browser("bob").get(f"/jobs/{submit('eve')}/{page}").status_code == 403


def test_search_leads_a_viewer_to_no_form(place):
    shown = place.browser("ann").get("/search?q=new").text

    assert "/jobs/new" not in shown


def test_runs_of_others_are_left_out_of_what_is_asked_of_several_and_that_is_said(place, submit):
    own, other = submit("eve"), submit("bob")
    eve = place.browser("eve")

    rows = {
        each.attributes.get("id"): each.attributes for each in Page(eve.get("/").text).all("tr")
    }
    assert "data-others" in rows[f"job-{other}"]
    assert "data-others" not in rows[f"job-{own}"]
    for address in ("selected/cancel", "selected/tags", "delete"):
        question = Page(eve.get(f"/jobs/{address}?run={own}&run={other}").text)
        named = {each.attributes.get("value") for each in question.all("input")} - {None}
        assert str(own) in named
        assert str(other) not in named
        assert "1 of the chosen runs is somebody else's: it is left out." in question.text
    assert str(other) not in [
        each.attributes["value"]
        for each in Page(eve.get("/jobs/delete").text).all("input", name="id")
    ]
    answer = eve.post("/jobs/selected/retry", data={"run": [other]})
    assert "1 run is somebody else's" in Page(eve.get(answer.headers["Location"]).text).text


def test_the_box_of_the_form_says_what_it_does_and_no_summary_names_it_unticked(place, submit):
    eve = place.browser("eve")
    run = submit("eve")

    for address in ("/jobs/new", f"/jobs/new?from={run}"):
        form = Page(eve.get(address).text)
        assert "Only you and administrators see the run" in form.one("p", id="private-help").text
        assert "private" not in form.one("span", id="summary-scheduling").text
    cloned = Page(eve.get(f"/jobs/new?from={submit('eve', private=True)}").text)
    assert "private" in cloned.one("span", id="summary-scheduling").text
