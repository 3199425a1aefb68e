"""The second factor as people meet it: on My account, at the login, and among the people."""

import re

import pyotp
import pytest
from sqlalchemy import select

from core.accounts import invitations, people, second_factor
from core.database.clock import now
from core.database.models import AccountRule
from tests.webui.pages.conftest import Page
from tests.webui.people import PASSWORD, sent

HERE = "/account/second-factor"
LONG_S = 10_000_000
"""In place of 30 seconds: no step ends while a test runs."""


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def code_of(place, monkeypatch):
    """The code that an app shows, some steps from now."""
    monkeypatch.setattr(second_factor, "STEP_S", LONG_S)

    def shown(seed, steps=0):
        with place.database.reading() as session:
            at = session.scalar(select(now()))
        return pyotp.TOTP(seed).generate_otp(int(at.timestamp()) // LONG_S + steps)

    return shown


def seed_of(answer):
    return Page(answer.text).one("code", id="seed").text


def codes_of(answer):
    return re.findall(r"<li><code>([a-z0-9-]+)</code></li>", answer.text)


def turn_on(client, code_of):
    """Set up the second factor of whoever is logged in: its seed and its recovery codes."""
    seed = seed_of(sent(client, HERE, HERE, old_password=PASSWORD))
    answer = sent(client, HERE, f"{HERE}/confirm", code=code_of(seed, -1))
    assert answer.status_code == 201
    return seed, codes_of(answer)


def is_in(client):
    return client.get("/api/v1/me").status_code == 200


def log_in(client, name="eve", password=PASSWORD, page="/login"):
    return sent(client, page, "/login", name=name, password=password)


def test_it_is_set_up_on_ones_own_account_and_asked_for_at_the_login(place, visitor, code_of):
    place.join("eve")
    eve = place.browser("eve")
    other = place.browser("eve")
    seed, codes = turn_on(eve, code_of)
    assert len(codes) == second_factor.RECOVERY_CODES
    assert "It is on" in eve.get(HERE).text
    assert not is_in(other)  # whoever was in by the password alone

    asked = visitor.get("/wall?x=1").headers["Location"]
    half = log_in(visitor, page=asked)
    assert half.headers["Location"] == "/login/code?next=/wall?x%3D1"
    assert not is_in(visitor)
    wrong = sent(visitor, half.headers["Location"], "/login/code", code="000000")
    assert wrong.status_code == 422
    assert "does not hold" in Page(wrong.text).one("p", role="alert").text
    answer = sent(visitor, half.headers["Location"], "/login/code", code=code_of(seed))

    assert (answer.status_code, answer.headers["Location"]) == (303, "/wall?x=1")
    assert is_in(visitor)


def test_the_seed_and_the_recovery_codes_are_shown_once(place, code_of):
    place.join("eve")
    eve = place.browser("eve")
    begun = sent(eve, HERE, HERE, old_password=PASSWORD)
    assert begun.headers["Cache-Control"] == "no-store"
    picture = Page(begun.text).one("div", role="img")
    assert picture.attributes["aria-label"]
    seed = seed_of(begun)

    wrong = sent(eve, HERE, f"{HERE}/confirm", code="000000")
    right = sent(eve, HERE, f"{HERE}/confirm", code=code_of(seed))

    assert wrong.status_code == 422
    assert seed not in wrong.text
    assert "<svg" not in wrong.text.partition("<main")[2]
    for page in (HERE, "/account"):
        assert not [each for each in (seed, *codes_of(right)) if each in eve.get(page).text]


def test_a_browser_that_was_left_open_gets_no_second_factor(place):
    place.join("eve")
    eve = place.browser("eve")

    answer = sent(eve, HERE, HERE, old_password="wrong horse")

    assert answer.status_code == 422
    assert "not your password" in answer.text
    assert 'id="seed"' not in answer.text


def test_it_is_turned_off_by_password_and_code_and_codes_are_renewed(place, code_of):
    place.join("eve")
    eve = place.browser("eve")
    _, codes = turn_on(eve, code_of)
    renewed = codes_of(sent(eve, HERE, f"{HERE}/codes", code=codes[0]))
    assert not set(renewed) & set(codes)
    refused = sent(eve, HERE, f"{HERE}/off", old_password=PASSWORD, code=codes[1])
    assert refused.status_code == 422

    answer = sent(eve, HERE, f"{HERE}/off", old_password=PASSWORD, code=renewed[0])

    assert answer.status_code == 303
    assert "It is off" in eve.get(HERE).text


def test_a_link_for_a_new_password_leads_to_the_code_and_not_in(place, visitor, code_of):
    place.join("eve")
    seed, _ = turn_on(place.browser("eve"), code_of)
    secret = invitations.invite_to_reset(place.database, people.CONSOLE, "eve")
    address = f"/invitations/{secret}"

    new = {"password": "the newest password", "again": "the newest password"}
    answer = sent(visitor, address, address, **new)

    assert answer.headers["Location"] == "/login/code"
    assert not is_in(visitor)
    sent(visitor, "/login/code", "/login/code", code=code_of(seed))
    assert is_in(visitor)


@pytest.mark.parametrize("path", ["/login/code", "/login/second-factor"])
def test_without_the_password_there_is_no_second_step(place, visitor, path):
    place.join("eve")

    assert visitor.get(path).status_code == 410
    assert sent(visitor, "/login", path, code="000000").status_code == 410
    assert not is_in(visitor)


def test_the_cookie_of_a_half_login_is_none_of_a_whole_one(place, visitor, code_of):
    place.join("eve")
    turn_on(place.browser("eve"), code_of)
    log_in(visitor)
    [half] = [each for each in visitor._cookies.values() if each.key.endswith("_half")]
    thief = place.app.test_client()
    thief.set_cookie(half.key.removesuffix("_half"), half.value)

    assert half.http_only
    assert half.same_site == "Strict"
    assert thief.get("/api/v1/me").status_code == 401


def test_where_all_need_one_a_login_sets_it_up_first(place, visitor, code_of):
    place.join("ada", "administrator")
    place.join("eve")
    ada = place.browser("ada")
    assert sent(ada, "/people", "/people/second-factor", required="1").status_code == 409
    turn_on(ada, code_of)
    sent(ada, "/people", "/people/second-factor", required="1")
    assert "needs a second factor" in ada.get("/people").text

    half = log_in(visitor, page="/login?next=/wall")
    assert half.headers["Location"] == "/login/second-factor?next=/wall"
    begun = sent(visitor, half.headers["Location"], "/login/second-factor")
    assert begun.status_code == 201
    assert not is_in(visitor)
    answer = sent(
        visitor,
        half.headers["Location"],
        "/login/second-factor/confirm",
        code=code_of(seed_of(begun)),
    )

    assert len(codes_of(answer)) == second_factor.RECOVERY_CODES
    assert 'href="/wall"' in answer.text
    assert is_in(visitor)
    assert "cannot be turned off" in visitor.get(HERE).text


def test_an_administrator_removes_it_for_whoever_has_lost_it(place, visitor, code_of):
    place.join("ada", "administrator")
    place.join("eve")
    turn_on(place.browser("eve"), code_of)
    ada = place.browser("ada")
    assert ada.get("/api/v1/people").json["items"][1]["second_factor_at"]

    sent(ada, "/people", "/people/eve/second-factor/reset")

    assert log_in(visitor).headers["Location"] == "/"
    assert is_in(visitor)
    assert "ada took the second factor of eve away" in ada.get("/people/audit").text
    assert ada.get("/api/v1/people").json["items"][1]["second_factor_at"] is None


def test_no_log_has_a_seed_or_a_code(place, visitor, code_of, caplog):
    caplog.set_level("DEBUG")
    place.join("eve")
    seed, codes = turn_on(place.browser("eve"), code_of)
    log_in(visitor)
    sent(visitor, "/login/code", "/login/code", code="wrong-code-xyzzy")
    code = code_of(seed)
    sent(visitor, "/login/code", "/login/code", code=code)

    assert "code_refused" in caplog.text
    assert not [each for each in (seed, *codes, "xyzzy", f"'{code}'") if each in caplog.text]


def test_my_account_leads_to_new_codes_and_to_turning_it_off_apart(place, code_of):
    place.join("eve")
    eve = place.browser("eve")
    turn_on(eve, code_of)

    links = {each.text: each.attributes["href"] for each in Page(eve.get("/account").text).all("a")}

    assert links["New recovery codes"] == f"{HERE}#renew"
    assert links["Turn it off"] == f"{HERE}#off"
    there = Page(eve.get(HERE).text)
    assert there.one("section", id="renew")
    assert there.one("section", id="off")
    with place.database.writing() as session:
        session.add(AccountRule(name="second_factor", since=now()))
    assert "Turn it off" not in eve.get("/account").text
