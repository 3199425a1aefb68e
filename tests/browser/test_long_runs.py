"""The page of a run of days: small, quick, and with every spike at every zoom."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import insert

from cli.stack.ports import free_port
from core.database import engine
from core.database.clock import now
from core.database.engine import Database
from core.database.models import LogLine
from core.jobs.lease import guarded_update
from core.jobs.recorder import Recorder
from core.messaging.pubsub import Wakeups
from core.protocol.reports import StepMetricsBatch
from core.settings import Settings
from tests import longrun
from tests.browser.conftest import Site
from tests.faults.conftest import Program
from tests.reported import epoch_end, started
from tests.services import wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

SAMPLES, EPOCHS, LINES = 260_000, 5_500, 26_000
MOST_BYTES = 150_000
MOST_HEAP = 40_000_000


@pytest.fixture(scope="module")
def settings(tmp_path_factory, redis_server):
    return Settings(
        home=tmp_path_factory.mktemp("long"),
        port=free_port(),
        redis_url=redis_server.url,
        secret_key="for tests alone",
    )


@pytest.fixture(scope="module")
def tables(settings):
    engine.upgrade(settings.database_address)
    with Database(settings.database_address) as made:
        yield made


@pytest.fixture(scope="module")
def run(tables):
    """A run of three days: a sample a second."""
    return longrun.write(tables, SAMPLES, EPOCHS, LINES)


@pytest.fixture(scope="module")
def site(settings, run):
    """The web alone: no worker would touch the run."""
    program = Program([sys.executable, "-m", "webui"], settings, settings.home / "web.log")
    program.start()
    made = Site(f"http://127.0.0.1:{settings.port}", settings.home)
    try:
        wait_until(lambda: _answers(made, run), f"the web is up; see {settings.home}/web.log", 60)
        yield made
    finally:
        program.end()


def _answers(site, run):
    try:
        return site.job(run.lease.job_id)
    except httpx.TransportError:  # nobody listens yet
        return None


def opened(page, run):
    """The page with its curves drawn."""
    page.goto(f"/jobs/{run.lease.job_id}")
    expect(page.locator("#loss-curve")).to_have_attribute("data-samples", str(SAMPLES))
    return page


def heap_of(page):
    """Bytes of JavaScript that are in use, after what is unused was collected."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")


HIGHEST_IN_VIEW = """
() => {
  const { plot } = document.getElementById("loss-curve");
  const { min, max } = plot.scales.x;
  const [at, , , highest] = plot.data;
  return Math.max(...highest.filter((value, n) => value != null && at[n] >= min && at[n] <= max));
}
"""
ZOOM = """
([min, max]) => document.getElementById("loss-curve").plot.setScale("x", { min, max })
"""


def test_the_page_of_three_days_is_small_and_asks_for_little(page, run):
    answers = []
    # playwright marks what it calls, and a built-in takes no mark
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108

    opened(page, run)

    # a watched page is never idle: its stream stays
    [html] = [each for each in answers if each.url.endswith(f"/jobs/{run.lease.job_id}")]
    assert len(html.body()) < MOST_BYTES
    asked = [
        each.url for each in answers if "/static/" not in each.url and "/events" not in each.url
    ]
    coach = f"/jobs/{run.lease.job_id}/coach?part=1"
    assert [each for each in asked if coach not in each] == [html.url]
    assert heap_of(page) < MOST_HEAP
    assert int(page.locator("#loss-curve").get_attribute("data-buckets")) <= 1000


def test_a_spike_is_seen_at_every_zoom(page, run, site):
    opened(page, run)
    batches = SAMPLES // EPOCHS
    place = run.spike_step / batches
    assert page.evaluate(HIGHEST_IN_VIEW) == longrun.SPIKE

    for width in (2000, 200, 20, 2):
        bounds = [place - width / 3, place + width * 2 / 3]
        with page.expect_response(lambda answer: "/metrics?points=" in answer.url) as answered:
            page.evaluate(ZOOM, bounds)
        finer = answered.value.json()
        expect(page.locator("#loss-curve")).to_have_attribute("data-samples", str(SAMPLES))
        assert max(finer["values"]["train_loss"]["max"]) == longrun.SPIKE
        page.wait_for_function(
            "(at) => document.getElementById('loss-curve').plot.data[0].length >= at",
            arg=len(finer["at"]),
        )
        assert page.evaluate(HIGHEST_IN_VIEW) == longrun.SPIKE
    # where there is a bucket a sample, the spike is where it was measured
    assert run.spike_step in finer["at"]

    page.locator("#loss-curve .u-over").dblclick()
    page.wait_for_function(
        f"document.getElementById('loss-curve').plot.scales.x.max > {EPOCHS - 1}"
    )
    assert page.evaluate(HIGHEST_IN_VIEW) == longrun.SPIKE


def test_older_epochs_and_lines_are_fetched_when_asked_for(page, run):
    opened(page, run)
    expect(page.locator("#epochs tr")).to_have_count(50)
    expect(page.locator("#log .line")).to_have_count(200)

    page.get_by_role("link", name="Earlier epochs").click()
    expect(page.locator("#epochs tr")).to_have_count(100)
    page.locator("#log").evaluate("e => e.scrollTo(0, 0)")
    page.get_by_role("link", name="Older lines").click()
    expect(page.locator("#log .line")).to_have_count(400)

    numbers = page.locator("#epochs tr").evaluate_all("rows => rows.map(r => +r.dataset.epoch)")
    assert numbers == list(range(EPOCHS, EPOCHS - 100, -1))
    texts = page.locator("#log .line span").all_inner_texts()
    assert texts == [f"epoch {n}, all is well here" for n in range(LINES - 399, LINES + 1)]


FOLD = """
async ([count, spike]) => {
  const { Folded } = await import("/static/js/run/fold.js");
  const folded = new Folded(["loss"]);
  for (let at = 1; at <= count; at += 1) folded.add(at, { loss: at === spike ? 1e6 : at % 17 });
  const { last, min, max } = folded.values.loss;
  const widths = folded.at.slice(1).map((at, n) => at - folded.at[n]);
  return {
    samples: folded.samples, buckets: folded.at.length, end: folded.last,
    highest: Math.max(...max), lowest: Math.min(...min), newest: last.at(-1),
    widest: Math.max(...widths), same: [last, min, max].every((c) => c.length === folded.at.length),
  };
}
"""


def test_what_comes_live_for_hours_is_folded_and_keeps_its_spike(page, run):
    opened(page, run)
    for count in (1, 800, 801, 300_000):
        found = page.evaluate(FOLD, [count, count // 3])

        assert found["samples"] == found["end"] == count
        assert found["same"], count
        assert found["buckets"] <= 800, count
        assert found["newest"] == count % 17, count
        if count > 3:
            assert found["highest"] == 1e6, count
            assert found["lowest"] == 0, count
            assert found["widest"] <= max(1, count / 100), count


def test_a_long_run_goes_on_live_and_starts_again_without_its_past(page, run, tables, settings):
    """What is taken back is asked for in one piece, not sample by sample."""
    opened(page, run)
    recorder = Recorder(tables, run.lease, 86_400)
    # a recorder would number its first line 1; what changes a run counts its revision up
    with tables.writing() as session:
        guarded_update(session, run.lease, {}, {})
        line = {"job_id": run.lease.job_id, "attempt": run.lease.attempt, "number": LINES + 1}
        session.execute(insert(LogLine).values(**line, time=now(), level="info", text="just now"))
    wakeups = Wakeups(settings.redis_url)

    def write(*reports):
        for report in reports:
            recorder.record(report)
        recorder.flush()
        wakeups.announce("changed", run.lease.job_id)

    write(samples(SAMPLES + 1, 500), epoch_end(epoch=EPOCHS + 1))

    expect(page.locator("#loss-curve")).to_have_attribute("data-samples", str(SAMPLES + 500))
    expect(page.locator("#epochs tr").first).to_have_attribute("data-epoch", str(EPOCHS + 1))
    expect(page.locator("#log .line").last).to_contain_text("just now")

    page_of_run = f"/jobs/{run.lease.job_id}"
    with page.expect_response(lambda answer: urlsplit(answer.url).path == page_of_run):
        write(started(epoch=EPOCHS, step=SAMPLES, epochs=2 * EPOCHS, batches=SAMPLES // EPOCHS))

    expect(page.locator("#loss-curve")).to_have_attribute("data-samples", str(SAMPLES))
    expect(page.locator("#epochs tr").first).to_have_attribute("data-epoch", str(EPOCHS))
    assert page.evaluate(HIGHEST_IN_VIEW) == longrun.SPIKE
    write(samples(SAMPLES + 1, 10))
    expect(page.locator("#loss-curve")).to_have_attribute("data-samples", str(SAMPLES + 10))


def samples(first, count):
    steps = list(range(first, first + count))
    return StepMetricsBatch(
        step=steps,
        epoch=[EPOCHS + 1] * count,
        batch=[step % 47 + 1 for step in steps],
        train_loss=[0.05] * count,
        learning_rate=[0.1] * count,
        images_per_s=[1000.0] * count,
        eta_s=60.0,
    )
