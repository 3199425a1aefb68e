"""Choosing runs in the list and comparing them, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import QUICK

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

CHOSEN = "input[name=run]:checked"
DOT = """
() => {
  const { plot } = document.querySelector("[data-curve=test_loss]");
  const [at, , values] = plot.data;
  const n = values.findIndex((value) => value != null);
  const dot = [plot.valToPos(at[n], "x", true), plot.valToPos(values[n], "y", true)];
  const colors = [...plot.ctx.getImageData(...dot.map(Math.round), 1, 1).data].slice(0, 3);
  const labels = plot.axes.map(({ label }) => label);
  return { spread: Math.max(...colors) - Math.min(...colors), labels };
}
"""
PLACES = """
async ([run, value, axis]) => {
  const { along } = await import("/static/js/compare/along.js");
  return along(run, value, axis);
}
"""
RUN = {
    "batches": 10,
    "images": 64,
    "samples": {"at": [5, 10, 20], "train_loss": [3, 2, 1]},
    "epochs": {"at": [1, 2], "seconds": [4, 6], "test_loss": [2.5, None]},
}


@pytest.fixture(scope="module")
def runs(site):
    specs = [QUICK | {"epochs": epochs} for epochs in (1, 2, 3)]
    ids = [site.submit(name=f"compared {n}", spec=spec) for n, spec in enumerate(specs)]
    for each in ids:
        site.wait_for(each, "succeeded")
    return ids


def box(page, run):
    return page.locator(f'input[name=run][value="{run}"]')


def test_runs_are_chosen_by_clicks_and_keys_and_stay_chosen_when_the_list_is_refreshed(page, runs):
    page.goto("/")
    bar = page.locator("#selection")
    expect(bar).to_be_hidden()

    box(page, runs[2]).click()
    expect(bar.get_by_role("button", name="Compare")).to_be_disabled()
    expect(bar).to_contain_text("Choose another one to compare")
    expect(bar.get_by_role("button", name="Tag")).to_be_visible()
    for name in ("Retry", "Cancel"):  # these runs have ended well
        expect(bar.get_by_role("button", name=name)).to_be_hidden()
    box(page, runs[0]).click(modifiers=["Shift"])
    expect(page.locator(CHOSEN)).to_have_count(3)
    page.locator(f"#job-{runs[1]}").hover()
    page.keyboard.press("x")
    expect(page.locator(CHOSEN)).to_have_count(2)

    with page.expect_response(lambda answer: "part=1" in answer.url):
        pass  # the list is fetched again
    page.locator("#fresh").evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator(CHOSEN)).to_have_count(2)
    expect(bar).to_contain_text("2 chosen")

    bar.get_by_role("button", name="Compare").click()
    page.wait_for_url(f"**/compare?run={runs[2]}&run={runs[0]}")
    expect(page.get_by_role("heading", name="2 runs")).to_be_visible()


def test_all_of_a_page_are_chosen_at_once_and_a_stretch_by_keys(page, runs):
    page.goto("/")
    everything = page.get_by_label("Choose all runs of this page")
    everything.check()
    expect(page.locator(CHOSEN)).to_have_count(page.locator("input[name=run]").count())
    everything.uncheck()
    expect(page.locator(CHOSEN)).to_have_count(0)

    page.locator(f"#job-{runs[2]}").hover()
    page.keyboard.press("x")
    page.locator(f"#job-{runs[0]}").hover()
    page.keyboard.press("Shift+X")
    expect(page.locator(CHOSEN)).to_have_count(3)


def test_a_run_that_has_left_the_list_stays_chosen(page, runs):
    page.goto("/")
    for run in runs[:2]:
        box(page, run).click()
    page.locator(f"#job-{runs[0]}").evaluate("row => row.remove()")

    page.get_by_role("button", name="Compare").click()

    page.wait_for_url(f"**/compare?run={runs[1]}&run={runs[0]}")


def test_nothing_is_chosen_again_by_one_button(page, runs):
    page.goto("/")
    box(page, runs[0]).click()
    page.get_by_role("button", name="Choose none").click()

    expect(page.locator(CHOSEN)).to_have_count(0)
    expect(page.locator("#selection")).to_be_hidden()


def test_each_run_has_its_line_along_every_axis(page, runs):
    page.goto("/compare?" + "&".join(f"run={each}" for each in runs))
    figure = page.locator('[data-curve="train_loss"]')
    expect(figure).to_have_attribute("data-lines", "3")

    for axis in ("step", "time", "images seen", "epoch"):
        page.get_by_role("button", name=axis, exact=True).click()
        expect(figure).to_have_attribute("data-axis", axis.split()[0])
        assert page.evaluate(
            "document.querySelector('[data-curve=train_loss]').plot.data[0].length > 3"
        )


def test_a_run_of_one_epoch_is_seen_too_and_the_axes_have_titles(page, runs):
    page.goto(f"/compare?run={runs[2]}&run={runs[0]}")
    page.wait_for_function("document.querySelector('[data-curve=test_loss]').dataset.lines === '2'")

    seen = page.evaluate(DOT)

    assert seen["spread"] > 40, "the dot has a color, which no grid line has"
    assert seen["labels"] == ["Epoch", "Loss"]


def test_the_run_that_is_pointed_at_stands_out(page, runs):
    page.goto("/compare?" + "&".join(f"run={each}" for each in runs))
    page.locator(f'#runs [data-run="{runs[1]}"]').hover()

    page.wait_for_function(
        "() => document.querySelector('[data-curve=test_loss]').plot.series"
        ".map(({ alpha }) => alpha).join() === '1,0.15,1,0.15'"
    )


def test_measurements_stand_where_they_were_made(page):
    page.goto("/")
    for value, axis, x in (
        ("train_loss", "step", [5, 10, 20]),
        ("train_loss", "epoch", [0.5, 1, 2]),
        ("train_loss", "images", [320, 640, 1280]),
        ("train_loss", "time", [2, 4, 6]),
        ("test_loss", "time", [4]),
    ):
        assert page.evaluate(PLACES, [RUN, value, axis])["x"] == x, (value, axis)
