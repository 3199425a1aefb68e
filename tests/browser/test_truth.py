"""Pages that tell the truth: what a button says it does, and how old is what is shown."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from core.database import engine
from core.errors import DatabaseUnavailable
from core.jobs import endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Failure
from core.messages import plain
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.spec import presets
from tests.browser.test_streams import has_epochs, run, tabs
from tests.conftest import sqlite_address
from tests.faults.proxy import Proxy
from tests.services import wait_until
from tests.serving import serving, serving_with
from webui.live import hub as hub_module

__all__ = ["run", "tabs"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("browser"),
]

NO_CONTACT = "No contact since"
AWAY = "The database does not answer. No news since"


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: the browser knows HTTP."""
    return "sqlite"


@pytest.fixture
def wakeups(settings):
    return Wakeups(settings.redis_url)


@pytest.fixture
def queued(database):
    """A run that waits for ever."""
    spec = presets.resolve("quick", {})
    return lifecycle.submit(database, LOCAL_OWNER, name="waits", spec=spec, queue="nobody")


def state_of(page, state):
    return page.locator(f'#part-head[data-state="{state}"]')


def button(page, name):
    return page.locator(".actions").get_by_role("button", name=name, exact=True)


def test_a_focused_button_goes_when_what_it_says_cannot_be_done_any_more(
    tabs, database, queued, wakeups
):
    _, open_ = tabs
    page = open_(f"/jobs/{queued.id}")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.post_data else None)
    button(page, "Pause").focus()

    lifecycle.pause(database, queued.id, LOCAL_OWNER)
    wakeups.announce("changed", queued.id)

    expect(button(page, "Resume")).to_be_visible()
    expect(button(page, "Pause")).to_have_count(0)
    page.keyboard.press("Enter")  # what had the focus is not there any more
    button(page, "Resume").focus()
    lifecycle.cancel(database, queued.id, LOCAL_OWNER)
    wakeups.announce("changed", queued.id)
    expect(state_of(page, "cancelled")).to_be_visible()
    expect(page.locator(".actions button")).to_have_count(0)
    assert asked == []


def test_who_pauses_a_run_stays_on_its_live_page(tabs, queued):
    _, open_ = tabs
    page = open_(f"/jobs/{queued.id}")
    page.evaluate("window.isSamePage = true")

    button(page, "Pause").click()

    expect(button(page, "Resume")).to_be_visible()
    expect(page.locator(".actions")).to_be_focused()
    assert page.evaluate("window.isSamePage")
    # what cannot be asked in place is asked as without a script
    page.route("**/resume*", _unless_a_script_asks)
    button(page, "Resume").click()
    expect(state_of(page, "queued")).to_be_visible()
    assert not page.evaluate("window.isSamePage")


def _unless_a_script_asks(route):
    if route.request.resource_type == "fetch":
        route.abort()
    else:
        route.continue_()


def test_a_double_click_on_pause_pauses(tabs, database, queued):
    _, open_ = tabs
    page = open_(f"/jobs/{queued.id}")
    place = button(page, "Pause").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    expect(button(page, "Pause")).to_have_css("pointer-events", "auto")
    # a button that has appeared takes no click for very long
    page.add_style_tag(content="#ask-resume .button { animation-duration: 1000s !important; }")

    page.mouse.click(x, y)
    expect(button(page, "Resume")).to_be_visible()
    page.mouse.click(x, y)  # the second click, when the page has changed already

    page.reload()
    expect(state_of(page, "paused")).to_be_visible()
    button(page, "Resume").click()  # waits until the button takes clicks
    expect(state_of(page, "queued")).to_be_visible()


def test_a_cancel_is_asked_about_in_a_dialog_that_the_keyboard_works(tabs, database, queued):
    _, open_ = tabs
    page = open_(f"/jobs/{queued.id}")
    question = page.get_by_role("dialog", name=f"Cancel run {queued.id}?")

    button(page, "Cancel").press("Enter")
    expect(question).to_be_visible()
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    button(page, "Cancel").press("Enter")
    page.keyboard.press("Enter")  # keeps it
    expect(question).to_be_hidden()
    expect(state_of(page, "queued")).to_be_visible()
    button(page, "Cancel").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(state_of(page, "cancelled")).to_be_visible()


def test_a_cancel_is_asked_about_by_a_page_without_script(app, browser, queued):
    with serving(app) as (_, address):
        context = browser.new_context(base_url=address, java_script_enabled=False)
        page = context.new_page()
        page.goto(f"/jobs/{queued.id}")
        button(page, "Cancel").click()
        page.get_by_role("link", name="Keep it").click()
        expect(state_of(page, "queued")).to_be_visible()
        button(page, "Cancel").click()
        page.get_by_role("button", name="Cancel run").click()

        expect(state_of(page, "cancelled")).to_be_visible()
        context.close()


@pytest.mark.parametrize("kind", ["shared", "own"])
def test_a_page_over_a_frozen_link_says_since_when_and_continues_where_it_was(
    app, browser, run, monkeypatch, kind
):
    monkeypatch.setattr(hub_module, "HEARTBEAT_S", 0.8)
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.1)
    with serving(app) as (_, address), Proxy(urlsplit(address).port) as proxy:
        context = browser.new_context(base_url=f"http://127.0.0.1:{proxy.port}")
        page = context.new_page()
        if kind == "own":
            page.add_init_script("delete window.SharedWorker")
        page.goto(run.address)
        run.epoch(1)
        has_epochs(page, 1)

        proxy.stall()
        expect(page.get_by_text(NO_CONTACT)).to_be_visible()
        run.epoch(2)
        proxy.heal()

        has_epochs(page, 2)
        expect(page.get_by_text(NO_CONTACT)).to_be_hidden()
        context.close()


def test_a_page_says_that_the_database_is_away(tabs, run, monkeypatch):
    is_away, real = threading.Event(), hub_module.pulse

    def flaky(*arguments):
        if is_away.is_set():
            raise DatabaseUnavailable("away")
        return real(*arguments)

    monkeypatch.setattr(hub_module, "pulse", flaky)
    monkeypatch.setattr(hub_module, "LOOK_EVERY_S", 0.1)
    _, open_ = tabs
    page = open_(run.address)

    is_away.set()
    expect(page.get_by_text(AWAY)).to_be_visible()
    is_away.clear()
    expect(page.get_by_text(AWAY)).to_be_hidden()


def test_a_failed_run_that_is_retried_elsewhere_continues_on_open_pages(
    tabs, run, database, wakeups
):
    hub, open_ = tabs
    before = open_(run.address)
    endings.end(database, run._lease, "failed", Failure("ValueError", plain("no")))
    wakeups.announce("changed", run.number)
    expect(state_of(before, "failed")).to_be_visible()
    after = open_(run.address)
    wait_until(lambda: (hub.connections, hub.channels) == (1, 1), "both wait for a retry")

    lifecycle.retry(database, run.number, LOCAL_OWNER)
    wakeups.announce("changed", run.number)

    for page in (before, after):
        expect(state_of(page, "queued")).to_be_visible()
        expect(button(page, "Retry")).to_have_count(0)
    lifecycle.pause(database, run.number, LOCAL_OWNER)
    wakeups.announce("changed", run.number)
    for page in (before, after):  # the stream of the run is there again
        expect(state_of(page, "paused")).to_be_visible()


def test_a_tab_of_a_wiped_home_shows_the_new_run_alone(app, browser, run, settings, tmp_path):
    run.epoch(1)
    with serving(app) as (_, address), Proxy(urlsplit(address).port) as proxy:
        context = browser.new_context(base_url=f"http://127.0.0.1:{proxy.port}")
        page = context.new_page()
        page.goto(run.address)
        has_epochs(page, 1)

        wiped = Settings(**settings.model_dump() | {"database_url": of_a_new_home(tmp_path)})
        with serving_with(wiped) as (server, other):
            spec = presets.resolve("quick", {})
            new = lifecycle.submit(server.hub.database, LOCAL_OWNER, name="the new", spec=spec)
            assert new.id == run.number
            proxy.lead_to(urlsplit(other).port)

            expect(page.get_by_role("heading", name="the new", exact=True)).to_be_visible()
            has_epochs(page, 0)
            context.close()


def of_a_new_home(folder):
    (folder / "new").mkdir()
    engine.upgrade(sqlite_address(folder / "new"))
    return sqlite_address(folder / "new")


def test_a_tab_that_crashes_is_missed(app, browser, run, monkeypatch):
    """A tab that says no goodbye, in a browser whose ports do not tell of their end."""
    static = app.view_functions["static"]

    def without_the_end_of_ports(filename):
        answer = static(filename=filename)
        if filename.endswith("shared_streams.js"):
            answer.direct_passthrough = False
            answer.set_data(answer.get_data(as_text=True).replace('"close", ()', '"never", ()'))
        return answer

    monkeypatch.setitem(app.view_functions, "static", without_the_end_of_ports)
    with serving(app) as (server, address):
        context = browser.new_context(base_url=address)
        crashing, other = context.new_page(), context.new_page()
        crashing.add_init_script(
            "const listen = window.addEventListener;"
            "window.addEventListener = (name, ...rest) =>"
            " name === 'pagehide' || listen.call(window, name, ...rest);"
        )
        crashing.goto(run.address)
        other.goto("/")
        wait_until(lambda: server.hub.channels == 2, "both are watched")

        crashing.close()

        wait_until(lambda: server.hub.channels == 1, "the run is watched no more")
        context.close()
