"""The pages as a person uses them: a real browser, a real stack, real runs of the digits."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import TAKES_PICTURES, UNFOLD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),  # one stack and one browser serve them all
]

SLOW = {"dataset": "digits", "batch_size": 4, "epochs": 60, "model": {"channels": [32, 64]}}
QUICK = {
    "dataset": "digits",
    "batch_size": 64,
    "epochs": 6,
    "model": {"channels": [16, 32]},
    "data": {"validation": 0.1},
}

SAMPLES_GROW_WHILE_RUNNING = """
(least) => {
  const head = document.getElementById("part-head");
  const samples = Number(document.getElementById("loss-curve").dataset.samples);
  return head.dataset.state === "running" && samples > least;
}
"""


def fill(page, name, **values):
    """Fill the form of a new run from the quick preset."""
    page.goto("/jobs/new?preset=quick")
    page.evaluate(UNFOLD)
    page.get_by_label("Name", exact=True).fill(name)
    for field, value in values.items():
        control = page.locator(f'[name="{field}"]').last
        if control.evaluate("e => e.tagName") == "SELECT":
            control.select_option(value)
        elif control.get_attribute("type") == "radio":
            page.locator(f'[name="{field}"][value="{value}"]').check(force=True)
        else:
            control.fill(value)


def send(page):
    page.locator("#start").click()


def test_a_run_from_the_form_to_the_downloaded_checkpoint(page, tmp_path):
    network = {"model.cnn.kernel_size": "3", "model.cnn.channels": "32, 64"}
    fill(page, "from the form", dataset="digits", batch_size="8", epochs="6", **network)
    send(page)
    page.wait_for_url(re.compile(r"/jobs/\d+$"))

    page.wait_for_function(SAMPLES_GROW_WHILE_RUNNING, arg=0, timeout=90_000)
    seen = int(page.locator("#loss-curve").get_attribute("data-samples"))
    page.wait_for_function(SAMPLES_GROW_WHILE_RUNNING, arg=seen, timeout=90_000)

    expect(page.locator('#part-head[data-state="succeeded"]')).to_be_visible(timeout=120_000)
    expect(page.locator("#epochs tr")).to_have_count(6)
    expect(page.locator('[data-live="test_accuracy"]')).to_contain_text("%")
    with page.expect_download() as download:
        page.locator("a[data-download]", has_text=".pt").click()
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    assert re.fullmatch(r"run-\d+-from-the-form-digits-cnn\.pt", target.name)
    shown = page.locator(".file-list li", has_text=".pt").locator("code").inner_text()
    assert hashlib.sha256(target.read_bytes()).hexdigest() == shown


def test_cancel_on_the_page_ends_the_run(page, site):
    job = site.submit(name="to be cancelled", spec=SLOW)
    page.goto(f"/jobs/{job}")
    expect(page.locator('#part-head[data-state="running"]')).to_be_visible(timeout=60_000)

    cancel(page)

    expect(page.locator('#part-head[data-state="cancelled"]')).to_be_visible(timeout=30_000)
    assert site.job(job)["state"] == "cancelled"


def test_a_wrong_field_keeps_what_was_typed_and_says_what_is_wrong_beside_it(page):
    fill(page, "wrong", dataset="digits", batch_size="zero", epochs="12")
    send(page)

    field = page.locator("#batch_size")
    expect(field).to_have_value("zero")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator('[id="batch_size-error"]')).to_contain_text("number")
    expect(page.locator("#epochs")).to_have_value("12")
    expect(page.locator("#mistakes")).to_be_visible()


def test_a_name_with_markup_is_shown_as_text(page, site):
    name = "<img src=x onerror=document.title='broken'>"
    job = site.submit(name=name, spec=SLOW, queue="nobody")

    for path in ("/", f"/jobs/{job}"):
        page.goto(path)
        expect(page.get_by_text(name).first).to_be_visible()
        assert "broken" not in page.title() or "<img" in page.title()


def test_the_list_shows_a_new_run_by_itself(page, site):
    page.goto("/")
    job = site.submit(name="came later", spec=QUICK, queue="nobody")

    expect(page.locator(f"#job-{job}")).to_be_visible()


def test_a_queued_run_that_no_worker_can_take_says_so(page, site):
    job = site.submit(name="waits", spec=QUICK, queue="nobody")

    page.goto(f"/jobs/{job}")

    expect(page.get_by_text("No live worker serves queue nobody")).to_be_visible()


def test_the_theme_that_was_chosen_is_remembered(page):
    page.goto("/")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.locator("button[aria-label*='heme'], button.theme, #theme").first.click()

    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert after != before
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


@pytest.mark.parametrize("width", [1280, 375] if TAKES_PICTURES else [375])
def test_pages_fit_the_screen(open_page, site, screenshots, width):
    """Takes the pictures too, where they are wanted: in both themes, at both widths.

    What fits a phone fits a desk; `test_every_page.py` looks at most of these on a desk besides.
    """
    done = site.submit(name="Digits, two convolutions", spec=QUICK)
    site.wait_for(done, "succeeded")
    running = site.submit(name="A slower one", spec=SLOW)
    site.wait_for(running, "running")
    page = open_page(viewport={"width": width, "height": 900})

    def picture(name):
        wide, high = page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]")
        assert wide <= width, f"{name} scrolls sideways: {wide} px"
        if not TAKES_PICTURES:
            return
        # a window as high as the page: what sticks to its edge then lies where it belongs
        page.set_viewport_size({"width": width, "height": max(900, high)})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=screenshots / f"{name}-{theme}-{width}.png")
        page.set_viewport_size({"width": width, "height": 900})

    page.goto(f"/jobs/{running}")
    page.wait_for_function(SAMPLES_GROW_WHILE_RUNNING, arg=5, timeout=90_000)
    picture("run-running")
    page.goto("/")
    picture("list")
    page.goto("/workers")
    picture("workers")
    site_cancel(page, running)
    page.goto(f"/jobs/{done}")
    expect(page.locator("#loss-curve canvas")).to_be_visible()
    page.locator("#evaluation-place").scroll_into_view_if_needed()
    expect(page.locator("#evaluation")).to_be_visible()
    picture("run-finished")
    page.goto("/jobs/new")
    picture("form")
    fill(page, "", batch_size="0")
    send(page)
    expect(page.locator("#mistakes")).to_be_visible()
    picture("form-errors")
    page.goto("/jobs/999999")
    picture("error")


def cancel(page):
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel run").click()


def site_cancel(page, job):
    page.goto(f"/jobs/{job}")
    cancel(page)
    expect(page.locator('#part-head[data-state="cancelled"]')).to_be_visible(timeout=60_000)


def test_the_curves_of_a_finished_run_have_a_point_for_each_epoch(open_page, site):
    """Takes the README's picture too, where TRAINYARD_README_SCREENSHOT=1 asks for it."""
    spec = {
        "dataset": "digits",
        "batch_size": 16,
        "epochs": 20,
        "model": {"channels": [16, 32]},
        "optimizer": {"learning_rate": 0.02},
    }
    job = site.submit(name="Digits, two convolutions", spec=spec)
    site.wait_for(job, "succeeded")
    page = open_page(viewport={"width": 1200, "height": 1120}, device_scale_factor=1.5)

    page.goto(f"/jobs/{job}")

    expect(page.locator("#accuracy-curve")).to_have_attribute("data-samples", "20")
    expect(page.locator("#loss-curve canvas")).to_be_visible()
    if os.environ.get("TRAINYARD_README_SCREENSHOT"):
        expect(page.locator("#coach-place h2")).to_be_visible()
        page.screenshot(path=Path(__file__).parents[2] / "docs" / "screenshot.png")
