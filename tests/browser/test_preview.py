"""The sheet of augmented images in the form, drawn by a real worker."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import TAKES_PICTURES, UNFOLD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("browser"),
]

PHONE = {"width": 360, "height": 740}
PLACE = "({offsetTop, offsetWidth, offsetHeight}) => [offsetTop, offsetWidth, offsetHeight]"


def choose(page, name, value):
    page.locator(f'select[name="{name}"]').select_option(value)


def open_form(page, dataset="digits", kind="handwriting"):
    page.goto("/jobs/new?preset=tutorial")
    page.evaluate(UNFOLD)
    choose(page, "augmentation.kind", kind)
    choose(page, "dataset", dataset)
    return page.locator("#preview")


def drawn(preview):
    """The address of the sheet, once it is there."""
    expect(preview).to_have_attribute("data-state", "drawn")
    image = preview.get_by_role("img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 230
    return image.get_attribute("src")


def test_the_sheet_follows_the_dataset_the_augmentation_and_the_seed(page, screenshots):
    preview = open_form(page)
    first = drawn(preview)

    page.locator('[name="augmentation.handwriting.rotation"]').fill("90")
    expect(preview.get_by_role("img")).not_to_have_attribute("src", first)
    turned = drawn(preview)
    page.locator('[name="seed"]').fill("7")
    expect(preview.get_by_role("img")).not_to_have_attribute("src", turned)
    drawn(preview)
    preview.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "preview-light.png")
    page.locator('[name="seed"]').fill("0")
    page.locator('[name="augmentation.handwriting.rotation"]').fill("10")

    expect(preview.get_by_role("img")).to_have_attribute("src", first)


def test_what_does_not_concern_the_images_asks_for_nothing(page):
    preview = open_form(page)
    first = drawn(preview)
    asked = []
    page.on("request", lambda request: asked.append((request.method, request.url)))

    page.locator('[name="batch_size"]').fill("32")
    page.locator('[name="augmentation.photos.color"]').evaluate("input => input.value = '9'")
    page.locator('[name="seed"]').fill("1")
    expect(preview.get_by_role("img")).not_to_have_attribute("src", first)

    assert len([url for method, url in asked if method == "POST" and "/previews" in url]) == 1


def test_a_preset_is_shown_at_once(page):
    page.goto("/jobs/new?preset=digits_seconds")
    preview = page.locator("#preview")
    drawn(preview)

    page.locator(".preset", has_text="Quick").first.click()

    expect(preview.locator(".status")).to_contain_text("No worker has MNIST yet")


def test_what_is_wrong_is_said_in_its_place(page):
    preview = open_form(page)
    drawn(preview)
    before = preview.locator(".sheet").evaluate(PLACE)

    page.locator('[name="augmentation.handwriting.rotation"]').fill("400")

    expect(preview.get_by_role("status")).to_have_text("Rotation: must be at most 180")
    expect(preview.get_by_role("img")).to_be_hidden()
    assert preview.locator(".sheet").evaluate(PLACE) == before
    page.locator('[name="augmentation.handwriting.rotation"]').fill("40")
    drawn(preview)


@pytest.mark.parametrize("theme", ["light", "dark"] if TAKES_PICTURES else ["light"])
def test_it_fits_a_phone(open_page, screenshots, theme):
    page = open_page(theme=theme, viewport=PHONE)
    preview = open_form(page)
    drawn(preview)

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    preview.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / f"preview-phone-{theme}.png")


def test_without_script_there_is_no_sheet(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/jobs/new")

    expect(page.locator("#preview")).to_be_hidden()
