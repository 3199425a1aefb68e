"""axe-core finds nothing to complain of, on any page: of any level, best practices too."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from core.settings import Settings
from tests.browser.conftest import DESKTOP
from tests.webui import addresses
from webui.app import create_app

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

AXE = Path(__file__).parents[2] / "webui/static/node_modules/axe-core/axe.min.js"
PHONE = {"width": 390, "height": 844}

FIND = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, impact, nodes }) =>
    `${impact} ${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}
"""


@pytest.fixture(scope="module")
def walked(site):
    """Every page that there is, of a run that has ended where it is of a run."""
    job_id = site.submit(name="looked at", preset="digits_seconds", epochs=2)
    site.submit(name="waits", preset="digits_seconds", queue="nobody")
    site.wait_for(job_id, "succeeded")
    app = create_app(Settings(home=site.home, secret_key="for tests alone"))
    pages = [f"{filled}?run={job_id}" for filled in sorted(_filled(app, job_id))]
    answers = {page: httpx.get(site.url + page) for page in pages}
    return [page for page, answer in answers.items() if _is_page(answer)] + ["/jobs/9999"]


def _filled(app, job_id):
    rules = addresses.of_pages(app) | {
        rule for rule in addresses.of_all_pages(app) if rule.startswith("/jobs/<int:job_id>")
    }
    return {addresses.filled(rule, job_id) for rule in rules}


def _is_page(answer):
    """Whether it is a page, and no file to keep."""
    return (
        answer.status_code == 200
        and answer.headers["Content-Type"].startswith("text/html")
        and "Content-Disposition" not in answer.headers
    )


@pytest.mark.parametrize(("theme", "viewport"), [("light", DESKTOP), ("dark", PHONE)])
def test_a_program_that_looks_for_barriers_finds_none(open_page, walked, theme, viewport):
    page = open_page(theme=theme, viewport=viewport)
    found = {}
    for address in walked:
        page.goto(address)
        page.wait_for_load_state("load")
        page.evaluate(AXE.read_text())
        found |= {address: complaints} if (complaints := page.evaluate(FIND)) else {}

    assert len(walked) > 8
    assert not found
