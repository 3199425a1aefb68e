"""A browser that was left open opens no door to others, and shuts nobody out."""

import re
from html import unescape

import pyotp
import pytest
from sqlalchemy import select, update

from core.accounts import logins, people, second_factor
from core.database.clock import now
from core.database.models import AccountEvent, Invitation, Login, Token
from tests.webui.pages.conftest import Page
from tests.webui.pages.test_account import is_in
from tests.webui.people import PASSWORD, sent, shared
from webui import access

TOKEN = {"name": "notebook & more", "scope": "read", "days": "30"}


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    with shared(settings, monkeypatch, compiled_templates, csrf=True) as made:
        made.join("eve", "administrator")
        yield made


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


def test_every_such_address_asks_on_pages_and_in_the_api(place, eve):
    place.app.config["WTF_CSRF_ENABLED"] = False
    place.join("bob", "viewer")
    leave_open(place)
    values = {"login_id": 1, "name": "bob"}
    with place.app.test_request_context():
        before = count(place, AccountEvent)
        for endpoint in access.OPENS_DOORS:
            [rule] = place.app.url_map.iter_rules(endpoint)
            address = rule.build({each: values[each] for each in rule.arguments})[1]
            [method] = rule.methods - {"OPTIONS", "HEAD"}
            as_json = {"role": "administrator"} if endpoint.startswith("api.") else None
            answer = eve.open(address, method=method, json=as_json)
            assert answer.status_code == 403, endpoint
            if as_json:
                assert answer.json["code"] == "login.prove_again"
    assert count(place, AccountEvent) == before


PAGES = {
    "api.invite": {"pages.invite"},
    "api.change_person": {"pages.change_role", "pages.enable_person", "pages.disable_person"},
}
"""What pages and API do alike."""


def test_what_the_api_asks_for_a_proof_the_pages_do():
    asked_of_programs = {each for each in access.OPENS_DOORS if each.startswith("api.")}

    assert PAGES.keys() == asked_of_programs
    assert set().union(*PAGES.values()) <= access.OPENS_DOORS


def test_a_token_is_a_proof_itself(place):
    with place.database.reading() as session:
        eve = people.as_actor(people.named(session, "eve"))
    program = place.program(eve)
    leave_open(place)

    assert program.post("/api/v1/invitations", json={"role": "member"}).status_code == 201
    assert count(place, Invitation) == 2
