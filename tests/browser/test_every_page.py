"""Every page in each language, wide and narrow, light and dark: whole, and without barriers.

Usually the narrowest phone, which is a desk at 400%, walks through the Chinese pages, and a desk in
the dark through the English ones.
`make screenshots` walks through them in every way, and leaves a picture of each in
`tests/screenshots/pages`. On each page axe-core looks for what keeps people out, of any level.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from core.languages import LANGUAGES
from core.settings import Settings
from tests.browser.conftest import TAKES_PICTURES
from tests.webui import addresses
from webui.app import create_app
from webui.languages import TAGS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("browser"),
]

WAYS = (
    list(product(LANGUAGES, ("light", "dark"), (1440, 390)))
    if TAKES_PICTURES
    else [("zh", "light", 320), ("en", "dark", 1440)]
)
AXE = Path(__file__).parents[2] / "webui/static/node_modules/axe-core/axe.min.js"
FIND_BARRIERS = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, impact, nodes }) =>
    `${impact} ${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}
"""
QUICK = {"dataset": "digits", "data": {"validation": 0.2}, "model": {"channels": [8]}, "epochs": 3}
SLOW = QUICK | {"epochs": 1000}
HIGHEST = 8000  # pixels of a picture


@pytest.fixture(scope="module")
def pages(site):
    """The addresses of every page, by the names of their pictures."""
    ids = {"done": site.submit(name="Digits, 卷积网络", spec=QUICK, tags=["课程", "baseline"])}
    site.wait_for(ids["done"], "succeeded")
    ids["queued"] = site.submit(name="Waits for a worker", spec=QUICK, queue="nobody")
    ids |= _more_runs(site)
    app = create_app(Settings(home=site.home, secret_key="for tests alone"))
    found = {_name(rule): rule for rule in sorted(addresses.of_pages(app))}
    found |= {"nothing": "/jobs/9999", "clone": f"/jobs/new?from={ids['done']}"}
    found["compare"] = f"/compare?run={ids['done']}&run={ids['other']}"
    for kind, job_id in ids.items():
        found |= {
            f"{kind}-{_name(rule)}": addresses.filled(rule, job_id)
            for rule in addresses.of_all_pages(app)
            if rule.startswith("/jobs/<int:job_id>") and (kind == "done" or rule.endswith("_id>"))
        }
    answers = {name: httpx.get(site.url + found[name], timeout=60) for name in found}
    yield {name: found[name] for name, answer in answers.items() if _is_page(answer)}
    for name in ids.keys() & {"queued", "running"}:
        site.cancel(ids[name])


def _more_runs(site):
    """A run with another seed, one that learns nothing; for pictures one that is running."""
    too_fast = QUICK | {"optimizer": {"learning_rate": 10}}
    ids = {
        "other": site.submit(name="Digits, another seed", spec=QUICK | {"seed": 1}),
        "failed": site.submit(name="A rate that is too large", spec=too_fast),
    }
    for each in ids.values():
        site.wait_for(each, "succeeded", "failed")
    if not TAKES_PICTURES:
        return ids
    ids["running"] = site.submit(name="A slower one", spec=SLOW)
    site.wait_for(ids["running"], "running")
    return ids


def _name(rule):
    return rule.replace("/<int:job_id>", "").strip("/").replace("/", "-") or "runs"


def _is_page(answer):
    """Whether it is a page of its own: no file to keep, and no way to another page."""
    is_html = answer.headers["Content-Type"].startswith("text/html")
    is_file = "Content-Disposition" in answer.headers
    return is_html and not is_file and not answer.is_redirect and answer.status_code < 500


@pytest.mark.parametrize(("language", "theme", "width"), WAYS)
def test_every_page_is_whole(open_page, pages, screenshots, language, theme, width):
    page = open_page(theme, viewport={"width": width, "height": 900}, locale=language)
    sideways, barriers = {}, {}
    for name, address in pages.items():
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("lang", TAGS.get(language, language))
        wide = page.evaluate("document.body.scrollWidth")
        if wide > width:
            sideways[name] = wide
        page.evaluate(AXE.read_text())
        if found := page.evaluate(FIND_BARRIERS):
            barriers[name] = found
        if TAKES_PICTURES:
            take_picture(page, screenshots / "pages" / f"{name}-{width}-{theme}-{language}.png")
            page.set_viewport_size({"width": width, "height": 900})
    assert len(pages) > 12
    assert sideways == {}
    assert barriers == {}


def take_picture(page, path):
    """The whole page, in a window as high: what sticks to an edge lies where it belongs."""
    path.parent.mkdir(exist_ok=True)
    page.wait_for_load_state("load")
    for _ in range(2):  # what is drawn once it comes into view may make the page longer
        high = page.evaluate("document.body.scrollHeight")
        page.set_viewport_size(
            {"width": page.viewport_size["width"], "height": min(HIGHEST, max(900, high))}
        )
        page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
    page.screenshot(path=path)


def test_a_reader_changes_the_language_without_a_script_and_stays(open_page, site):
    page = open_page(java_script_enabled=False, locale="en")
    page.goto("/storage")
    page.get_by_role("link", name="中文").first.click()
    expect(page).to_have_url(f"{site.url}/storage")
    expect(page.get_by_role("heading", level=1)).to_have_text("存储")
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Storage")
