"""What keeps a page live in a real browser, and what it says while it is cut off."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.services import wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("browser"),
]

DIGITS = {"dataset": "digits", "batch_size": 64, "epochs": 2, "model": {"channels": [4]}}
LOST = "Connection lost, trying again"


@pytest.fixture
def finished(site) -> int:
    job = site.submit(name="done", spec=DIGITS)
    site.wait_for(job, "succeeded")
    return job


@pytest.mark.parametrize("failure", ["cut", "refused"])
def test_a_lost_stream_is_told_and_taken_up_again(page, site, failure):
    page.add_init_script("delete window.SharedWorker")  # what it asks for cannot be cut off here
    job = site.submit(name="waits", spec=DIGITS, queue="nobody")

    def fail(route):
        if failure == "cut":
            route.abort()
        else:
            route.fulfill(status=503, body="away")

    page.route("**/events?*", fail)
    page.goto(f"/jobs/{job}")
    expect(page.get_by_text(LOST)).to_be_visible()
    expect(page.get_by_role("heading", name="waits")).to_be_visible()

    page.unroute("**/events?*")

    expect(page.get_by_text(LOST)).to_be_hidden()
    site.cancel(job)
    expect(page.locator('#part-head[data-state="cancelled"]')).to_be_visible()


def test_a_page_that_is_open_tells_of_a_pause_by_another_and_can_take_it_back(page, site):
    workers = f"{site.url}/api/v1/workers"
    wait_until(lambda: httpx.get(workers).json()["items"], "the worker has read torch", 120)
    job = site.submit(name="waits", spec=DIGITS, queue="nobody")
    page.goto(f"/jobs/{job}")
    expect(page.get_by_text("No live worker serves queue nobody.")).to_be_visible()

    httpx.post(f"{site.url}/api/v1/jobs/{job}/pause", json={}).raise_for_status()

    expect(page.get_by_text("Paused by owner just now. It has not")).to_be_visible()
    expect(page.get_by_role("status").get_by_text("paused")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert site.job(job)["state"] == "queued"


COUNT = """
async () => {
  const { writeTimes } = await import("/static/js/lib/times.js");
  const time = document.createElement("time");
  time.dataset.heartbeat = "";
  document.body.append(time);
  const server = Date.parse(document.documentElement.dataset.serverTime);
  const texts = [0, 7, 90].map((seconds) => {
    time.dateTime = new Date(server - seconds * 1000).toISOString();
    writeTimes();
    return time.textContent;
  });
  return texts;
}
"""


def test_how_long_ago_the_last_heartbeat_was_follows_its_moment(page):
    page.goto("/workers")

    now, earlier, long_ago = page.evaluate(COUNT)

    assert re.fullmatch("[0-6] s ago", now)
    assert re.fullmatch("([7-9]|1[0-3]) s ago", earlier)
    assert long_ago == "1 min ago"


def test_a_list_that_cannot_be_refreshed_says_so_and_keeps_what_it_shows(page, site):
    job = site.submit(name="stays", spec=DIGITS, queue="nobody")
    page.goto("/")
    page.route("**/?*part=1*", lambda route: route.abort())
    expect(page.get_by_text(LOST)).to_be_visible()
    expect(page.locator(f"#job-{job}")).to_be_visible()

    page.unroute("**/?*part=1*")

    expect(page.get_by_text(LOST)).to_be_hidden()


def test_a_finished_run_is_whole_at_once_and_asks_for_nothing_more(page, finished):
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"/jobs/{finished}", wait_until="networkidle")

    expect(page.locator("#accuracy-curve")).to_have_attribute("data-samples", "2")
    part = f"/jobs/{finished}?part=1"
    assert not [url for url in asked if "/events" in url or part in url]


def test_the_evaluation_of_a_run_is_fetched_when_its_reader_comes_to_it(page, finished):
    page.goto(f"/jobs/{finished}")
    page.locator("#evaluation-place").scroll_into_view_if_needed()

    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    expect(page.locator("#part-evaluation")).to_be_hidden()
    expect(page.locator(".confusion tbody tr")).to_have_count(10)
    expect(page.locator(".by-class tbody tr")).to_have_count(10)


def test_a_page_that_saw_the_run_end_brings_its_evaluation_too(page, site):
    job = site.submit(name="watched", spec=DIGITS)
    page.goto(f"/jobs/{job}")
    expect(page.locator('#part-head[data-state="succeeded"]')).to_be_visible(timeout=90_000)

    page.locator("#evaluation-place").scroll_into_view_if_needed()

    expect(page.locator(".confusion tbody tr")).to_have_count(10)


def test_the_evaluation_is_a_page_of_its_own_without_script(open_page, finished):
    page = open_page(java_script_enabled=False)
    page.goto(f"/jobs/{finished}")

    page.get_by_role("link", name="Confusion matrix").click()

    expect(page.locator(".confusion tbody tr")).to_have_count(10)
    assert page.url.endswith(f"/jobs/{finished}/evaluation")


def test_a_validation_split_has_lines_and_columns_of_its_own(page, site):
    job = site.submit(name="split", spec=DIGITS | {"data": {"validation": 0.2}})
    page.goto(f"/jobs/{job}")
    expect(page.locator('#part-head[data-state="succeeded"]')).to_be_visible(timeout=90_000)

    for figure in ("#loss-curve", "#accuracy-curve"):
        expect(page.locator(f"{figure} [data-key=validation]")).to_have_text(re.compile(r"\d"))
    came_live = page.locator("#epochs tr").all_inner_texts()
    assert [len(row.split("\t")) for row in came_live] == [11, 11]
    page.reload()
    assert page.locator("#epochs tr").all_inner_texts() == came_live


def test_a_run_is_readable_without_script(open_page, finished):
    page = open_page(java_script_enabled=False)

    page.goto(f"/jobs/{finished}")

    expect(page.locator("#epochs tr")).to_have_count(2)
    expect(page.locator("#log .line").first).to_be_visible()
    expect(page.get_by_text("need JavaScript")).to_be_visible()
    expect(page.locator("a[data-download]").first).to_be_visible()


def test_the_digest_of_a_file_can_be_copied(open_page, finished):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/jobs/{finished}")

    button = page.locator(".file-list .copy").first
    button.click()

    expect(button).to_have_text("copied")
    shown = page.locator("code[data-sha256]").first.inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == shown


ADD_LINES = """
async (count) => {
  const { Log } = await import("/static/js/run/log.js");
  const element = document.getElementById("log");
  const [follow, older] = ["follow", "older-lines"].map((id) => document.getElementById(id));
  window.tested ??= new Log(element, follow, older, document.getElementById("log-filter"), "");
  const time = "2026-01-01T00:00:00Z";
  const line = { attempt: 9, level: "info", time, text: "<b>text</b>\\u001b" };
  window.lines ??= 0;
  window.tested.add(Array.from({ length: count }, () => ({ ...line, number: ++window.lines })));
  return element.scrollHeight - element.scrollTop - element.clientHeight;
}
"""


def test_the_log_follows_its_end_unless_the_reader_scrolled_up(page, finished):
    page.goto(f"/jobs/{finished}")
    log = page.locator("#log")
    assert page.evaluate(ADD_LINES, 100) < 2
    assert log.locator("b").count() == 0
    assert log.locator(".line").last.inner_text().endswith("<b>text</b>␛")

    log.evaluate("e => e.scrollTo(0, 0)")
    button = page.get_by_role("button", name="Newest line")
    expect(button).to_be_visible()

    assert page.evaluate(ADD_LINES, 100) > 1000
    button.click()
    expect(button).to_be_hidden()
    assert page.evaluate(ADD_LINES, 1) < 2


SEARCH_WHILE_LINES_COME = """
async () => {
  const { Log } = await import("/static/js/run/log.js");
  const form = document.getElementById("log-filter");
  const time = "2026-01-01T00:00:00Z";
  const text = (number) => (number % 2 ? "Odd" : "even");
  const line = (number) => ({ attempt: 1, number, level: "info", time, text: text(number) });
  const lines = (from, to) => Array.from({ length: to - from }, (_, at) => line(from + at + 1));
  const settle = () => new Promise((done) => setTimeout(done));

  // `asked`, `answered`: how many lines the stream had brought by then; `known`: how many the
  // database had when it was asked
  async function search(asked, known, answered, total, failures) {
    const element = document.createElement("div");
    element.innerHTML = '<p class="earlier"><a href="#"></a></p>';
    let answer;
    window.fetch = () => new Promise((done) => (answer = done));
    form.reset();
    const button = document.createElement("button");
    const log = new Log(element, button, element.querySelector("a"), form, () => "/logs");
    log.add(lines(0, asked));
    form.find.value = "ODD";
    const ask = () => form.dispatchEvent(new Event("submit", { cancelable: true }));
    ask();
    for (let failed = 0; failed < failures; failed++) {
      answer({ ok: false });
      await settle();
      ask();
    }
    log.add(lines(asked, answered));
    const items = lines(0, known).filter(({ text }) => text === "Odd").reverse();
    answer({ ok: true, json: async () => ({ items, next: null }) });
    await settle();
    log.add(lines(answered, total));
    const shown = [...element.querySelectorAll(".line")].map((each) => each.dataset.at).join();
    const odd = lines(0, total).filter(({ text }) => text === "Odd");
    const right = odd.map(({ number }) => `1.${number}`).join();
    return shown === right ? [] : [{ asked, known, answered, failures, shown }];
  }

  const wrong = [];
  const total = 5;
  for (let asked = 0; asked <= total; asked++)
    for (let known = asked; known <= total; known++)
      for (let answered = asked; answered <= total; answered++)
        wrong.push(...(await search(asked, known, answered, total, known % 2)));
  return wrong;
}
"""


def test_a_search_of_the_log_neither_loses_nor_doubles_a_line_that_comes_meanwhile(page, finished):
    page.goto(f"/jobs/{finished}")

    assert page.evaluate(SEARCH_WHILE_LINES_COME) == []


CHOOSE_WHILE_IT_WAITS = """
async () => {
  const { waitFor } = await import("/static/js/evaluation/waiting.js");
  const options = '<option value="">any</option><option value="3">3</option>';
  const choice = `<select name="true">${options}</select>`;
  const waits = '<div data-waiting="/there"><p role="status">It waits.</p></div>';
  const pageWith = (more) => `<section id="part">${choice}${more}</section>`;
  window.fetch = async () => ({ ok: true, text: async () => pageWith("<p>Pictures</p>") });
  document.getElementById("main").innerHTML = pageWith(waits);
  const part = document.getElementById("part");
  const select = part.querySelector("select");
  const ready = new Promise((done) => waitFor(part, done));
  select.value = "3";
  select.focus();
  await ready;
  const stays = document.activeElement === select && select.isConnected;
  return [select.value, stays, part.querySelector("p").textContent];
}
"""


def test_a_class_that_is_chosen_while_pictures_are_waited_for_stays_chosen(page):
    page.goto("/")

    assert page.evaluate(CHOOSE_WHILE_IT_WAITS) == ["3", True, "Pictures"]
