"""The curves, the log and the report of a run, as somebody uses them who wants to understand it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

SPEC = {
    "dataset": "digits",
    "batch_size": 32,
    "epochs": 4,
    "model": {"channels": [16, 32]},
    "data": {"validation": 0.2},
    "publishing": {"weights": "best"},
}
IN_VIEW = """
() => [...document.querySelectorAll(".curve")].filter((figure) => figure.plot).map(({ plot }) => {
  const { min, max } = plot.scales.x;
  return `${min} ${max}`;
})
"""
POINTED_AT = """
() => [...document.querySelectorAll(".curve")].filter((figure) => figure.plot)
  .map(({ plot }) => plot.cursor.idx)
"""
RAW = 'document.getElementById("loss-curve").plot.data[1]'


@pytest.fixture(scope="module")
def finished(site):
    job = site.submit(name="to be understood", spec=SPEC)
    site.wait_for(job, "succeeded")
    return job


def drag(page, figure, start, end):
    box = page.locator(f"{figure} .u-over").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=4)
    page.mouse.up()


def test_the_charts_of_a_run_are_looked_at_together(page, finished, tmp_path):
    page.goto(f"/jobs/{finished}")
    expect(page).to_have_title(re.compile("^✓ to be understood"))
    page.locator("#more-curves > summary").click()
    for value in ("learning-rate", "speed", "norm", "memory"):
        expect(page.locator(f"#{value}-curve canvas")).to_be_visible()

    page.locator("#loss-curve").scroll_into_view_if_needed()
    drag(page, "#loss-curve", 0.25, 0.75)
    page.wait_for_function(f"() => new Set(({IN_VIEW})()).size === 1 && ({IN_VIEW})()[0] !== '0 4'")
    page.locator("#accuracy-curve .u-over").hover()
    assert None not in page.evaluate(POINTED_AT)
    page.get_by_role("button", name="See all").press("Enter")
    page.wait_for_function(f"() => ({IN_VIEW})().every((each) => each === '0 4')")
    page.get_by_role("button", name="Zoom in").press("Enter")
    page.wait_for_function(f"() => ({IN_VIEW})().every((each) => each === '1 3')")
    page.locator("#loss-curve .u-over").dblclick()

    raw = page.evaluate(RAW)
    page.get_by_label("Smoothing").fill("0.8")
    page.wait_for_function('() => document.getElementById("loss-curve").plot.data[4].some(Boolean)')
    assert page.evaluate(RAW) == raw
    page.get_by_label("Horizontal axis").select_option("step")
    page.wait_for_function(f"() => ({IN_VIEW})().every((each) => each.endsWith(' 144'))")

    page.locator("#loss-curve .chart-menu summary").click()
    with page.expect_download() as download:
        page.locator("#loss-curve").get_by_role("button", name="Picture (SVG)").click()
    download.value.save_as(tmp_path / "loss.svg")
    picture = (tmp_path / "loss.svg").read_text()
    assert picture.count("<polyline") == 6  # three lines, each raw and smooth
    for text in ("to be understood", ">Step<", ">validation<", "best and published"):
        assert text in picture
    page.locator("#accuracy-curve").get_by_text("As a table").click()
    expect(page.locator("#accuracy-curve tbody tr")).to_have_count(4)


def test_a_log_is_searched_and_a_report_fits_on_one_page(page, finished):
    page.goto(f"/jobs/{finished}")
    page.get_by_placeholder("Search in the log").fill("EPOCH 2/")
    expect(page.locator("#log .line")).to_have_count(1)
    page.get_by_placeholder("Search in the log").fill("")
    page.get_by_label("Lines").select_option("error")
    expect(page.locator("#log .line")).to_have_count(0)

    page.get_by_role("link", name="Printable report").click()
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    pages = re.findall(rb"/Type\s*/Page[^s]", page.pdf(prefer_css_page_size=True))
    assert len(pages) == 1


COLORED = """
(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [r, g, b, a] = data.subarray(at, at + 4);
    if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 40) count += 1;
  }
  return count;
}
"""
"""How many pixels of a plot are of a line or a dot: axes, grid and words are gray."""


def test_what_was_measured_once_is_a_dot(page, site):
    job = site.submit(name="one epoch", spec={"dataset": "digits", "epochs": 1})
    site.wait_for(job, "succeeded")
    page.goto(f"/jobs/{job}")

    canvas = page.locator("#accuracy-curve canvas")
    expect(canvas).to_be_visible()
    page.wait_for_function(f"(canvas) => ({COLORED})(canvas) > 8", arg=canvas.element_handle())
