"""The form of a new run loses nothing: by a reload, a step back, a preset, a lost answer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core import queries
from tests.serving import serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: the browser knows HTTP."""
    return "sqlite"


@pytest.fixture
def form(app, browser):
    """A page with the form, typed into."""
    with serving(app) as (_, address):
        context = browser.new_context(base_url=address)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto("/jobs/new?preset=quick")
        type_into(page)
        yield page
        context.close()


def field(page, name):
    return page.locator(f'[name="{name}"]').last


def type_into(page):
    page.get_by_label("Name", exact=True).fill("mine")
    field(page, "epochs").fill("9")
    page.locator("#all-fields > summary").click()
    page.locator("#section-optimizer > summary").click()
    page.get_by_label("Kind of optimizer").select_option("adam")
    field(page, "optimizer.adam.learning_rate").fill("0.5")
    page.locator("#section-publishing > summary").click()
    field(page, "publishing.onnx").uncheck()
    expect(page.locator("#changes")).to_contain_text("differ")


def has_what_was_typed(page, name="mine"):
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    expect(field(page, "epochs")).to_have_value("9")
    expect(page.get_by_label("Kind of optimizer")).to_have_value("adam")
    expect(field(page, "optimizer.adam.learning_rate")).to_have_value("0.5")
    expect(field(page, "publishing.onnx")).not_to_be_checked()
    expect(page.locator("#changes")).to_contain_text("differ")


def names(database):
    with database.reading() as session:
        return [job.name for job, _ in queries.jobs(session).items]


def start(page):
    page.locator("#start").click()


def test_a_reload_and_a_step_back_keep_what_was_typed(form):
    form.reload()
    has_what_was_typed(form)

    form.goto("/workers")
    form.go_back()
    has_what_was_typed(form)


def test_a_form_that_is_opened_again_offers_what_was_typed(form):
    form.goto("/workers")
    form.goto("/jobs/new?preset=quick")
    expect(field(form, "epochs")).to_have_value("1")

    form.get_by_role("button", name="Bring it back").click()

    has_what_was_typed(form)
    expect(form.get_by_role("button", name="Bring it back")).to_be_hidden()


def test_a_click_on_a_preset_keeps_what_was_typed_until_the_whole_preset_is_asked_for(form):
    form.locator('[data-preset="tutorial"]').click()
    expect(form.locator(".preset[aria-current]")).to_contain_text("Tutorial")
    has_what_was_typed(form)
    expect(form.locator("#restore")).to_contain_text("kept: Epochs, ")

    form.get_by_role("button", name="Take the preset's values").click()
    expect(field(form, "epochs")).to_have_value("10")
    form.get_by_role("button", name="Bring it back").click()

    has_what_was_typed(form)
    expect(form.locator(".preset[aria-current]")).to_contain_text("Quick")
    form.reload()
    has_what_was_typed(form)


def test_a_refused_form_keeps_what_was_typed_over_a_reload_too(form, database):
    form.locator("#section-plain > summary").click()
    field(form, "batch_size").fill("none")
    start(form)
    expect(form.locator("#mistakes")).to_be_visible()
    has_what_was_typed(form)
    expect(form).to_have_url(re.compile(r"/jobs/new\?preset=quick$"))

    form.reload()

    has_what_was_typed(form)
    form.locator("#section-plain > summary").click()
    field(form, "batch_size").fill("64")
    start(form)
    form.wait_for_url(re.compile(r"/jobs/\d+$"))
    assert names(database) == ["mine"]


def test_a_form_whose_answer_is_lost_is_sent_again_and_makes_one_run(form, database):
    form.route("**/jobs", lambda route: (route.fetch(max_redirects=0), route.abort()))
    start(form)
    form.wait_for_url("chrome-error://**")
    assert names(database) == ["mine"]
    form.unroute("**/jobs")

    form.goto("/jobs/new?preset=quick")
    form.get_by_role("button", name="Bring it back").click()
    has_what_was_typed(form)
    start(form)

    form.wait_for_url(re.compile(r"/jobs/\d+$"))
    assert names(database) == ["mine"]


def test_a_run_can_be_started_twice_by_going_back_to_the_form(form, database):
    start(form)
    form.wait_for_url(re.compile(r"/jobs/1$"))
    expect(form.get_by_role("heading", name="mine")).to_be_visible()

    form.go_back()
    has_what_was_typed(form)
    start(form)

    form.wait_for_url(re.compile(r"/jobs/2$"))
    assert names(database) == ["mine", "mine"]


def test_without_script_a_double_click_makes_one_run(app, browser, database):
    with serving(app) as (_, address):
        context = browser.new_context(base_url=address, java_script_enabled=False)
        page = context.new_page()
        page.goto("/jobs/new?preset=quick")
        page.get_by_label("Name", exact=True).fill("once")
        page.get_by_role("button", name="Start run").last.dblclick()
        page.wait_for_url(re.compile(r"/jobs/\d+$"))
        context.close()

    assert names(database) == ["once"]
