"""A real browser on the real stack."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from cli.stack import endpoint
from cli.stack.ports import free_port
from core.settings import Settings
from tests.browser import chromium
from tests.conftest import missing
from tests.faults.conftest import Program
from tests.services import UnavailableHereError, wait_until
from worker.training.data import download

expect.set_options(timeout=20_000)  # a test must not fail because the machine is busy

TAKES_PICTURES = "TRAINYARD_SCREENSHOTS" in os.environ
"""Whether a person wants to look at the pages: in every way, and at some that nobody else needs."""

DESKTOP: ViewportSize = {"width": 1280, "height": 900}

UNFOLD = "document.querySelectorAll('#new-run details').forEach((each) => { each.open = true; })"
"""Opens everything that is folded away in the form of a new run."""


@dataclass(frozen=True)
class Site:
    """A running stack."""

    url: str
    home: Path

    def submit(self, **body: object) -> int:
        """Queue a run of the digits through the API."""
        whole = {"name": "by the API", "preset": "quick"} | body
        answer = httpx.post(f"{self.url}/api/v1/jobs", json=whole, timeout=60).raise_for_status()
        return int(answer.json()["id"])

    def cancel(self, job_id: int) -> None:
        """Ask that a run be cancelled."""
        httpx.post(f"{self.url}/api/v1/jobs/{job_id}/cancel").raise_for_status()

    def job(self, job_id: int) -> dict[str, object]:
        """A run as the API shows it."""
        job: dict[str, object] = httpx.get(f"{self.url}/api/v1/jobs/{job_id}").json()
        return job

    def wait_for(self, job_id: int, *states: str) -> None:
        """Wait until a run is in one of some states."""
        wait_until(lambda: self.job(job_id)["state"] in states, f"run {job_id}: {states}", 90)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The embedded stack, with the digits in its data folder."""
    home = tmp_path_factory.mktemp("site")
    download.ensure("digits", home / "data", lambda _text: None)
    settings = Settings(home=home, port=free_port())
    program = Program([sys.executable, "-m", "cli.main", "up"], settings, home / "up.log")
    program.only_set("HOME", "PORT")
    program.start()
    try:
        wait_until(lambda: endpoint.find_running(home), f"the stack is up; see {home}/up.log", 60)
        yield Site(f"http://127.0.0.1:{settings.port}", home)
    finally:
        program.end()


@pytest.fixture(scope="module")  # one that is left open takes half a core from all tests after it
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    try:
        program = chromium.find()
    except UnavailableHereError as error:
        missing("browser tests", error)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=chromium.FLAGS)
        yield launched
        launched.close()


def is_excused(message: ConsoleMessage) -> bool:
    """Whether a line of the console is no error of ours.

    The status of a refused form or an unknown page is an error to the console alone, and so is
    what keeps a page live when a test cuts it off.
    """
    address = message.location["url"]
    cut = "/events?" in address or "part=1" in address
    refused = "the server responded with a status of 4" in message.text
    return message.type != "error" or refused or (cut and "Failed to load" in message.text)


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Opens pages; a page that complains (errors, refused scripts) fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_(theme: str = "light", viewport: ViewportSize = DESKTOP, **more: object) -> Page:
        context = browser.new_context(
            base_url=site.url, color_scheme=theme, viewport=viewport, accept_downloads=True, **more
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: None if is_excused(message) else complaints.append(message.text),
        )
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """One page at desktop width."""
    return open_page()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures go; git ignores it."""
    folder = Path(__file__).parent.parent / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
