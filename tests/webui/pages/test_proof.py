"""A browser that was left open opens no door to others, and shuts nobody out."""

import re
from html import unescape

import pyotp
import pytest
from sqlalchemy import select, update

from core.accounts import logins, people, second_factor
from core.database.clock import now
from core.database.models import Invitation, Login, Token
from tests.webui.pages.conftest import Page
from tests.webui.pages.test_account import is_in
from tests.webui.people import PASSWORD, sent
from webui import access

TOKEN = {"name": "notebook & more", "scope": "read", "days": "30"}

ACTS = [
    # a page's act, that of the API, whether a password is asked for once more
    ("pages.invite", "api.invite", True),
    ("pages.change_role", "api.change_person", True),
    ("pages.disable_person", "api.change_person", True),
    ("pages.enable_person", "api.change_person", True),
    ("pages.invite_to_reset", None, True),
    ("pages.reset_second_factor", None, True),
    ("pages.require_second_factor", None, True),
    ("pages.make_token", None, True),
    ("pages.end_login", None, True),
    ("pages.end_other_logins", None, True),
    # these let nobody in and take from nobody but programs, which get another
    ("pages.withdraw_invitation", "api.withdraw_invitation", False),
    ("pages.revoke_token", None, False),
    ("pages.log_out", None, False),
    # these ask by a field of their own form, however lately it was typed
    ("pages.change_password", None, False),
    ("pages.link_provider", None, False),
    ("pages.begin_second_factor", None, False),
    ("pages.confirm_second_factor", None, False),
    ("pages.renew_recovery_codes", None, False),
    ("pages.turn_off_second_factor", None, False),
    # these tell of one's own runs, and open nothing here
    ("pages.choose_notifications", "api.choose_notifications", False),
    ("pages.add_webhook", "api.add_webhook", False),
    ("pages.change_webhook", "api.change_webhook", False),
    ("pages.remove_webhook", "api.remove_webhook", False),
    ("pages.rotate_webhook", "api.rotate_webhook", False),
    ("pages.test_webhook", "api.test_webhook", False),
    ("pages.test_mail", None, False),
    ("pages.replay_delivery", "api.replay_delivery", False),
]


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(place):
    place.join("eve", "administrator")
    return place


@pytest.fixture
def eve(place):
    return place.browser("eve")


def leave_open(place):
    """Let it be long ago that anybody showed a password."""
    with place.database.writing() as session:
        session.execute(update(Login).values(proved_at=now(-logins.FRESH_S - 1)))


def count(place, table):
    with place.database.reading() as session:
        return len(session.scalars(select(table)).all())


def typed_into(page, **typed):
    """What the form of a page sends."""
    form = page.partition('aria-labelledby="proof-title"')[2]
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in hidden} | typed


def test_a_token_is_made_for_whoever_types_the_password_once_more(place, eve):
    leave_open(place)
    asked = sent(eve, "/account", "/account/tokens", **TOKEN)
    assert asked.status_code == 403
    assert "Confirm that it is you" in asked.text
    assert count(place, Token) == 0

    wrong = eve.post("/account/tokens", data=typed_into(asked.text, proof_password="not mine"))
    assert (wrong.status_code, count(place, Token)) == (422, 0)
    assert "not mine" not in wrong.text
    made = eve.post("/account/tokens", data=typed_into(wrong.text, proof_password=PASSWORD))

    assert made.status_code == 201
    assert Page(made.text).one("code", id="new-token").text.startswith("ty_")
    with place.database.reading() as session:
        assert session.scalars(select(Token.name)).all() == [TOKEN["name"]]
    # and for some minutes nothing more is asked
    assert sent(eve, "/account", "/account/tokens", **TOKEN).status_code == 201


def test_a_proof_is_asked_of_this_browser_alone(place, eve):
    other = place.browser("eve")
    leave_open(place)
    asked = sent(eve, "/account", "/account/logins/end")
    assert is_in(other)

    eve.post("/account/logins/end", data=typed_into(asked.text, proof_password=PASSWORD))

    assert not is_in(other)
    leave_open(place)
    assert sent(place.browser("eve"), "/account", "/account/tokens", **TOKEN).status_code == 201
    assert sent(eve, "/account", "/account/tokens", **TOKEN).status_code == 403


def test_who_has_a_second_factor_shows_a_code_too(place, eve):
    with people.changing(place.database) as session:
        person = people.named(session, "eve")
        code = pyotp.TOTP(second_factor.begin(session, person))
        codes = second_factor.confirm(session, person, code.now())
    leave_open(place)
    asked = sent(eve, "/account", "/account/tokens", **TOKEN)
    alone = eve.post("/account/tokens", data=typed_into(asked.text, proof_password=PASSWORD))
    assert (alone.status_code, count(place, Token)) == (422, 0)

    whole = typed_into(asked.text, proof_password=PASSWORD, proof_code=codes[0])

    assert eve.post("/account/tokens", data=whole).status_code == 201


def test_too_many_wrong_passwords_have_to_wait(place, eve):
    leave_open(place)
    page = sent(eve, "/account", "/account/tokens", **TOKEN).text
    statuses = []
    for _ in range(7):
        answer = eve.post("/account/tokens", data=typed_into(page, proof_password="wrong"))
        statuses.append(answer.status_code)

    assert statuses[0] == 422
    assert statuses[-1] == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "proof_password" in answer.text


def test_nothing_is_asked_of_a_form_that_is_not_ours(place, eve):
    leave_open(place)

    forged = eve.post("/account/tokens", data=TOKEN | {"proof_password": PASSWORD})

    assert forged.status_code == 400
    assert count(place, Token) == 0


def asked_of(place, endpoint):
    """What whoever left a browser open is answered at an address."""
    browser = place.browser("eve")
    leave_open(place)
    values = {"login_id": 1, "token_id": 1, "invitation_id": 1, "webhook_id": 1, "delivery_id": 1}
    [rule] = place.app.url_map.iter_rules(endpoint)
    with place.app.test_request_context():
        given = {each: ({"name": "bob"} | values)[each] for each in rule.arguments}
        _, address = rule.build(given)
    [method] = rule.methods - {"OPTIONS", "HEAD"}
    as_json = {"role": "administrator"} if endpoint.startswith("api.") else None
    return browser.open(address, method=method, json=as_json)


@pytest.mark.parametrize(("of_page", "of_api", "asks"), ACTS)
def test_a_page_and_the_api_ask_alike(place, of_page, of_api, asks):
    place.app.config["WTF_CSRF_ENABLED"] = False
    place.join("bob", "viewer")

    page = asked_of(place, of_page)

    assert ("Confirm that it is you" in page.text) is asks
    assert (page.status_code == 403) is asks
    if of_api:
        answer = asked_of(place, of_api)
        assert ("login.prove_again" in answer.text) is asks
        assert (answer.status_code == 403) is asks


def test_no_act_on_people_tokens_and_webhooks_is_left_out(place):
    named = {each for of_page, of_api, _ in ACTS for each in (of_page, of_api)}
    found = {
        rule.endpoint
        for rule in place.app.url_map.iter_rules()
        if not rule.methods <= {"GET", "HEAD", "OPTIONS"}
        if access.NEEDS[rule.endpoint] in (access.Need.BROWSER, access.Need.MANAGER)
        or rule.rule.startswith(("/account/", "/people/"))
        or rule.rule.startswith(("/api/v1/people", "/api/v1/invitations"))
        or rule.rule.startswith(("/api/v1/webhooks", "/api/v1/deliveries"))
    }
    assert found <= named
    assert {of_page for of_page, _, asks in ACTS if asks} <= access.OPENS_DOORS
    assert named >= access.OPENS_DOORS


def test_whoever_was_asked_disables_somebody(place, eve):
    place.join("bob", "viewer")
    bob = place.browser("bob")
    leave_open(place)

    asked = sent(eve, "/people", "/people/bob/disable")
    assert (asked.status_code, is_in(bob)) == (403, True)
    eve.post("/people/bob/disable", data=typed_into(asked.text, proof_password=PASSWORD))

    assert not is_in(bob)


def test_a_token_is_a_proof_itself(place):
    with place.database.reading() as session:
        eve = people.as_actor(people.named(session, "eve"))
    program = place.program(eve)
    leave_open(place)

    assert program.post("/api/v1/invitations", json={"role": "member"}).status_code == 201
    assert count(place, Invitation) == 2
