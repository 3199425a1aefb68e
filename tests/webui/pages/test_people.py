"""The people, as an administrator sees and changes them; and what the audit tells of it."""

import re
from urllib.parse import urlsplit

import pyotp
import pytest

from core.accounts import people, second_factor
from tests.webui.pages.conftest import Page
from tests.webui.people import PASSWORD, sent


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def place(place):
    place.join("ada", "administrator")
    place.join("eve")
    return place


@pytest.fixture
def ada(place):
    return place.browser("ada")


def accepted(place, link, **typed):
    """A new browser in which a link is accepted."""
    client, address = place.app.test_client(), urlsplit(link).path
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    typed = {"password": PASSWORD, "again": PASSWORD} | typed
    assert sent(client, address, address, **typed).status_code == 303
    return client


def test_an_invitation_is_shown_once_and_makes_a_person_of_its_role(place, ada):
    answer = sent(ada, "/people", "/people/invitations", role="viewer")

    link = Page(answer.text).one("code", id="new-link").text
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert urlsplit(link).path.rpartition("/")[2] not in ada.get("/people").text
    assert accepted(place, link, name="zoe").get("/api/v1/me").json["role"] == "viewer"
    assert "zoe" in ada.get("/people").text


def test_an_invitation_that_is_withdrawn_works_no_more(place, ada):
    answer = sent(ada, "/people", "/people/invitations", role="member")
    link = Page(answer.text).one("code", id="new-link").text
    [withdraw] = re.findall(r"/people/invitations/\d+/withdraw", ada.get("/people").text)

    sent(ada, "/people", withdraw)

    assert place.app.test_client().get(urlsplit(link).path).status_code == 410
    assert "Open links" not in ada.get("/people").text


def test_a_role_holds_from_the_next_request_on(place, ada):
    eve = place.browser("eve")
    assert eve.get("/people").status_code == 403

    sent(ada, "/people", "/people/eve/role", role="administrator")

    assert eve.get("/people").status_code == 200


def test_who_is_disabled_is_out_at_once_and_comes_back_when_enabled(place, ada):
    eve = place.browser("eve")

    sent(ada, "/people", "/people/eve/disable")

    assert eve.get("/api/v1/me").status_code == 401
    stranger = place.app.test_client()
    refused = sent(stranger, "/login", "/login", name="eve", password=PASSWORD)
    assert refused.status_code == 401
    sent(ada, "/people", "/people/eve/enable")
    answer = sent(stranger, "/login", "/login", name="eve", password=PASSWORD)
    assert answer.status_code == 303


def test_the_last_administrator_stays_one(ada):
    for address, typed in (("/people/ada/role", {"role": "member"}), ("/people/ada/disable", {})):
        assert sent(ada, "/people", address, **typed).status_code == 409


def test_a_link_for_a_new_password_is_for_its_person_and_ends_their_logins(place, ada):
    eve = place.browser("eve")
    answer = sent(ada, "/people", "/people/eve/password")
    link = Page(answer.text).one("code", id="new-link").text
    new = "other words than before"

    there = accepted(place, link, password=new, again=new)

    assert there.get("/api/v1/me").json["name"] == "eve"
    assert eve.get("/api/v1/me").status_code == 401


def test_the_audit_tells_who_did_what_to_whom_and_of_one_person_alone(place, ada):
    place.join("bob")
    sent(ada, "/people", "/people/eve/role", role="viewer")
    sent(ada, "/people", "/people/bob/disable")

    whole, of_eve = (
        [each.text for each in Page(ada.get(address).text).all("td", data_label="What")]
        for address in ("/people/audit", "/people/audit?person=eve")
    )

    assert any("ada" in each and "bob" in each for each in whole)
    assert any("ada" in each and "eve" in each for each in of_eve)
    assert not any("bob" in each for each in of_eve)
    assert PASSWORD not in ada.get("/people/audit").text


@pytest.mark.parametrize(
    "address",
    ["/people/invitations", "/people/eve/role", "/people/eve/disable", "/people/eve/password"],
)
def test_nobody_is_changed_without_the_token_of_a_form(place, ada, address):
    assert ada.post(address, data={"role": "administrator"}).status_code == 400
    assert place.browser("eve").get("/people").status_code == 403


def test_the_audit_names_a_shell_on_the_server_in_the_language_of_its_reader(ada):
    page = ada.get("/people/audit", headers={"Accept-Language": "zh"}).text
    assert "服务器终端" in page
    assert "server&#39;s terminal" not in page
    assert "server&#39;s terminal" in ada.get("/people/audit").text


def said(answer):
    """What the page says that an act leads to."""
    assert answer.status_code == 200
    notices = Page(answer.text).all("p", **{"class": "notice", "role": "status"})
    return " ".join(each.text for each in notices)


def follow(client, page, address, **typed):
    answer = sent(client, page, address, **typed)
    assert answer.status_code == 303
    return client.get(answer.headers["Location"])


@pytest.mark.parametrize(
    ("act", "typed", "words"),
    [
        ("/people/eve/role", {"role": "viewer"}, "The role of eve is viewer now."),
        ("/people/eve/disable", {}, "eve is shut out."),
        ("/people/eve/enable", {}, "eve can log in again."),
        ("/people/second-factor", {"required": ""}, "Everybody decides for themselves"),
    ],
)
def test_what_was_done_to_people_is_said_once(ada, act, typed, words):
    assert words in said(follow(ada, "/people", act, **typed))
    assert said(ada.get("/people")) == ""


def test_a_link_that_is_withdrawn_is_said_to_be(ada):
    sent(ada, "/people", "/people/invitations", role="member")
    [withdraw] = re.findall(r"/people/invitations/\d+/withdraw", ada.get("/people").text)

    assert "works no more" in said(follow(ada, "/people", withdraw))


@pytest.mark.parametrize(
    ("address", "title", "words"),
    [
        ("/people/eve/disable", "Disable eve?", "eve is shut out."),
        (
            "/people/eve/second-factor/reset",
            "Remove the second factor of eve?",
            "The second factor of eve is removed.",
        ),
    ],
)
def test_whoever_would_lock_somebody_out_is_asked_first_and_told_that_it_was_done(
    place, ada, address, title, words
):
    with people.changing(place.database) as session:
        person = people.named(session, "eve")
        app = pyotp.TOTP(second_factor.begin(session, person))
        second_factor.confirm(session, person, app.now())
    link = Page(ada.get("/people").text).one("a", href=address)
    assert "eve" in link.attributes["aria-label"]

    question = Page(ada.get(address).text)

    assert question.one("h1").text == title
    assert question.one("form", action=address)
    assert ada.get("/people").text.count("second factor</span>") == 1
    assert said(follow(ada, address, address)) == words


def test_a_question_about_somebody_who_is_not_there_is_not_asked(ada):
    assert ada.get("/people/nobody/disable").status_code == 404
