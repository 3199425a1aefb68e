"""People in browsers of their own: invited, let in, shown what is theirs, and shut out."""

from __future__ import annotations

from itertools import product

import pyotp
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, TAKES_PICTURES, is_excused
from tests.browser.test_every_page import AXE, FIND_BARRIERS, take_picture
from tests.serving import serving
from tests.webui.people import PASSWORD, shared

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

LOOKS = (
    list(product(("en", "zh"), ("light", "dark"), (1440, 390)))
    if TAKES_PICTURES
    else [("en", "light", 1440), ("zh", "dark", 390)]
)


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    with shared(settings, monkeypatch, compiled_templates, csrf=True) as made:
        made.join("ada", "administrator")
        yield made


@pytest.fixture
def address(place):
    with serving(place.app) as (_, found):
        yield found


@pytest.fixture
def open_page(browser, address):
    """Opens a page in a browser of its own; one that complains fails the test."""
    complaints, contexts = [], []

    def opened(**more):
        context = browser.new_context(base_url=address, **({"viewport": DESKTOP} | more))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: is_excused(said) or complaints.append(said.text))
        return page

    yield opened
    for each in contexts:
        each.close()
    assert complaints == []


def log_in(page, name):
    page.goto("/login")
    page.locator('[name="name"]').fill(name)
    page.locator('[name="password"]').fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def test_a_person_is_invited_sees_what_a_member_sees_and_is_out_at_once(open_page, place):
    run = place.program(place.join("eve")).post("/api/v1/jobs", json={"name": "of eve"}).json["id"]
    administrator, person, other = (open_page(locale="en") for _ in range(3))
    log_in(administrator, "ada")
    administrator.get_by_role("link", name="People").click()
    administrator.get_by_role("button", name="Create link", exact=True).click()
    link = administrator.locator("#new-link").inner_text()

    person.goto(link)
    person.get_by_label("Name").fill("bob")
    person.get_by_label("Password", exact=True).fill(PASSWORD)
    person.get_by_label("Repeat the password").fill(PASSWORD)
    person.keyboard.press("Enter")
    expect(person.get_by_role("link", name="My account: bob")).to_be_visible()

    log_in(other, "bob")
    other.goto(f"/jobs/{run}")
    expect(other.get_by_role("link", name="Clone run")).to_be_visible()
    for absent in ("Cancel", "Pause", "Edit", "People"):
        expect(other.get_by_text(absent, exact=True)).to_have_count(0)

    administrator.goto("/people")
    administrator.get_by_role("link", name="Disable bob").click()
    administrator.get_by_role("button", name="Disable").click()
    expect(administrator.get_by_text("bob is shut out.")).to_be_visible()

    # nobody touches the page of the run: its stream ends, and it leads to the login by itself
    other.wait_for_url("**/login?next=*")
    assert f"next=%2Fjobs%2F{run}" in other.url
    person.goto("/")
    expect(person.get_by_role("heading", level=1)).to_have_text("Log in")


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_the_pages_of_accounts_are_whole_and_without_barriers(
    open_page, place, screenshots, language, theme, width
):
    page = open_page(locale=language, color_scheme=theme, viewport={"width": width, "height": 900})
    place.join("a-member-with-a-name-that-is-quite-long")
    place.browser("ada", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    barriers = look(page, screenshots, f"{width}-{theme}-{language}", "login", "/login")
    page.locator("#name").fill("ada")
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto("/people")
    page.locator("form.in-a-row button").click()
    link = page.locator("#new-link").inner_text()
    page.goto("/account")
    page.locator("#token-name").fill("notebook")
    page.locator("#tokens form.in-a-row button").click()
    expect(page.locator("#new-token")).to_be_visible()
    for name, address in (
        *(("invitation", link), ("account", "/account"), ("people", "/people")),
        *(("audit", "/people/audit"), ("new", "/jobs/new")),
    ):
        barriers |= look(page, screenshots, f"{width}-{theme}-{language}", name, address)
    assert barriers == {}


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS if TAKES_PICTURES else LOOKS[1:])
def test_a_second_factor_is_set_up_and_asked_for_on_pages_without_barriers(
    open_page, place, screenshots, language, theme, width
):
    looks = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    page, later = (open_page(locale=language, **looks) for _ in range(2))
    about = f"{width}-{theme}-{language}"
    log_in_as_ada(page)
    page.wait_for_url(lambda url: "/login" not in url)
    barriers = look(page, screenshots, about, "second-factor", "/account/second-factor")
    page.locator("#old_password").fill(PASSWORD)
    page.keyboard.press("Enter")
    app = pyotp.TOTP(page.locator("#seed").inner_text())
    barriers |= examine(page, screenshots, about, "setup")
    page.locator("#code").fill(app.now())
    page.keyboard.press("Enter")
    code = page.locator("ul.codes code").first.inner_text()
    barriers |= examine(page, screenshots, about, "recovery-codes")
    barriers |= look(page, screenshots, about, "second-factor-on", "/account/second-factor")

    log_in_as_ada(later)
    expect(later.locator("#code")).to_be_visible()
    barriers |= examine(later, screenshots, about, "code")
    later.locator("#code").fill(code)
    later.keyboard.press("Enter")
    later.wait_for_url(lambda url: "/login" not in url)
    assert barriers == {}


def log_in_as_ada(page):
    page.goto("/login")
    page.locator("#name").fill("ada")
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")


def look(page, screenshots, about, name, address):
    """What keeps people out of a page, or makes it scroll sideways."""
    page.goto(address)
    return examine(page, screenshots, about, name)


def examine(page, screenshots, about, name):
    """What keeps people out of the page that is shown, or makes it scroll sideways."""
    wide = page.evaluate("document.body.scrollWidth")
    page.evaluate(AXE.read_text())
    found = page.evaluate(FIND_BARRIERS)
    found += [f"{wide} pixels wide"] if wide > page.viewport_size["width"] else []
    if TAKES_PICTURES:
        width = page.viewport_size["width"]
        take_picture(page, screenshots / "pages" / f"accounts-{name}-{about}.png")
        page.set_viewport_size({"width": width, "height": 900})
    return {name: found} if found else {}


@pytest.mark.parametrize("width", [800, 900])
def test_on_a_tablet_the_pages_have_a_row_of_their_own_and_a_name_is_one_line(
    open_page, place, width
):
    page = open_page(viewport={"width": width, "height": 800}, locale="zh-CN")
    log_in(page, "ada")

    box = {
        each: page.locator(f".top {each}").first.bounding_box() for each in (".brand", "nav", ".me")
    }

    assert box["nav"]["y"] >= box[".brand"]["y"] + box[".brand"]["height"] - 1
    assert box[".me"]["height"] < 2 * 28
    lines = page.locator(".top nav a").evaluate_all(
        """(links) => new Set(
            links.map((each) => each.getBoundingClientRect())
                .filter((place) => place.width).map((place) => place.top)
        ).size"""
    )
    assert lines == 1
