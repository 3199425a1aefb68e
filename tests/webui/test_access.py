"""Every address × everybody who may ask: one table, `access.NEEDS`, and what the server does."""

import pytest
from flask import Flask
from sqlalchemy import select, update

from core import queries
from core.accounts import people, tokens
from core.database.clock import now
from core.database.models import Job, Login, Person, Token
from core.errors import DatabaseUnavailable
from core.messages import message
from tests.webui.people import shared
from webui import access
from webui.access import NEEDS, Need

OTHERS_THAT_CHANGE = {
    # what a viewer may send: it changes nothing, or what is the viewer's own alone
    "api.network",
    "api.save_filter",
    "api.remove_filter",
    "pages.save_filter",
    "pages.remove_filter",
}
LAST = {  # these would end what the others ask with
    "pages.log_out",
    "pages.end_other_logins",
    "pages.change_password",
}
LOOSE = {"api.events", "api.all_events", "api.streams"}  # the body of a stream is the server's


@pytest.fixture
def database_kind():
    """SQLite alone: what is asked of the database is asked of each kind elsewhere."""
    return "sqlite"


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    """An installation with accounts; whose form it is comes after who asks."""
    with shared(settings, monkeypatch, compiled_templates) as made:
        yield made


@pytest.fixture
def run_of_eve(place):
    """The number of a run that a member submitted."""
    place.join("eve")
    answer = place.browser("eve").post(
        "/api/v1/jobs", json={"name": "SECRETNAME", "tags": ["hushtag"]}
    )
    assert answer.status_code == 201
    return answer.json["id"]


def requests_of(app, run):
    """A request for each address: endpoint, method, path."""
    values = {
        "job_id": run,
        "artifact_id": 1,
        "worker_id": 1,
        "filter_id": 1,
        "invitation_id": 1,
        "login_id": 10_000,
        "token_id": 10_000,
        "webhook_id": 10_000,
        "delivery_id": 10_000,
        "which": "nobody",
        "owner": "nobody",
        "queue": "nobody",
        "name": "nobody",
        "secret": "x",
        "tag": "en",
        "key": "0" * 64,
        "dataset": "digits",
        "index": 0,
        "filename": "css/base.css",
    }
    with app.test_request_context():
        adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
        for rule in app.url_map.iter_rules():
            path = adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments})
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield rule.endpoint, method, path


def ask(client, method, path):
    json = {} if path.startswith("/api/") and method != "GET" else None
    with client.open(path, method=method, json=json) as answer:
        answer.get_data()
        return answer


def is_turned_away(answer):
    """Whether an answer is that somebody must say who they are first."""
    to_login = answer.status_code == 303 and answer.headers["Location"].startswith("/login")
    return answer.status_code == 401 or to_login


def test_every_address_is_in_the_table_and_the_table_has_no_other(place):
    assert {rule.endpoint for rule in place.app.url_map.iter_rules()} == set(NEEDS)


def test_an_address_that_is_not_in_the_table_stops_the_server():
    app = Flask("bare", static_folder=None)
    app.add_url_rule("/new", "new", lambda: "")

    with pytest.raises(LookupError, match="new"):
        access.refuse_unlisted(app)


def test_what_changes_something_needs_a_member_at_least(place):
    for rule in place.app.url_map.iter_rules():
        if rule.methods - {"GET", "HEAD", "OPTIONS"} and rule.endpoint not in OTHERS_THAT_CHANGE:
            needed = NEEDS[rule.endpoint]
            is_door = rule.endpoint in (
                "pages.log_in",
                "pages.accept_invitation",
                "pages.join_by_provider",
                # these need the cookie of a login that lacks a second factor
                "pages.check_code",
                "pages.begin_setup",
                "pages.finish_setup",
            )
            assert needed not in (Need.VIEWER, Need.NOTHING) or is_door, rule.endpoint


ENOUGH = {
    "nobody": {Need.NOTHING},
    "viewer": {Need.NOTHING, Need.VIEWER, Need.BROWSER},
    "member": {Need.NOTHING, Need.VIEWER, Need.MEMBER, Need.BROWSER},
    "administrator": set(Need) - {Need.ITSELF},
    "ended login": {Need.NOTHING},
    "token of an administrator": {
        *(Need.NOTHING, Need.VIEWER, Need.MEMBER, Need.ADMINISTRATOR),
    },
    "token that may submit": {Need.NOTHING, Need.VIEWER, Need.MEMBER},
    "token that may read": {Need.NOTHING, Need.VIEWER},
    "token of a viewer": {Need.NOTHING, Need.VIEWER},
    "expired token": set(),
    "revoked token": set(),
    "token of somebody who was shut out": set(),
}
"""What each may come to. Whoever shows a token that does not hold is refused everywhere."""
STRANGERS = {"nobody", "ended login", "expired token", "revoked token"} | {
    "token of somebody who was shut out"
}


def client_of(place, who):
    """A client of one of `ENOUGH`."""
    database = place.database
    if who == "nobody":
        return place.app.test_client()
    role = {"viewer": "viewer", "token of a viewer": "viewer", "member": "member"}
    person = place.join("ada", role.get(who, "administrator"))
    place.join("root", "administrator")
    if who in ("viewer", "member", "administrator"):
        return place.browser("ada")
    if who == "ended login":
        client = place.browser("ada")
        with database.writing() as session:
            session.execute(update(Login).values(used_at=now(-1e9)))
        return client
    scope = {"token that may submit": "submit", "token that may read": "read"}.get(who, "admin")
    client = place.program(person, scope)
    if who == "expired token":
        with database.writing() as session:
            session.execute(update(Token).values(expires_at=now(-1)))
    if who == "revoked token":
        with database.reading() as session:
            [token] = tokens.of_person(session, person)
        tokens.revoke(database, person, token.id)
    if who == "token of somebody who was shut out":
        people.disable(database, people.CONSOLE, "ada")
    return client


@pytest.mark.parametrize("who", ENOUGH)
def test_everybody_comes_where_the_table_says_and_nowhere_else(place, run_of_eve, who):
    client = client_of(place, who)
    asked = sorted(requests_of(place.app, run_of_eve), key=lambda each: each[0] in LAST)
    for endpoint, method, path in asked:
        is_elsewhere = NEEDS[endpoint] is Need.ITSELF
        if is_elsewhere or (endpoint in LOOSE and NEEDS[endpoint] in ENOUGH[who]):
            continue
        answer = ask(client, method, path)
        about = f"{who}: {method} {path} ({endpoint}) answered {answer.status_code}"
        if NEEDS[endpoint] in ENOUGH[who]:
            to_login = ("pages.log_in", "pages.log_out", "pages.reopen_door")
            assert not is_turned_away(answer) or endpoint in to_login, about
            if who in ("administrator", "token of an administrator"):
                assert answer.status_code != 403, about
        elif who in STRANGERS:
            assert is_turned_away(answer), about
        else:
            assert answer.status_code == 403, about
        assert answer.status_code < 500, about


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry"])
def test_a_member_acts_on_runs_of_their_own_alone(place, run_of_eve, action):
    place.join("bob")

    refused = place.browser("bob").post(f"/api/v1/jobs/{run_of_eve}/{action}")

    assert refused.status_code == 403
    assert refused.json["code"] == "actor.not_the_owner"
    assert refused.json["params"]["owner"] == "eve"
    assert place.browser("eve").post(f"/api/v1/jobs/{run_of_eve}/pause").status_code == 200


def test_a_run_belongs_to_whoever_submitted_it(place, run_of_eve):
    place.join("ada", "administrator")
    ada = place.browser("ada")

    assert ada.get(f"/api/v1/jobs/{run_of_eve}").json["owner"] == "eve"
    assert ada.post(f"/api/v1/jobs/{run_of_eve}/cancel").json["desired_by"] == "ada"


def test_what_is_asked_of_many_runs_is_refused_for_those_of_others(place, run_of_eve):
    place.join("bob")
    bob = place.browser("bob")
    own = bob.post("/api/v1/jobs", json={"name": "x"}).json["id"]

    answer = bob.post("/api/v1/jobs/cancel", json={"ids": [run_of_eve, own]})

    assert answer.json["done"] == [own]
    assert [each["code"] for each in answer.json["refused"]] == ["actor.not_the_owner"]


def test_a_private_run_is_nowhere_for_others(place, run_of_eve):
    place.join("bob")
    place.join("ada", "administrator")
    with place.database.writing() as session:
        session.execute(update(Job).values(is_private=True))
    bob, eve, ada = (place.browser(name) for name in ("bob", "eve", "ada"))
    lists = (
        *("/", "/api/v1/jobs", "/search?q=SECRET", "/search?q=hush", "/wall", "/storage"),
        *("/workers", "/api/v1/queue", "/api/v1/workers", "/api/v1/storage", "/hardest"),
        *("/?group=seed", "/?sort=epochs", "/?state=queued", "/?text=secret"),
        *("/?sort=-train_loss", "/jobs/delete", f"/jobs/selected/cancel?run={run_of_eve}"),
        *(f"/jobs/delete?run={run_of_eve}", f"/jobs/selected/tags?run={run_of_eve}"),
        *(f"/search?q=%23{run_of_eve}", f"/jobs/new?from={run_of_eve}", "/?deleted=true"),
        *(f"/compare?run={run_of_eve}", f"/api/v1/metrics?job={run_of_eve}&points=10"),
    )
    for path in lists:
        shown = bob.get(path).get_data(as_text=True)
        assert "SECRETNAME" not in shown, path
        assert "tag=hushtag" not in shown, path
    for endpoint, method, path in requests_of(place.app, run_of_eve):
        if "job_id" in next(place.app.url_map.iter_rules(endpoint)).arguments:
            answer = ask(bob, method, path)
            assert answer.status_code == 404, path
            assert f"newest is {run_of_eve}" not in answer.text, path
            assert "SECRETNAME" not in answer.get_data(as_text=True)
    for client in (eve, ada):
        assert client.get(f"/api/v1/jobs/{run_of_eve}").json["name"] == "SECRETNAME"
        assert "SECRETNAME" in client.get("/").get_data(as_text=True)


def test_what_is_asked_of_many_runs_does_not_know_private_ones_of_others(place, run_of_eve):
    place.join("bob")
    with place.database.writing() as session:
        session.execute(update(Job).values(is_private=True))

    answer = place.browser("bob").post("/api/v1/jobs/cancel", json={"ids": [run_of_eve]})

    assert [each["code"] for each in answer.json["refused"]] == ["run.unknown"]


def test_a_cookie_without_a_word_of_where_it_comes_from_changes_nothing(place, run_of_eve):
    eve = place.browser("eve")
    del eve.environ_base["HTTP_SEC_FETCH_SITE"]

    refused = eve.post(f"/api/v1/jobs/{run_of_eve}/cancel")

    assert refused.status_code == 403
    assert refused.json["code"] == "request.from_nowhere"
    assert eve.get(f"/api/v1/jobs/{run_of_eve}").json["state"] == "queued"


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization", "api_key"])
def test_a_token_in_an_address_opens_nothing(place, name):
    text, _ = tokens.make(place.database, place.join("eve"), "tests", "admin", None)

    answer = place.app.test_client().get("/api/v1/me", query_string={name: f"Bearer {text}"})

    assert answer.status_code == 401


def test_no_answer_of_an_administrator_has_what_is_kept_of_a_secret(place):
    place.join("ada", "administrator")
    ada = place.browser("ada")
    place.program(place.join("eve"))
    with place.database.reading() as session:
        kept = set(session.scalars(select(Login.digest).union(select(Token.digest))))
        kept |= set(session.scalars(select(Person.password_hash)))
    shown = "".join(
        ada.get(path).text
        for path in ("/people", "/people/audit", "/account", "/api/v1/people", "/api/v1/audit")
    )

    assert len(kept) == 4
    assert [each for each in kept if each in shown] == []


def test_a_stranger_learns_nothing_of_the_services_behind(place, monkeypatch):
    place.join("eve")
    eve, stranger = place.browser("eve"), place.app.test_client()
    assert "detail" not in stranger.get("/readyz").json
    assert eve.get("/readyz").json["detail"]

    def away(*_, **__):
        raise DatabaseUnavailable(message("database.no_answer", detail="user of 10.0.0.5"))

    monkeypatch.setattr(queries, "jobs", away)
    refused = [client.get("/readyz") for client in (stranger, eve)]
    assert [each.status_code for each in refused] == [503, 503]
    assert refused[0].json["code"] == "service.away"
    assert "10.0.0.5" not in refused[0].text
    assert "10.0.0.5" in refused[1].text


def test_a_script_of_a_page_learns_that_the_login_has_ended(place):
    stranger = place.app.test_client()

    assert stranger.get("/?part=1").status_code == 401
    assert stranger.get("/", headers={"Sec-Fetch-Mode": "cors"}).status_code == 401
    assert stranger.get("/wall?x=1").headers["Location"] == "/login?next=%2Fwall%3Fx%3D1"


def test_without_accounts_all_is_the_owners_and_there_is_no_door(client):
    assert client.get("/").status_code == 200
    me = client.get("/api/v1/me").json
    assert (me["name"], me["accounts"]) == ("owner", "local")
    for path in ("/login", "/people", "/account", "/invitations/x", "/api/v1/people"):
        assert client.get(path).status_code == 404


def test_two_installations_on_one_host_keep_their_logins_apart(place, settings):
    other = settings.model_copy(update={"secret_key": "another"})
    with place.app.test_request_context():
        assert access.cookie_name(settings) != access.cookie_name(other)
    with place.app.test_request_context(base_url="https://trains.example"):
        assert access.cookie_name(settings).startswith("__Host-")
