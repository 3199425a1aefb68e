"""People in a browser of their own come in by a provider: Chromium follows each step as it does."""

import pytest
from playwright.sync_api import expect
from pydantic import SecretStr

from core.accounts import invitations
from tests.serving import serving
from tests.webui.people import PASSWORD, shared
from tests.webui.provider import CLIENT, SECRET, providing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    with providing() as provider:
        known = settings.model_copy(
            update={
                "openid_issuer": provider.issuer,
                "openid_client_id": CLIENT,
                "openid_client_secret": SecretStr(SECRET),
                "openid_name": "the lab's login",
            }
        )
        with shared(known, monkeypatch, compiled_templates, csrf=True) as made:
            yield made


@pytest.fixture
def page(browser, place):
    with serving(place.app) as (_, address):
        context = browser.new_context(base_url=address, locale="en")
        made = context.new_page()
        made.set_default_timeout(30_000)
        complaints = []
        made.on("console", lambda said: complaints.append(said.text))
        yield made
        context.close()
        assert [each for each in complaints if "Content Security Policy" in each] == []


def log_out_and_in(page):
    page.goto("/account")
    page.get_by_role("button", name="Log out").click()
    page.goto("/login")
    page.get_by_role("link", name="the lab's login").click()


def test_an_invitation_is_accepted_by_the_provider_and_the_same_person_comes_back(page, place):
    ada = place.join("ada", "administrator")
    secret = invitations.invite(place.database, ada, "viewer")

    page.goto(f"/invitations/{secret}")
    page.get_by_role("button", name="the lab's login").click()
    expect(page.get_by_role("link", name="My account: grace")).to_be_visible()

    log_out_and_in(page)
    expect(page.get_by_role("link", name="My account: grace")).to_be_visible()


def test_whoever_has_a_password_links_the_two(page, place):
    place.join("bob", "member")
    page.goto("/login?next=/account")
    page.locator('[name="name"]').fill("bob")
    page.locator('[name="password"]').fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My account")

    page.locator("#openid [name=old_password]").fill(PASSWORD)
    page.locator("#openid").get_by_role("button").click()

    expect(page.locator("#openid")).to_contain_text("You can log in with the lab's login")
    log_out_and_in(page)
    expect(page.get_by_role("link", name="My account: bob")).to_be_visible()
