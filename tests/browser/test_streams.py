"""Live streams in a real browser: one connection for all of its tabs, none for what nobody sees."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from core import workers
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.recorder import Recorder
from core.messaging.pubsub import Wakeups
from core.protocol.reports import Line
from core.spec import presets
from core.workers import WorkerFacts
from tests import reported
from tests.faults.proxy import Proxy
from tests.services import wait_until
from tests.serving import serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("browser"),
]

LOST = "Connection lost, trying again"
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: the browser knows HTTP."""
    return "sqlite"


@pytest.fixture
def run(database, settings):
    """A run that a worker has started, and its number; more of it is written by `write`."""
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    claimant = Claimant(workers.register(database, facts), ["default"])
    lifecycle.submit(database, LOCAL_OWNER, name="watched", spec=presets.resolve("quick", {}))
    return Run(database, claim.claim(database, claimant, 600), Wakeups(settings.redis_url))


class Run:
    """A run, as its worker writes it."""

    def __init__(self, database, lease, wakeups):
        self.number = lease.job_id
        self.address = f"/jobs/{lease.job_id}"
        self._database, self._lease, self._wakeups = database, lease, wakeups
        self._recorder = Recorder(database, lease, 600)
        self.write(reported.started(epochs=100))

    def write(self, *reports):
        for report in reports:
            self._recorder.record(report)
        self._recorder.flush()
        self._wakeups.announce("changed", self.number)

    def epoch(self, number):
        line = Line(text=f"line of epoch {number}")
        self.write(reported.epoch_end(epoch=number, step=10 * number), line)

    def end(self):
        endings.succeed(self._database, self._lease, "c" * 64, [])
        self._wakeups.announce("changed", self.number)


@pytest.fixture
def tabs(app, browser):
    """The server's hub, and a function that opens tabs of one browser."""
    complaints = []
    with serving(app) as (server, address):
        context = browser.new_context(base_url=address)

        def open_(path):
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(path)
            return page

        yield server.hub, open_
        context.close()
    assert complaints == []


def has_epochs(page, count):
    expect(page.locator("#epochs tr")).to_have_count(count)
    expect(page.locator("#log .line", has_text="line of epoch")).to_have_count(count)


def test_eight_tabs_of_one_browser_share_one_connection(tabs, run):
    hub, open_ = tabs
    lists, runs = [open_("/"), open_("/")], []
    for number in range(1, 7):  # each begins elsewhere
        run.epoch(number)
        runs.append(open_(run.address))
    wait_until(lambda: (hub.connections, hub.channels) == (1, 2), "all share one connection")

    run.epoch(7)
    for page in runs:
        has_epochs(page, 7)
    assert hub.connections == 1

    run.end()
    for page in runs:
        expect(page.locator('#part-head[data-state="succeeded"]')).to_be_visible()
        has_epochs(page, 7)
    for page in lists:
        expect(page.get_by_text("succeeded").first).to_be_visible()
    wait_until(lambda: (hub.connections, hub.channels) == (1, 1), "the lists alone are left")
    for page in lists:
        page.close()
    wait_until(lambda: hub.connections == 0, "nobody is left")


def test_a_hidden_tab_holds_nothing_and_continues_when_it_is_shown(tabs, run):
    hub, open_ = tabs
    page, other = open_(run.address), open_("/")
    wait_until(lambda: hub.channels == 2, "both are watched")

    page.evaluate(HIDE, True)
    wait_until(lambda: hub.channels == 1, "the run is watched no more")
    other.evaluate(HIDE, True)
    wait_until(lambda: hub.connections == 0, "nothing is watched")
    run.epoch(1)
    assert page.locator("#epochs tr").count() == 0
    page.evaluate(HIDE, False)

    has_epochs(page, 1)
    run.epoch(2)
    has_epochs(page, 2)


def test_without_a_shared_worker_a_tab_has_a_connection_of_its_own(tabs, run):
    hub, open_ = tabs
    pages = [open_("/workers") for _ in range(2)]
    for page in pages:
        page.add_init_script("delete window.SharedWorker")
        page.goto(run.address)
    wait_until(lambda: hub.connections == 2, "each has one")

    run.epoch(1)
    for page in pages:
        has_epochs(page, 1)
    run.end()
    for page in pages:
        expect(page.locator('#part-head[data-state="succeeded"]')).to_be_visible()


def test_tabs_that_lose_their_connection_say_so_and_continue_where_they_were(app, browser, run):
    with serving(app) as (_, address), Proxy(urlsplit(address).port) as proxy:
        context = browser.new_context(base_url=f"http://127.0.0.1:{proxy.port}")
        pages = [context.new_page() for _ in range(2)]
        run.epoch(1)
        for page in pages:
            page.set_default_timeout(30_000)
            page.goto(run.address)
        run.epoch(2)
        for page in pages:
            has_epochs(page, 2)

        proxy.cut()
        for page in pages:
            expect(page.get_by_text(LOST)).to_be_visible()
        run.epoch(3)
        proxy.heal()

        for page in pages:
            has_epochs(page, 3)
            expect(page.get_by_text(LOST)).to_be_hidden()
            expect(page).to_have_title(re.compile("watched"))
        context.close()
