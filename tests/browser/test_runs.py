"""The list of runs as people live in it: rows that are links, names in place, the chosen runs."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import QUICK

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]


KEEP_HERE = """
window.sent = 0;
addEventListener("submit", (event) => {
  sent += !event.defaultPrevented;
  event.preventDefault();
});
"""
"""Counts what would be sent, and sends none of it."""


@pytest.fixture
def ended(site):
    """Two runs that have ended, whatever the worker does."""
    ids = [site.submit(name=f"listed {number}", spec=QUICK) for number in range(2)]
    for each in ids:
        site.cancel(each)
        site.wait_for(each, "cancelled", "succeeded")
    return ids


def test_a_run_is_renamed_where_it_stands_and_its_row_is_a_link(page, ended):
    page.goto("/")
    link = page.locator(f'.edit[data-run="{ended[0]}"]')
    link.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_have_value("listed 0")

    page.keyboard.type("better")
    dialog.get_by_label("Notes").fill("the rate was too high")
    dialog.get_by_role("button", name="Save").click()

    expect(dialog).to_be_hidden()
    expect(page.locator(f"#job-{ended[0]} .whole")).to_have_text("better")
    expect(link).to_be_focused()
    page.reload()
    expect(link).to_have_attribute("title", "the rate was too high")
    cell = page.locator(f"#job-{ended[0]} td.accuracy").bounding_box()
    page.mouse.click(cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2)
    page.wait_for_url(f"**/jobs/{ended[0]}")


def test_each_row_stands_by_itself_under_the_headings_of_all(page, ended):
    page.goto("/?text=listed&columns=test_accuracy,created,notes,optimizer.learning_rate")

    for part in ("tbody", "tbody tr"):
        expect(page.locator(f".jobs {part}").first).to_have_css("content-visibility", "auto")
    edges = """rows => rows.map(row => [...row.children].map(cell => {
        const { left, right } = cell.getBoundingClientRect();
        return [left, right];
    }))"""
    headings, *rows = page.locator(".jobs tr").evaluate_all(edges)
    assert rows
    assert all(row == headings for row in rows)


COVERED = """
row => {
  const parts = [...row.querySelectorAll(".name :is(.about, .tag, .edit), .progress .faint")];
  const places = parts.map((part) => part.getBoundingClientRect());
  const name = row.querySelector(".name").getBoundingClientRect();
  return parts.flatMap((part, at) => [
    ...(at < parts.length - 1 && places[at].right > name.right ? [part.textContent] : []),
    ...parts.slice(at + 1).filter((_, after) => {
      const [one, other] = [places[at], places[at + 1 + after]];
      return one.right > other.left + 1 && other.right > one.left + 1
        && one.bottom > other.top + 3 && other.bottom > one.top + 3; // a line is higher than a word
    }).map((other) => `${part.textContent} / ${other.textContent}`),
  ]);
}
"""
"""What in a row stands outside its name's place, or over something else."""


def test_in_a_list_with_many_columns_nothing_covers_the_tags_of_a_run(page, site):
    job = site.submit(
        name="tagged (seed 3)",
        spec=QUICK | {"seed": 3},
        tags=["thesis", "learning-rate-sweep", "good"],
        queue="nobody",
    )
    usual = "progress,curve,test_accuracy,train_loss,created,worker"
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"/?text=tagged&columns={usual},duration,optimizer.learning_rate")
    row = page.locator(f"#job-{job}")
    row.hover()

    assert row.evaluate(COVERED) == []
    assert row.locator(".name").bounding_box()["width"] >= 300
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    site.cancel(job)


def test_the_chosen_runs_are_tagged_by_keys_alone_and_the_list_says_so(page, ended):
    page.goto("/?text=listed")
    page.locator(f"#job-{ended[0]} .whole").focus()
    page.keyboard.press("x")
    page.keyboard.press("b")
    bar = page.get_by_role("form", name="The chosen runs")
    while page.evaluate("document.activeElement.textContent") != "Tag…":
        page.keyboard.press("Tab")
        expect(bar).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/selected/tags?run=*")

    page.evaluate(KEEP_HERE)
    page.keyboard.type("by keys")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    # it is at work, and a second press is not sent
    expect(page.get_by_role("button", name="Add to all")).to_have_attribute("data-busy", "")
    assert page.evaluate("sent") == 1
    page.reload()
    page.keyboard.type("by keys")
    page.keyboard.press("Enter")

    page.wait_for_url("**/?text=listed")
    expect(page.get_by_role("status").filter(has_text="1 run tagged.")).to_be_visible()
    expect(page.locator(f"#job-{ended[0]} .tag")).to_have_text("by keys")
    expect(page.locator(f"#job-{ended[0]} input[name=run]")).to_be_focused()
    expect(bar).to_contain_text("1 chosen")


def test_all_that_match_are_chosen_and_asked_about_and_a_wide_list_says_that_it_goes_on(
    page, ended
):
    page.goto("/?text=listed&columns=progress,curve,notes,duration,finished,queue,owner,preset")
    box = page.get_by_role("region", name="Runs", exact=True)
    expect(box).to_have_attribute("data-more-right", "")
    box.evaluate("each => { each.scrollLeft = each.scrollWidth; }")
    expect(box).not_to_have_attribute("data-more-right", "")
    expect(box).to_have_attribute("data-more-left", "")

    # as if the list had more pages than this one
    page.locator("[data-total]").evaluate("each => { each.dataset.total = 60; }")
    page.get_by_label("Choose all runs of this page").click()
    page.get_by_role("button", name="Choose all 60 that match").click()
    expect(page.get_by_role("button", name="Compare (at most 50)")).to_be_disabled()
    expect(page.get_by_role("button", name="Retry")).to_be_hidden()  # none of them has failed
    page.get_by_role("button", name="Delete…").click()

    page.wait_for_url("**/jobs/delete?matching=text%3Dlisted")
    chosen = page.locator("input[name=id]:checked")
    assert {each.get_attribute("value") for each in chosen.all()} >= set(map(str, ended))
    count = chosen.count()
    chosen.first.uncheck()
    words = "Delete 1 run" if count == 2 else f"Delete {count - 1} runs"
    expect(page.get_by_role("button", name=words, exact=True)).to_be_enabled()


def test_enter_in_the_search_opens_the_only_run_that_was_found(page, site):
    job_id = site.submit(name="one in a haystack", spec=QUICK, queue="nobody")
    page.goto("/workers")
    page.keyboard.press("/")
    page.keyboard.type("haystack")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job_id}")


def test_a_chosen_row_looks_chosen_under_the_pointer_too(page, ended):
    page.goto("/?text=listed")
    row = page.locator(f"#job-{ended[0]}")
    color = "each => getComputedStyle(each).backgroundColor"

    row.get_by_role("checkbox").click()
    page.mouse.move(0, 0)
    away = row.evaluate(color)
    row.hover()

    assert row.evaluate(color) == away
    expect(page.get_by_role("form", name="The chosen runs")).to_contain_text("1 chosen")
