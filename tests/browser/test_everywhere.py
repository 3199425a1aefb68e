"""What every page has: search and shortcuts by keys alone. And a worker that a button drains."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.services import wait_until

DIGITS = {"dataset": "digits", "batch_size": 64, "epochs": 2, "model": {"channels": [4]}}


def test_by_keys_alone_a_run_is_found_and_shortcuts_are_turned_off(page, site):
    job = site.submit(name="a needle", spec=DIGITS, queue="nobody")
    page.goto("/workers")

    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search runs")
    expect(box).to_be_focused()
    page.keyboard.type("needle")
    option = page.get_by_role("option", name="a needle")
    expect(option).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job}")

    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_contain_text("Go to the workers")
    sheet.get_by_label("Use shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("n")
    page.keyboard.press("?")
    expect(sheet).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    sheet.get_by_label("Use shortcuts").check()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url("**/workers")


@pytest.fixture
def worker(site):
    """The name of the stack's worker, which is resumed in any case."""

    def there():
        return httpx.get(f"{site.url}/api/v1/workers", timeout=60).json()["items"]

    wait_until(there, "the worker is there", 300)
    [found] = there()
    yield found["name"]
    httpx.post(
        f"{site.url}/api/v1/workers/{found['id']}/resume", json={}, timeout=60
    ).raise_for_status()


def test_two_who_watch_see_a_worker_drained_and_the_focus_stays(open_page, site, worker):
    mine, other = open_page(), open_page()
    for each in (mine, other):
        each.goto("/workers")
    drain = other.get_by_role("button", name=f"Drain: worker {worker}")
    drain.focus()

    mine.get_by_role("button", name=f"Drain: worker {worker}").click()

    expect(mine.locator(".worker .wanted")).to_contain_text("Drained by owner")
    expect(other.locator(".worker .wanted")).to_contain_text("Drained by owner")
    job = site.submit(name="waits for it", spec=DIGITS)
    mine.goto(f"/jobs/{job}")
    expect(mine.get_by_text(f"Worker {worker}, the only one that could run it")).to_be_visible()
    resume = other.get_by_role("button", name=f"Resume: worker {worker}")
    resume.focus()
    with other.expect_response(lambda answer: "part=1" in answer.url):
        pass
    expect(resume).to_be_focused()
    resume.click()
    site.wait_for(job, "succeeded")


def test_a_part_that_is_kept_fresh_stays_the_part_that_it_was(page, site):
    site.submit(name="waits", spec=DIGITS, queue="nobody")
    page.goto("/wall")

    inner = page.evaluate(
        """() => new Promise((done) => {
            const part = document.querySelector("[data-refresh]");
            part.addEventListener("refresh", () => setTimeout(() => {
                done([...part.children].map((each) => each.nodeName));
            }));
        })"""
    )

    assert inner == ["DL", "DIV"]


OUTSIDE = """
() => [...document.querySelectorAll(".wall .card :is(p, .which, .badge, .moment)")]
  .filter((part) => {
    const card = part.closest("li").getBoundingClientRect();
    const own = part.getBoundingClientRect();
    return own.width && (own.left < card.left - 1 || own.right > card.right + 1
      || own.top < card.top - 1 || own.bottom > card.bottom + 1);
  }).map((part) => part.closest("li").id + " " + part.className)
"""
"""What of the wall stands outside its card."""


def test_the_wall_never_cuts_what_tells_the_seeds_of_a_run_apart(page, site):
    name = "a name that says very much of what is tried here and is longer than its place"
    jobs = [
        site.submit(name=f"{name} (seed {seed})", spec=DIGITS | {"epochs": 1, "seed": seed})
        for seed in (3, 4)
    ]
    for job in jobs:
        site.wait_for(job, "succeeded")
    behind_none = {"queue": "nobody", "priority": 9}
    waits = site.submit(name=f"{name} (seed 5)", spec=DIGITS | {"seed": 5}, **behind_none)

    cards = {f"#ended-{jobs[0]}": 3, f"#ended-{jobs[1]}": 4, f"#next-{waits}": 5}
    for width, height in ((3840, 2160), (1920, 1080), (1280, 720), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto("/wall")
        for card, seed in cards.items():
            shown = page.locator(f"{card} .seed")
            expect(shown).to_have_text(f"(seed {seed})")
            assert shown.evaluate(
                """(seed) => {
                    const card = seed.closest(".card").getBoundingClientRect();
                    const own = seed.getBoundingClientRect();
                    return own.width > 0 && own.left >= card.left && own.right <= card.right;
                }"""
            ), (width, seed)
        assert page.evaluate(OUTSIDE) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    site.cancel(waits)


def test_on_a_phone_the_seed_of_a_run_follows_its_name(page, site):
    job = site.submit(name="quick, 3 epochs (seed 4)", spec=DIGITS | {"epochs": 1, "seed": 4})
    site.wait_for(job, "succeeded")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/wall")

    last_of_name, seed = page.locator(f"#ended-{job} .who").evaluate(
        """(who) => [[...who.querySelector(".name bdi").getClientRects()].at(-1),
            who.querySelector(".seed").getClientRects()[0]].map(({ top, right, left, bottom }) =>
                ({ top, right, left, bottom }))"""
    )

    assert seed["left"] >= last_of_name["right"] or seed["top"] >= last_of_name["bottom"] - 1


def test_on_a_narrow_phone_the_wall_says_all_of_when_a_run_ended(page, site):
    job = site.submit(name="ended", spec=DIGITS | {"epochs": 1})
    site.wait_for(job, "succeeded")
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto("/wall")
    when = page.locator(f"#ended-{job} .when")
    expect(when).to_contain_text("succeeded")
    assert when.evaluate("(when) => when.scrollWidth <= when.clientWidth")
