"""One's own account: the password, the browsers, the tokens."""

import re

import pytest

from tests.webui.pages.conftest import Page
from tests.webui.people import PASSWORD, sent

NEW = "four new words here"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(place):
    place.join("eve")
    return place


@pytest.fixture
def eve(place):
    return place.browser("eve", FIREFOX)


def is_in(client):
    return client.get("/api/v1/me").status_code == 200


def test_a_changed_password_ends_the_other_logins_and_not_this(place, eve):
    other = place.browser("eve")
    typed = {"old_password": PASSWORD, "password": NEW, "again": NEW}

    answer = sent(eve, "/account", "/account/password", **typed)

    assert answer.status_code == 303
    assert (is_in(eve), is_in(other)) == (True, False)
    stranger = place.app.test_client()
    for password, status in ((PASSWORD, 401), (NEW, 303)):
        answer = sent(stranger, "/login", "/login", name="eve", password=password)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("old_password", {"old_password": "not mine at all"}),
        ("password", {"password": "2short", "again": "2short"}),
        ("again", {"again": "something else"}),
    ],
)
def test_a_password_that_will_not_do_is_refused_and_never_shown(eve, typed, field):
    whole = {"old_password": PASSWORD, "password": NEW, "again": NEW} | typed

    answer = sent(eve, "/account", "/account/password", **whole)

    assert answer.status_code == 422
    assert Page(answer.text).one("input", aria_invalid="true").attributes["name"] == field
    assert not [each for each in whole.values() if each in answer.text]


def test_all_that_is_wrong_with_a_change_of_the_password_is_named_at_once(eve):
    typed = {"old_password": "not mine at all", "password": "2short", "again": "2shirt"}

    answer = sent(eve, "/account", "/account/password", **typed)

    wrong = Page(answer.text).all("input", aria_invalid="true")
    assert [each.attributes["name"] for each in wrong] == list(typed)


def test_logins_are_told_by_their_browsers_and_this_one_comes_first(place, eve):
    place.browser("eve", SAFARI)

    rows = Page(eve.get("/account").text).all("td", data_label="Browser")

    assert [each.text for each in rows] == ["Firefox on Linux this browser", "Safari on iPhone"]


def test_another_login_is_ended_and_one_of_somebody_else_is_not(place, eve):
    place.join("bob")
    other, bob = place.browser("eve"), place.browser("bob")
    ends = re.findall(r"/account/logins/\d+/end", eve.get("/account").text)
    assert len(ends) == 1

    assert sent(bob, "/account", ends[0]).status_code == 404
    assert is_in(other)
    sent(eve, "/account", ends[0])

    assert [is_in(each) for each in (eve, other, bob)] == [True, False, True]


def test_all_other_logins_are_ended_at_once(place, eve):
    others = [place.browser("eve") for _ in range(3)]

    sent(eve, "/account", "/account/logins/end")

    assert is_in(eve)
    assert not any(map(is_in, others))


def test_a_token_is_shown_once_and_never_again(place, eve):
    typed = {"name": "notebook", "scope": "read", "days": "30"}

    answer = sent(eve, "/account", "/account/tokens", **typed)

    token = Page(answer.text).one("code", id="new-token").text
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    page = eve.get("/account").text
    assert "notebook" in page
    assert token not in page
    program = place.app.test_client()
    shown = {"Authorization": f"Bearer {token}"}
    assert program.get("/api/v1/me", headers=shown).json["scope"] == "read"
    [revoke] = re.findall(r"/account/tokens/\d+/revoke", page)
    sent(eve, "/account", revoke)
    assert program.get("/api/v1/me", headers=shown).status_code == 401


@pytest.mark.parametrize("typed", [{"name": " "}, {"scope": "all"}])
def test_a_token_that_is_asked_for_wrongly_is_not_made(eve, typed):
    whole = {"name": "notebook", "scope": "read", "days": "30"} | typed

    answer = sent(eve, "/account", "/account/tokens", **whole)

    assert answer.status_code == 422
    assert "new-token" not in answer.text


@pytest.mark.parametrize(
    "address", ["/account/password", "/account/logins/end", "/account/tokens", "/logout"]
)
def test_nothing_of_an_account_changes_without_the_token_of_a_form(eve, address):
    assert eve.post(address, data={"name": "x", "scope": "admin"}).status_code == 400
    assert is_in(eve)


def test_every_act_on_ones_own_account_says_that_it_was_done(place, eve):
    place.browser("eve")
    typed = {"name": "notebook", "scope": "read", "days": "30"}
    sent(eve, "/account", "/account/tokens", **typed)
    html = eve.get("/account").text
    [end] = re.findall(r"/account/logins/\d+/end", html)
    [revoke] = re.findall(r"/account/tokens/\d+/revoke", html)
    new = {"old_password": PASSWORD, "password": NEW, "again": NEW}

    for act, typed, words in (
        (end, {}, "The login was ended."),
        ("/account/logins/end", {}, "All other logins were ended."),
        (revoke, {}, "The token is revoked"),
        ("/account/password", new, "The password is changed"),
        ("/logout", {}, "You are logged out."),
    ):
        answer = sent(eve, "/account", act, **typed)
        assert answer.status_code == 303, act
        notice = Page(eve.get(answer.headers["Location"]).text).one("p", **{"class": "notice"})
        assert words in notice.text
