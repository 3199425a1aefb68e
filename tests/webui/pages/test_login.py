"""The doors: who comes in by a password or a link, and where they are sent from there."""

import re

import pytest
from sqlalchemy import update

from core.accounts import invitations, logins, people
from core.database.clock import now
from core.database.models import Login
from tests.webui.pages.conftest import Page
from tests.webui.people import PASSWORD, sent
from webui.context import of


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


def log_in(client, name="eve", password=PASSWORD, page="/login", **more):
    return sent(client, page, "/login", name=name, password=password, **more)


def test_somebody_logs_in_and_is_sent_to_the_page_that_was_asked_for(place, visitor):
    place.join("eve")
    asked = visitor.get("/wall?x=1")

    answer = log_in(visitor, page=asked.headers["Location"])

    assert (answer.status_code, answer.headers["Location"]) == (303, "/wall?x=1")
    assert visitor.get("/api/v1/me").json["name"] == "eve"


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(place, visitor):
    place.join("eve")

    answers = [log_in(visitor, "eve", "wrong horse"), log_in(visitor, "nobody", "wrong horse")]

    refusals = [Page(each.text).one("p", role="alert").text for each in answers]
    assert refusals[0] == refusals[1]
    assert {each.status_code for each in answers} == {401}
    assert "wrong horse" not in answers[0].text
    assert Page(answers[0].text).one("input", id="name").attributes["value"] == "eve"


@pytest.mark.parametrize(
    "elsewhere",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example"),
        *("/\t/evil.example", "javascript:alert(1)", "http:evil.example", " //evil.example"),
    ],
)
def test_nobody_is_sent_to_another_site_after_a_login(place, visitor, elsewhere):
    place.join("eve")
    token = Page(visitor.get("/login").text).one("input", name="csrf_token").attributes["value"]
    form = {"name": "eve", "password": PASSWORD, "next": elsewhere, "csrf_token": token}

    answer = visitor.post("/login", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert visitor.get("/login", query_string={"next": elsewhere}).headers["Location"] == "/"


def test_whoever_tries_often_has_to_wait_and_is_told_how_long(place, visitor):
    place.join("eve")
    for _ in range(5):
        log_in(visitor, "eve", "wrong horse")

    answer = log_in(visitor)

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Wait" in Page(answer.text).one("p", role="alert").text


def test_a_login_without_the_token_of_its_form_is_refused(place, visitor):
    place.join("eve")

    answer = visitor.post("/login", data={"name": "eve", "password": PASSWORD})

    assert answer.status_code == 400
    assert visitor.get("/api/v1/me").status_code == 401


def test_a_login_has_a_new_secret_and_new_tokens_for_its_forms(place, visitor):
    place.join("eve")
    before = Page(visitor.get("/login").text).one("input", name="csrf_token").attributes["value"]
    log_in(visitor)

    refused = visitor.post("/logout", data={"csrf_token": before})

    assert refused.status_code == 400
    assert visitor.get("/api/v1/me").status_code == 200


def test_a_login_is_ended_by_its_button(place, visitor):
    place.join("eve")
    log_in(visitor)

    answer = sent(visitor, "/account", "/logout")

    assert answer.headers["Location"] == "/login"
    assert answer.headers["Clear-Site-Data"] == '"storage"'
    assert visitor.get("/api/v1/me").status_code == 401


def test_the_cookie_of_a_login_is_kept_from_scripts_and_on_tls_from_other_hosts(place, visitor):
    place.join("eve")
    [plain] = [each for each in log_in(visitor).headers.getlist("Set-Cookie") if "_login_" in each]
    by_tls = place.app.test_client()
    by_tls.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    answer = log_in(by_tls, base_url="https://localhost")
    [over_tls] = [each for each in answer.headers.getlist("Set-Cookie") if "_login_" in each]

    for cookie in (plain, over_tls):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
    assert over_tls.startswith("__Host-")
    assert "Secure" in over_tls
    assert "Path=/" in over_tls
    assert "Domain" not in over_tls


def test_a_link_makes_an_account_once(place, visitor):
    secret = invitations.invite(place.database, people.CONSOLE, "member")
    address = f"/invitations/{secret}"
    assert "member" in visitor.get(address).text

    typed = {"name": "zoe", "password": PASSWORD, "again": PASSWORD}
    answer = sent(visitor, address, address, **typed)

    assert answer.status_code == 303
    assert visitor.get("/api/v1/me").json["role"] == "member"
    assert place.app.test_client().get(address).status_code == 410


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("again", {"again": "another horse battery"}),
        ("password", {"password": "short", "again": "short"}),
        ("password", {"password": "password1", "again": "password1"}),
        ("name", {"name": "a b"}),
        ("name", {"name": "eve"}),
    ],
)
def test_a_link_says_what_is_wrong_and_still_works(place, visitor, field, typed):
    place.join("eve")
    secret = invitations.invite(place.database, people.CONSOLE, "member")
    address = f"/invitations/{secret}"
    right = {"name": "zoe", "password": PASSWORD, "again": PASSWORD}

    answer = sent(visitor, address, address, **(right | typed))

    assert answer.status_code == 422
    wrong = Page(answer.text).one("input", aria_invalid="true")
    assert wrong.attributes["name"] == field
    assert not wrong.attributes["value"] or field == "name"
    assert sent(visitor, address, address, **right).status_code == 303


def test_a_link_names_all_that_is_wrong_at_once(place, visitor):
    address = f"/invitations/{invitations.invite(place.database, people.CONSOLE, 'member')}"

    answer = sent(visitor, address, address, name="a b", password="short", again="shirt")

    wrong = Page(answer.text).all("input", aria_invalid="true")
    assert [each.attributes["name"] for each in wrong] == ["name", "password", "again"]


def test_a_link_for_a_new_password_says_whose_it_is(place, visitor):
    place.join("eve")
    secret = invitations.invite_to_reset(place.database, people.CONSOLE, "eve")

    page = Page(visitor.get(f"/invitations/{secret}").text)

    assert "With this link eve chooses a new password." in page.text
    assert page.one("input", autocomplete="username").attributes["value"] == "eve"


def test_an_unknown_link_leads_to_a_page_that_says_so(visitor):
    assert visitor.get("/invitations/x").status_code == 404


def test_the_pages_of_the_doors_are_not_kept_by_browsers(place, visitor):
    secret = invitations.invite(place.database, people.CONSOLE, "member")

    for address in ("/login", f"/invitations/{secret}", "/"):
        assert visitor.get(address).headers["Cache-Control"] == "no-store"


def test_where_nobody_has_an_account_the_login_says_how_the_first_is_made(place, visitor):
    assert "trainyard admin invite" in visitor.get("/login").text
    place.join("eve")
    assert "trainyard admin invite" not in visitor.get("/login").text


def test_no_log_has_a_password_a_link_a_token_or_the_secret_of_a_login(place, visitor, caplog):
    caplog.set_level("DEBUG")
    secret = invitations.invite(place.database, people.CONSOLE, "member")
    address = f"/invitations/{secret}"
    typed = {"name": "eve", "password": PASSWORD, "again": PASSWORD}
    sent(visitor, address, address, **typed)
    answer = sent(visitor, "/account", "/account/tokens", name="x", scope="read", days="7")
    token = Page(answer.text).one("code", id="new-token").text
    sent(visitor, "/account", "/logout")
    cookies = log_in(visitor).headers.getlist("Set-Cookie")
    log_in(place.app.test_client(), "eve", "wrong horse")
    program = place.app.test_client()
    program.get("/nothing", headers={"Authorization": f"Bearer {token}"})

    assert visitor.get(address).status_code == 410  # which is written down, and says which address

    assert "/invitations/…" in caplog.text
    login = next(each for each in cookies if "_login_" in each).partition("=")[2].partition(";")[0]
    assert not [
        each for each in (secret, PASSWORD, token, login, "wrong horse") if each in caplog.text
    ]


def test_the_log_tells_of_tries_in_vain_and_of_those_who_may_not(place, visitor, caplog):
    caplog.set_level("INFO")
    place.join("eve")
    for name in ("nobody", *["eve"] * 6):
        log_in(visitor, name, "wrong horse")
    visitor.get("/api/v1/jobs")
    place.join("vic", "viewer")
    place.browser("vic").get("/people")

    lines = caplog.text
    assert lines.count("'login_refused'") >= 6
    assert "'login_held_off'" in lines
    assert "'login.token_required'" in lines
    assert re.search(r"'who': 'vic'.*'role.too_low'", lines)
    assert "wrong horse" not in lines


def test_a_stranger_with_a_link_that_is_over_is_told_of_no_runs(place):
    secret = invitations.invite(place.database, people.CONSOLE, "member")
    invitations.accept(place.database, secret, "bob", PASSWORD)
    stranger = place.app.test_client()

    for path, words in (
        (f"/invitations/{secret}", "works no more"),
        ("/invitations/x", "mistyped"),
    ):
        page = stranger.get(path).text
        assert "Ask whoever sent you the link for another one." in page
        assert words in page
        assert 'href="/login"' in page
        assert "Deleted runs" not in page
        assert "list of runs" not in page


def test_whoever_follows_a_link_that_is_over_while_logged_in_reads_the_same(place):
    secret = invitations.invite(place.database, people.CONSOLE, "member")
    invitations.accept(place.database, secret, "bob", PASSWORD)

    answer = place.browser("bob").get(f"/invitations/{secret}")

    assert answer.status_code == 410
    assert "Ask whoever sent you the link for another one." in answer.text
    assert "out of date" not in answer.text


def test_a_login_that_took_too_long_for_its_second_factor_is_no_link(place, visitor):
    page = visitor.get("/login/code")

    assert page.status_code == 410
    assert "This login took too long" in page.text


ENDED = "Your login was ended"


@pytest.mark.parametrize("how", ["idle", "by an administrator", "from another browser"])
def test_whoever_was_logged_out_reads_that_the_login_was_ended(place, how):
    eve = place.join("eve")
    browser = place.browser("eve")
    if how == "idle":
        with place.database.writing() as session:
            session.execute(update(Login).values(used_at=now(-1e9)))
    elif how == "by an administrator":
        people.disable(place.database, people.CONSOLE, "eve")
    else:
        logins.end_others(place.database, eve, None)

    page = browser.get("/account", follow_redirects=True)

    assert page.request.path == "/login"
    assert ENDED in page.text
    assert "eve" not in page.text


def test_whoever_was_not_logged_in_or_has_logged_out_reads_nothing_of_it(place, visitor):
    place.join("eve")
    assert ENDED not in visitor.get("/login").text
    log_in(visitor)
    sent(visitor, "/account", "/logout")
    assert ENDED not in visitor.get("/login").text


def test_the_cookie_of_a_login_outlives_it_so_that_its_end_is_told(place, visitor):
    place.join("eve")
    [cookie] = [each for each in log_in(visitor).headers.getlist("Set-Cookie") if "_login_" in each]
    [age] = re.findall(r"Max-Age=(\d+)", cookie)
    assert int(age) > of(place.app).settings.login_days * logins.DAY_S
