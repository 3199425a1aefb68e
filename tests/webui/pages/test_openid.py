"""People come in by a provider that knows them, and nobody comes in as somebody else."""

import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select, update

from core.accounts import invitations, logins, people
from core.database.clock import now
from core.database.models import Login
from tests.webui.pages.conftest import Page
from tests.webui.people import PASSWORD, Installation, hash_quickly
from tests.webui.provider import CLIENT, SECRET, providing
from webui.app import create_app

OWN = {"old_password": PASSWORD}


@pytest.fixture
def database_kind():
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.fixture
def provider():
    with providing() as made:
        yield made


@pytest.fixture
def make(settings, monkeypatch, provider, compiled_templates):
    """Makes an installation that the provider knows."""
    hash_quickly(monkeypatch)
    made = []

    def with_settings(**more):
        app = create_app(
            settings.model_validate(
                settings.model_dump()
                | {
                    "accounts": "shared",
                    "openid_issuer": provider.issuer,
                    "openid_client_id": CLIENT,
                    "openid_client_secret": SECRET,
                    "openid_name": "the lab's login",
                }
                | more
            )
        )
        app.testing = True
        app.config["WTF_CSRF_ENABLED"] = False
        app.jinja_env.bytecode_cache = compiled_templates
        made.append(Installation(app))
        return made[-1]

    yield with_settings
    for each in made:
        each.database.dispose()


def there_and_back(client, begin=("GET", "/login/openid", None)):
    """Send a browser to the provider, and what it brings back to the server."""
    method, path, data = begin
    sent = client.open(path, method=method, data=data)
    if method == "GET":
        assert sent.status_code == 303, sent.text
        address = sent.headers["Location"]
    else:  # a browser follows no redirect of a form to another host
        assert sent.status_code == 200, sent.text
        [meta] = Page(sent.text).all("meta", **{"http-equiv": "refresh"})
        address = meta.attributes["content"].partition("url=")[2]
    back = httpx.get(address).headers["Location"]
    return client.get(back.partition("localhost")[2])


def me(client):
    return client.get("/api/v1/me").json


def test_whoever_the_provider_knows_joins_with_the_role_that_the_settings_say(make, provider):
    client = make(openid_role="viewer").app.test_client()

    answer = there_and_back(client, ("GET", "/login/openid?next=/wall", None))

    assert answer.headers["Location"] == "/wall"
    assert (me(client)["name"], me(client)["role"]) == ("grace", "viewer")


def test_the_same_person_comes_back_under_any_other_name(make, provider):
    place = make(openid_role="member")
    there_and_back(place.app.test_client())
    provider.username = "somebody else"
    again = place.app.test_client()

    there_and_back(again)

    assert me(again)["name"] == "grace"


def test_nobody_gets_an_account_by_having_its_name_elsewhere(make, provider):
    place = make(openid_role="member")
    place.join("grace", "administrator")
    client = place.app.test_client()

    there_and_back(client)

    assert (me(client)["name"], me(client)["role"]) == ("grace-2", "member")


def test_whoever_nobody_has_invited_is_refused(make, provider):
    client = make().app.test_client()

    answer = there_and_back(client)

    assert answer.status_code == 403
    assert "Ask an administrator" in answer.text
    assert client.get("/api/v1/me").status_code == 401


def test_an_invitation_is_accepted_without_a_password(make, provider):
    place = make()
    secret = invitations.invite(place.database, people.CONSOLE, "member")
    client = place.app.test_client()
    assert "the lab" in client.get(f"/invitations/{secret}").text

    there_and_back(client, ("POST", "/login/openid", {"invitation": secret}))

    assert (me(client)["name"], me(client)["role"]) == ("grace", "member")
    assert client.get(f"/invitations/{secret}").status_code == 410


def test_somebody_with_a_password_links_the_two(make, provider):
    place = make()
    place.join("ada", "administrator")
    client = place.browser("ada")

    answer = there_and_back(client, ("POST", "/account/openid", OWN))
    assert answer.headers["Location"] == "/account"
    other = place.app.test_client()
    there_and_back(other)

    assert me(other)["name"] == "ada"
    place.join("eve")
    refused = there_and_back(place.browser("eve"), ("POST", "/account/openid", OWN))
    assert refused.status_code == 409


def test_who_has_no_password_logs_in_once_more_before_a_token_is_made(make, provider):
    place = make(openid_role="member")
    client = place.app.test_client()
    there_and_back(client)
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    with place.database.writing() as session:
        session.execute(update(Login).values(proved_at=now(-logins.FRESH_S - 1)))
    token = {"name": "notebook", "scope": "read", "days": "30"}
    page = {"Referer": "http://localhost/account"}
    asked = client.post("/account/tokens", data=token, headers=page)
    assert asked.status_code == 403
    assert 'type="password"' not in asked.text
    assert 'href="/login/openid?next=/account"' in asked.text

    answer = there_and_back(client, ("GET", "/login/openid?next=/account", None))

    assert answer.headers["Location"] == "/account"
    assert client.post("/account/tokens", data=token).status_code == 201
    with place.database.reading() as session:  # the one before has ended
        assert len(session.scalars(select(Login)).all()) == 1


@pytest.mark.parametrize("typed", [{}, {"old_password": "wrong horse"}])
def test_a_browser_that_was_left_open_is_not_linked_to_a_login_of_somebody_else(
    make, provider, typed
):
    place = make()
    place.join("ada", "administrator")

    answer = place.browser("ada").post("/account/openid", data=typed)

    assert answer.status_code == 422
    assert "this is not your password" in answer.text.lower()
    assert there_and_back(place.app.test_client()).status_code == 403


def test_a_page_of_another_site_begins_no_login(make, provider):
    client = make(openid_role="member").app.test_client()
    elsewhere = {"Sec-Fetch-Site": "cross-site"}

    answer = client.get("/login/openid?next=/wall", headers=elsewhere)

    assert answer.headers["Location"] == "/login?next=/wall"
    assert not answer.headers.getlist("Set-Cookie")
    assert client.get("/login/openid").headers["Location"].startswith(provider.issuer)


def test_who_is_shut_out_is_shut_out_here_too(make, provider):
    place = make(openid_role="member")
    there_and_back(place.app.test_client())
    people.disable(place.database, people.CONSOLE, "grace")
    client = place.app.test_client()

    assert there_and_back(client).status_code == 403
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
    ],
    ids="-".join,
)
def test_a_word_that_does_not_hold_lets_nobody_in(make, provider, lies):
    provider.lies = lies
    client = make(openid_role="member").app.test_client()

    answer = there_and_back(client)

    assert answer.status_code == 400
    assert client.get("/api/v1/me").status_code == 401


def test_a_word_by_another_key_lets_nobody_in_and_a_new_key_of_the_provider_does(make, provider):
    place = make(openid_role="member")
    client = place.app.test_client()
    there_and_back(client)
    published = provider.key
    provider.key = RSAKey.generate_key(2048, {"kid": "two"})  # both change: it has new keys

    there_and_back(client)

    assert me(client)["name"] == "grace"
    assert published.kid != provider.key.kid


def test_an_answer_logs_in_the_browser_alone_in_which_it_was_begun(make, provider):
    place = make(openid_role="member")
    attacker, victim = place.app.test_client(), place.app.test_client()
    sent = attacker.get("/login/openid")
    back = httpx.get(sent.headers["Location"]).headers["Location"].partition("localhost")[2]

    assert victim.get(back).status_code == 400
    victim.get("/login/openid")  # even with a login of their own begun
    assert victim.get(back).status_code == 400
    assert victim.get("/api/v1/me").status_code == 401


def test_a_code_works_once(make, provider):
    client = make(openid_role="member").app.test_client()
    sent = client.get("/login/openid")
    back = httpx.get(sent.headers["Location"]).headers["Location"].partition("localhost")[2]
    cookie = next(each for each in client._cookies.values() if each.key.endswith("_way"))

    assert client.get(back).status_code == 303
    client.set_cookie(cookie.key, cookie.value)
    assert client.get(back).status_code == 400


def test_what_is_sent_to_the_provider_has_state_nonce_and_challenge(make, provider):
    sent = make().app.test_client().get("/login/openid").headers["Location"]

    asked = parse_qs(urlsplit(sent).query)
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://localhost/login/openid/back"]


def test_a_provider_that_is_away_is_said_and_passwords_go_on(make, provider):
    place = make(openid_issuer="http://127.0.0.1:1")
    place.join("ada")

    answer = place.app.test_client().get("/login/openid")

    assert answer.status_code == 503
    assert me(place.browser("ada"))["name"] == "ada"


def test_a_provider_that_calls_itself_something_else_is_refused(make, provider):
    place = make(openid_issuer=f"{provider.issuer}/")

    answer = place.app.test_client().get("/login/openid")

    assert answer.status_code == 503
    assert "it calls itself" in answer.text


def test_the_provider_says_no_in_its_own_words(make, provider):
    client = make().app.test_client()
    state = parse_qs(urlsplit(client.get("/login/openid").headers["Location"]).query)["state"][0]

    answer = client.get(
        "/login/openid/back",
        query_string={"state": state, "error": "access_denied", "error_description": "<b>No</b>"},
    )

    assert answer.status_code == 400
    assert "&lt;b&gt;No&lt;/b&gt;" in answer.text


def test_without_a_provider_there_is_no_such_way(make):
    place = make(openid_issuer="")

    assert place.app.test_client().get("/login/openid").status_code == 404
    assert "openid" not in place.app.test_client().get("/login").text
