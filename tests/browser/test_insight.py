"""Understanding a result in a browser: from a cell to its images, and the map of the test set."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import QUICK

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

AT_WORK_MS = 60_000
"""For what a worker computes, on a machine that is busy."""


def test_a_cell_leads_to_its_images_and_the_map_shows_them(page, site):
    run = site.submit(name="understood", spec=QUICK)
    site.wait_for(run, "succeeded")
    page.goto(f"/jobs/{run}/evaluation")
    cells = page.locator(".confusion td a")
    expect(page.locator('.confusion a[tabindex="0"]')).to_have_count(1)
    expect(page.locator('.confusion td a[tabindex="0"]')).to_have_count(1)

    cells.first.focus()
    page.keyboard.press("ArrowDown")
    focused = page.locator(".confusion td a:focus")
    expect(focused).not_to_have_attribute("href", cells.first.get_attribute("href"))
    address = focused.get_attribute("href")
    page.get_by_role("link", name="Recall").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Recall")
    recalls = page.locator('td[data-key="recall"]').evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.value))"
    )
    assert recalls == sorted(recalls, reverse=True)

    page.locator(f'.confusion a[href="{address}"]').press("Enter")
    page.wait_for_url(f"**{address}")
    image = page.locator(".error-list img").first
    expect(image).to_be_visible(timeout=AT_WORK_MS)

    page.goto(f"/jobs/{run}/insight")
    canvas = page.locator(".map-plot > canvas")
    expect(canvas).to_be_visible(timeout=AT_WORK_MS)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    shown = page.locator(".map-image")
    expect(shown).to_contain_text("Test image")
    expect(shown.locator("img")).to_be_visible(timeout=AT_WORK_MS)
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    key = page.locator(".class-key").nth(3)
    key.press("Enter")
    expect(key).to_have_attribute("aria-pressed", "true")


def test_arrow_keys_reach_the_names_of_the_classes(page, site):
    run = site.submit(name="by keyboard", spec=QUICK)
    site.wait_for(run, "succeeded")
    page.goto(f"/jobs/{run}/evaluation")
    focused = page.locator(".confusion a:focus")
    first = page.locator(".confusion td a").first
    first.press("ArrowUp")
    expect(focused).to_have_attribute("href", f"/jobs/{run}/evaluation/images?predicted=0")
    focused.press("ArrowDown")
    expect(focused).to_have_attribute("href", first.get_attribute("href"))
    focused.press("ArrowLeft")
    expect(focused).to_have_attribute("href", f"/jobs/{run}/evaluation/images?true=0")
    focused.press("ArrowDown")
    expect(focused).to_have_attribute("href", f"/jobs/{run}/evaluation/images?true=1")
    expect(page.locator('.confusion a[tabindex="0"]')).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_count_can_be_read_where_all_of_a_class_are_errors(open_page, site, theme):
    run = site.submit(name="all wrong", spec=QUICK | {"epochs": 1})
    site.wait_for(run, "succeeded")
    page = open_page(theme)
    page.goto(f"/jobs/{run}/evaluation")
    wrong = page.locator(".confusion tbody td:not(.right):has(a)")
    wrong.evaluate_all("cells => cells.forEach((cell) => cell.style.setProperty('--share', 1))")
    assert wrong.count() > 0
    cell = wrong.first.evaluate("(cell) => getComputedStyle(cell).backgroundColor")
    ink = wrong.first.locator("a").evaluate("(link) => getComputedStyle(link).color")
    light, dark = sorted((luminance(cell), luminance(ink)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_single_error_is_seen_beside_the_cells_without_any(open_page, site, theme):
    run = site.submit(name="one wrong", spec=QUICK | {"epochs": 1})
    site.wait_for(run, "succeeded")
    page = open_page(theme)
    page.goto(f"/jobs/{run}/evaluation")
    cells = page.locator(".confusion tbody td:not(.right)")
    wrong, right = cells.and_(page.locator(":has(a)")), cells.and_(page.locator(":not(:has(a))"))
    wrong.evaluate_all("cells => cells.forEach((cell) => cell.style.setProperty('--share', 0.03))")
    colors = [
        each.first.evaluate("(cell) => getComputedStyle(cell).backgroundColor")
        for each in (wrong, right)
    ]
    light, dark = sorted(map(luminance, colors), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 1.3


def luminance(color):
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance, of a computed color."""
    most = 1 if color.startswith("color(srgb") else 255
    parts = [float(each) / most for each in re.findall(r"\d+(?:\.\d+)?", color)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
