"""What the pages weigh and how soon they answer in a browser: `make bench-pages`.

A real Chromium on a real server, with 500 runs in the list, a run of a million samples, and twenty
runs to compare. Told for each page: bytes as they came, and the largest contentful paint on a
processor that is slowed down four times. Then the longest interaction to the next paint of some
presses, slowed down as well; and what the heap of the page of a running run grows by, when an hour
of it is written as fast as it can be.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

from cli.stack.ports import free_port
from core.database import engine
from core.database.engine import Database
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.recorder import Recorder
from core.messaging.pubsub import Wakeups
from core.protocol.reports import StepMetrics
from core.settings import Settings
from core.spec import presets
from tests import longrun
from tests.browser import chromium
from tests.longrun import LongRun
from tests.services import RedisServer, wait_until

SLOWED = 4
ASKED_BYTES, ASKED_PAINT_MS, ASKED_PRESS_MS, ASKED_GROWTH = 200_000, 1000, 100, 10_000_000
HOUR_S = 3600
SAMPLES = 1_000_000
A_SECOND = 10  # samples
MEASURE_PAINT = """
window.paints = [];
new PerformanceObserver(list => paints.push(...list.getEntries().map(e => e.startTime)))
  .observe({type: 'largest-contentful-paint', buffered: true});
window.presses = [];
new PerformanceObserver(list => presses.push(...list.getEntries()
    .filter(e => e.interactionId).map(e => [e.duration, e.name])))
  .observe({type: 'event', durationThreshold: 16, buffered: true});
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A server with its runs."""

    url: str
    settings: Settings
    database: Database
    running: LongRun
    compared: Sequence[int]

    @property
    def pages(self) -> dict[str, str]:
        """Every page by what it is called."""
        run = f"/jobs/{self.running.lease.job_id}"
        return {
            "list of 500": "/?limit=500",
            "new run": "/jobs/new",
            "run": run,
            "compare 20": self.compare,
            "workers": "/workers",
            "storage": "/storage",
        }

    @property
    def compare(self) -> str:
        """The address that compares twenty runs."""
        return "/compare?" + "&".join(f"run={each}" for each in self.compared)


def main() -> None:
    expect.set_options(timeout=60_000)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=HOUR_S, help="of a running run, written")
    options = parser.parse_args()
    with _served() as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        print(f"{datetime.now(UTC):%Y-%m-%d}, {options.rounds} rounds, slowed {SLOWED} times")
        for name, address in served.pages.items():
            tell_of_page(browser, name, served.url + address, options.rounds)
        tell_of_presses(browser, served)
        tell_of_growth(browser, served, options.seconds)
        browser.close()


def tell_of_page(browser: Browser, name: str, address: str, rounds: int) -> None:
    """Bytes and the largest contentful paint of a page, each time with an empty cache."""
    seen = [_load(browser, address) for _ in range(rounds)]
    size = seen[0][0]
    paint = statistics.median(paint for _, paint in seen)
    longest = max(paint for _, paint in seen)
    print(
        f"{name:12} {size / 1000:5.0f} kB (asked {ASKED_BYTES / 1000:.0f}), largest paint median "
        f"{paint:5.0f}, longest {longest:5.0f} ms (asked {ASKED_PAINT_MS})"
    )


def _load(browser: Browser, address: str) -> tuple[int, float]:
    with _page(browser) as (page, session):
        sizes: list[int] = []
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda e: sizes.append(int(e["encodedDataLength"])))
        page.goto(address)
        page.wait_for_timeout(2000)
        return sum(sizes), float(page.evaluate("Math.max(...paints)"))


def tell_of_presses(browser: Browser, served: Served) -> None:
    """The longest interaction of each kind, to the next paint."""
    with _page(browser) as (page, _):
        page.goto(served.url + "/?limit=500")
        page.wait_for_timeout(2000)
        boxes = page.locator("input[name=run]")
        for at in range(0, 40, 4):
            boxes.nth(at).click()
        page.keyboard.press("x")
        _tell("choosing among 500", page)
    with _page(browser) as (page, _):
        page.goto(served.url + served.compare)
        page.wait_for_timeout(2000)
        for select in page.locator("main select").all():
            for value in select.locator("option").evaluate_all("all => all.map(e => e.value)"):
                select.focus()
                select.select_option(value)
        plot = page.locator(".plot, .uplot").first
        plot.hover()
        plot.click()
        _tell("20 curves", page)


def _tell(name: str, page: Page) -> None:
    page.wait_for_timeout(500)
    presses = page.evaluate("presses")
    longest, what = max(presses, default=(0, "all under 16 ms"))
    print(f"{name}: longest to the next paint {longest:.0f} ms, {what} (asked {ASKED_PRESS_MS})")


def tell_of_growth(browser: Browser, served: Served, seconds: int) -> None:
    """How much more memory the page of a run takes after an hour of samples."""
    recorder = Recorder(served.database, served.running.lease, 86_400)
    wakeups = Wakeups(served.settings.redis_url)
    job_id = served.running.lease.job_id
    with _page(browser, slowed=1) as (page, session):
        page.goto(f"{served.url}/jobs/{job_id}")
        page.wait_for_timeout(5000)
        before = _heap(session)
        for second in range(seconds):
            for each in range(A_SECOND):
                recorder.record(_sample(SAMPLES + second * A_SECOND + each + 1))
            recorder.flush()
            wakeups.announce("changed", job_id)
            page.wait_for_timeout(20)
        written = SAMPLES + seconds * A_SECOND
        expect(page.locator("#loss-curve")).to_have_attribute("data-samples", str(written))
        grown = _heap(session) - before
    print(
        f"{seconds} s of a run, {A_SECOND} samples/s: the heap was {before / 1e6:.1f} MB and "
        f"grew by {grown / 1e6:.1f} MB (asked {ASKED_GROWTH / 1e6:.0f})"
    )


def _heap(session: CDPSession) -> int:
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Runtime.getHeapUsage")["usedSize"])


def _sample(step: int) -> StepMetrics:
    return StepMetrics(
        step=step,
        epoch=step // longrun.BATCHES + 1,
        batch=step % longrun.BATCHES + 1,
        train_loss=1.0 + step % 7,
        learning_rate=0.1,
        images_per_s=1000.0,
        eta_s=60.0,
    )


@contextmanager
def _page(browser: Browser, slowed: int = SLOWED) -> Iterator[tuple[Page, CDPSession]]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(MEASURE_PAINT)
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    yield page, session
    context.close()


@contextmanager
def _served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        settings = Settings(
            home=Path(folder), port=free_port(), redis_url=redis.url, secret_key="for a bench alone"
        )
        engine.upgrade(settings.database_address)
        with Database(settings.database_address) as database, _web(settings) as url:
            spec = presets.resolve("quick", {})
            for _ in range(500):
                lifecycle.submit(database, LOCAL_OWNER, name="one of many", spec=spec, queue="none")
            compared = [longrun.write(database, 2000, 20, 0).lease.job_id for _ in range(20)]
            running = longrun.write(database, SAMPLES, 2000, 5000)
            yield Served(url, settings, database, running, compared)


@contextmanager
def _web(settings: Settings) -> Iterator[str]:
    chosen = {
        "TRAINYARD_HOME": str(settings.home),
        "TRAINYARD_PORT": str(settings.port),
        "TRAINYARD_REDIS_URL": settings.redis_url,
        "TRAINYARD_SECRET_KEY": settings.secret_key,
    }
    with (settings.home / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "webui"], env=os.environ | chosen, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{settings.port}"
    try:
        wait_until(lambda: _answers(url), "the web answers", 60)
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
