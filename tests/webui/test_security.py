"""Strangers' hosts and sites are refused; every answer says what a browser may do with it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from core.settings import Settings
from tests.webui import addresses
from webui import problems, security
from webui.app import create_app
from webui.context import current
from webui.context import of as context_of


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs", "/healthz"])
def test_an_unknown_host_is_refused(client, path):
    response = client.get(path, headers={"Host": "evil.example"})

    assert response.status_code == 400
    assert response.json["code"] == "request.unknown_host"
    assert response.json["params"] == {"host": "evil.example"}


@pytest.mark.parametrize("host", ["127.0.0.1:8327", "localhost", "[::1]:8327"])
def test_loopback_names_are_known(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "http://localhost@evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:8327"},  # another port is another site
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_post_from_another_site_is_refused(client, headers):
    response = client.post("/api/v1/jobs", json={"name": "x"}, headers=headers)

    assert response.status_code == 403
    assert response.json["code"] == "request.from_another_site"
    assert client.get("/api/v1/jobs").json["items"] == []


def test_a_post_from_our_own_page_or_a_program_is_taken(client):
    own = client.post("/api/v1/jobs", json={"name": "x"}, headers={"Origin": "http://localhost"})

    assert own.status_code == 201
    assert client.post("/api/v1/jobs", json={"name": "x"}).status_code == 201


def test_a_form_without_its_token_is_refused_and_queues_nothing(client):
    assert client.post("/jobs", data={"name": "x", "preset": "quick"}).status_code == 400
    assert client.get("/api/v1/jobs").json["items"] == []


def test_every_answer_forbids_foreign_script_and_framing(client, app):
    for path in addresses.of_pages(app) | {"/api/v1/jobs", "/nothing"}:
        headers = client.get(path).headers

        policy = headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy, path
        assert "'unsafe-inline'" not in policy.partition("style-src")[0]
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_page_holds_script_of_its_own(client, app):
    for path in addresses.of_pages(app):
        page = client.get(path).get_data(as_text=True)

        assert "onclick" not in page, path
        for script in page.split("<script")[1:]:
            assert 'src="/static/' in script or 'type="application/json"' in script, path


def test_the_web_and_the_terminal_load_without_torch():
    code = "import webui.app, cli.main, sys; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


STRANGE_HOSTS = [
    *("evil.example:80", "localhost.evil.example", "evil@localhost", "localhost@evil", "a b"),
    *("[::1", "[", "]", "[zz]", "localhost#x", "localhost/x", "127.0.0.1:99999", "0.0.0.0", ""),
    *("2130706433", "127.0.0.1.nip.io", "localhost,evil.example", "evil\x00", "\xff"),
]


def test_a_made_up_host_is_refused_and_not_linked_to(client):
    for host in STRANGE_HOSTS:
        response = client.get("/", headers={"Host": host})
        assert response.status_code == 400, host
        assert response.content_type == "application/problem+json"


def test_a_strange_host_cannot_be_brought_in_by_another_header(client):
    page = client.get("/", headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil"})

    assert page.status_code == 200
    assert "evil" not in page.text


def known(settings: Settings, host: str) -> bool:
    app = Flask("bare")
    security.install(app, settings)
    app.add_url_rule("/there", "there", lambda: "here")
    return app.test_client().get("/there", headers={"Host": host}).status_code == 200


def test_hosts_that_the_settings_name_are_known(tmp_path):
    settings = Settings(
        home=tmp_path,
        secret_key="x",
        host="10.0.0.7",
        trusted_hosts="trains.example, web.example",
    )

    assert known(settings, "10.0.0.7:8327")
    assert known(settings, "web.example")
    assert known(settings, "TRAINS.example:80")
    assert not known(settings, "other.example")


@pytest.mark.parametrize(
    "written",
    ["Trains.Example", "trains.example:8080", "https://trains.example/", "TRAINS.EXAMPLE:443"],
)
def test_a_host_is_known_however_a_person_writes_it(tmp_path, written):
    settings = Settings(home=tmp_path, secret_key="x", trusted_hosts=written)

    assert known(settings, "trains.example")
    assert known(settings, "Trains.example:9999")
    assert not known(settings, "trains.example.org")


def test_an_unknown_host_is_told_which_setting_names_it(client):
    detail = client.get("/", headers={"Host": "trains.example"}).json["detail"]

    assert "'trains.example'" in detail
    assert "TRAINYARD_TRUSTED_HOSTS" in detail


PROXIED = "trains.example:8080"


def posted(settings: Settings, base="http://trains.example", **headers) -> int:
    """The status of a post through a proxy that passes its `Host` on without the port."""
    app = Flask("bare")
    problems.install(app)
    security.install(app, settings)
    security.protect_forms(app).exempt("bare.there")
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    app.add_url_rule("/api/there", "there", lambda: "here", methods=["POST"])
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = app.test_client().post("/api/there", base_url=base, headers=names)
    if answer.status_code == 403:
        assert "TRAINYARD_TRUSTED_HOSTS" in answer.json["detail"]
    return answer.status_code


@pytest.mark.parametrize(
    ("trusted", "headers", "status"),
    [
        (PROXIED, {"Origin": f"http://{PROXIED}"}, 200),
        (PROXIED, {"Origin": "https://trains.example:8080"}, 200),
        (PROXIED, {"Origin": "http://trains.example:8081"}, 403),
        (PROXIED, {"Origin": f"http://{PROXIED}", "Sec_Fetch_Site": "cross-site"}, 403),
        (PROXIED, {"Origin": f"http://x@{PROXIED}"}, 403),
        (PROXIED, {"Origin": "http://trains.example:eighty"}, 403),
        ("trains.example", {"Origin": f"http://{PROXIED}"}, 403),
        ("trains.example", {"Origin": "http://trains.example"}, 200),
        ("trains.example", {"Origin": "https://trains.example"}, 200),
        # a browser tells it by the address that it shows
        ("trains.example", {"Origin": f"http://{PROXIED}", "Sec_Fetch_Site": "same-origin"}, 200),
        ("trains.example", {"Origin": f"http://{PROXIED}", "Sec_Fetch_Site": "same-site"}, 403),
        ("trains.example", {"Sec_Fetch_Site": "same-site"}, 403),
    ],
)
def test_a_form_comes_through_a_proxy_that_drops_the_port_where_the_settings_name_it(
    tmp_path, trusted, headers, status
):
    settings = Settings(home=tmp_path, secret_key="x", trusted_hosts=trusted)

    assert posted(settings, **headers) == status


def test_a_form_comes_through_a_proxy_with_tls_that_drops_the_port(app, settings):
    named = settings.model_copy(update={"trusted_hosts": ("trains.example:8443",)})
    served = create_app(named)
    browser = served.test_client()
    base, page = "https://trains.example", "https://trains.example:8443/jobs/new"
    form = browser.get("/jobs/new", base_url=base).text
    token = form.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    headers = {"Origin": "https://trains.example:8443", "Referer": page}

    answer = browser.post(
        "/jobs",
        data={"name": "x", "preset": "quick", "csrf_token": token},
        base_url=base,
        headers=headers,
    )

    assert answer.status_code == 303
    served.extensions["trainyard"].database.dispose()


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_to_listen_everywhere_does_not_make_every_host_known(tmp_path, everywhere):
    settings = Settings(home=tmp_path, secret_key="x", host=everywhere)

    assert known(settings, "localhost")
    assert not known(settings, "evil.example")
    assert not known(settings, everywhere if everywhere == "0.0.0.0" else "[::]")


def test_a_cancel_from_another_site_is_refused(client):
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]
    stranger = {"Origin": "https://evil.example"}

    for path in (f"/api/v1/jobs/{job}/cancel", f"/jobs/{job}/cancel"):
        assert client.post(path, headers=stranger).status_code == 403
    assert client.get(f"/api/v1/jobs/{job}").json["state"] == "queued"


@pytest.mark.parametrize("token", [None, "", "x", "IjAwIg.Zzzzzz.AAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_form_without_its_own_token_is_refused(client, app, token):
    app.config["WTF_CSRF_ENABLED"] = True
    client.get("/jobs/new")  # a session, but not its token
    fields = {"name": "x", "preset": "quick"} | ({} if token is None else {"csrf_token": token})
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]

    assert client.post("/jobs", data=fields).status_code == 400
    assert client.post(f"/jobs/{job}/cancel", data=fields).status_code == 400
    assert [each["state"] for each in client.get("/api/v1/jobs").json["items"]] == ["queued"]


def test_a_token_of_one_browser_is_none_in_another(app):
    one, other = app.test_client(), app.test_client()
    page = one.get("/jobs/new").text
    token = page.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    fields = {"name": "x", "preset": "quick", "csrf_token": token}
    other.get("/jobs/new")

    assert other.post("/jobs", data=fields).status_code == 400
    assert one.post("/jobs", data=fields).status_code == 303


def test_two_servers_on_one_host_do_not_take_each_others_cookies(app, settings):
    other = create_app(Settings(**settings.model_dump() | {"secret_key": "of another home"}))
    other.testing = True
    fields = {"name": "x", "preset": "quick"}
    cookies, tokens = "", {}
    for each in (app, other):  # a browser sends the cookies of a host to each of its ports
        client = each.test_client(use_cookies=False)
        page = client.get("/jobs/new", headers={"Cookie": cookies})
        cookies += page.headers["Set-Cookie"].partition(";")[0] + "; "
        tokens[each] = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]

    for each, token in tokens.items():
        data = fields | {"csrf_token": token}
        client = each.test_client(use_cookies=False)
        assert client.post("/jobs", data=data, headers={"Cookie": cookies}).status_code == 303
    context_of(other).database.dispose()


def test_an_address_of_another_database_is_refused(client):
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]
    page = client.get(f"/jobs/{job}").text
    instance = page.partition('data-instance="')[2].partition('"')[0]
    parts = (f"/jobs/{job}?part=1&", f"/jobs/{job}/evaluation?", f"/api/v1/jobs/{job}/logs?")

    for part in parts:
        assert client.get(f"{part}instance={instance}").status_code in (200, 404)
        assert client.get(f"{part}instance={'f' * 16}").status_code == 410
    for action in ("cancel", "pause", "resume", "retry"):
        assert client.post(f"/jobs/{job}/{action}?instance={'f' * 16}").status_code == 410
    assert client.get(f"/api/v1/jobs/{job}").json["state"] == "queued"


def test_the_session_is_kept_from_scripts_and_from_other_sites(client):
    cookie = client.get("/jobs/new").headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie  # a link from elsewhere keeps it; posts are refused otherwise


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/static/css/base.css", {}, 200),
        ("GET", "/static/nothing.js", {}, 404),
        ("GET", "/healthz", {}, 200),
        ("GET", "/readyz", {}, 200),
        ("GET", "/", {"headers": {"Host": "evil.example"}}, 400),
        ("POST", "/api/v1/jobs", {"json": {}, "headers": {"Origin": "null"}}, 403),
        ("POST", "/api/v1/jobs", {"data": b"x" * 2**21, "content_type": "application/json"}, 413),
        ("POST", "/api/v1/jobs", {"data": b"x"}, 415),
        ("POST", "/api/v1/jobs", {"json": {}}, 422),
        ("POST", "/jobs", {"data": {}}, 400),
        ("DELETE", "/", {}, 405),
        ("OPTIONS", "/api/v1/jobs", {}, 200),
        ("GET", "/api/v1/jobs/1/events", {}, 200),
        ("GET", "/fault", {}, 500),
    ],
)
def test_no_answer_goes_out_bare(client, app, method, path, options, status):
    app.add_url_rule("/fault", "fault", lambda: 1 / 0)
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]
    client.post(f"/api/v1/jobs/{job}/cancel")

    response = client.open(path, method=method, **options)

    assert response.status_code == status
    assert response.headers["Content-Security-Policy"] == security.CONTENT_SECURITY_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert not [name for name, _ in response.headers if name.startswith("Access-Control-")]
    response.close()


def test_other_sites_are_given_no_permission_in_advance(client):
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }

    response = client.options("/api/v1/jobs", headers=asked)

    assert not [name for name, _ in response.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "\"'><b onx=1>"])
def test_markup_in_a_name_is_text_on_every_page(client, name):
    job = client.post("/api/v1/jobs", json={"name": name}).json
    assert job["name"] == name

    for path in ("/", f"/jobs/{job['id']}", f"/jobs/new?from={job['id']}", "/?part=list"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<b onx" not in page
        assert ">49<" not in page


def test_the_key_is_never_in_an_answer(client, app):
    with app.app_context():
        key = current().settings.secret_key
    for path in addresses.of_pages(app) | {"/api/v1/spec", "/readyz", "/nothing"}:
        response = client.get(path)
        assert key not in response.text
        assert key not in str(response.headers)


def test_tls_is_asked_for_where_it_is_there_and_pages_stay_among_themselves(client):
    by_tls = client.get("/", base_url="https://localhost")

    assert by_tls.headers["Strict-Transport-Security"] == security.HSTS
    assert security.HSTS == "max-age=31536000; includeSubDomains"
    assert "Strict-Transport-Security" not in client.get("/").headers
    assert by_tls.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert by_tls.headers["X-Frame-Options"] == "DENY"
    assert by_tls.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["LOCALHOST:8327", "LocalHost", "127.0.0.1:1"])
def test_a_host_is_known_in_capitals_and_with_any_port(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_each_answer_names_its_request_and_so_does_the_log(client, app, caplog):
    app.add_url_rule("/fault", "fault", lambda: 1 / 0)
    names = [client.get(path).headers["X-Request-Id"] for path in ("/", "/api/v1/jobs", "/nothing")]
    assert len(set(names)) == 3

    failed = client.get("/fault", headers={"X-Request-Id": "from-the-proxy.1"})

    assert failed.headers["X-Request-Id"] == "from-the-proxy.1"
    assert "from-the-proxy.1" in failed.text
    assert "from-the-proxy.1" in caplog.text


@pytest.mark.parametrize("named", ["a b", "x" * 65, "<b>", "é"])
def test_a_request_that_is_named_badly_is_named_anew(client, named):
    answer = client.get("/healthz", headers={"X-Request-Id": named})

    assert answer.headers["X-Request-Id"] != named


def test_every_page_says_what_it_is_and_in_which_characters(client, app):
    for path in addresses.of_pages(app) | {
        "/healthz",
        "/api/v1/jobs",
        "/nothing",
        "/api/v1/nothing",
    }:
        kind = client.get(path).headers["Content-Type"]
        assert kind.startswith("application/") or kind.endswith("; charset=utf-8"), (path, kind)


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs", "/static/css/base.css"])
def test_what_was_sent_is_sent_back_to_nobody(client, path):
    answer = client.open(path, method="TRACE", headers={"X-Own": "of a proxy in between"})

    assert answer.status_code == 405
    assert "of a proxy" not in answer.text


@pytest.mark.parametrize(
    "path", ["/static/", "/static/js/", "/static/../app.py", "/static/%2e%2e/app.py"]
)
def test_no_folder_is_listed_and_no_file_beside_it_is_served(client, path):
    assert client.get(path).status_code == 404


def test_the_mode_for_those_who_write_applications_is_never_on(monkeypatch, settings):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    served = create_app(settings)
    served.add_url_rule("/fault", "fault", lambda: 1 / 0)

    answer = served.test_client().get("/fault")

    assert (served.debug, answer.status_code) == (False, 500)
    assert "Traceback" not in answer.text
    assert "ZeroDivision" not in answer.text
    context_of(served).database.dispose()


def test_over_tls_every_cookie_is_of_this_host_alone(client):
    by_tls = {"base_url": "https://localhost"}
    answers = [client.get("/jobs/new", **by_tls), client.get("/language/zh?page=/wall", **by_tls)]
    cookies = [each for answer in answers for each in answer.headers.getlist("Set-Cookie")]

    assert len(cookies) >= 2
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        assert "; Secure" in cookie
        assert "; Path=/" in cookie
        assert "Domain" not in cookie
    assert '<html lang="zh-Hans"' in client.get("/workers", **by_tls).text
    client.set_cookie("__Host-theme", "dark", secure=True)
    assert 'data-theme="dark"' in client.get("/workers", **by_tls).text
    assert 'data-theme="dark"' not in client.get("/workers").text


def test_forms_are_signed_by_sha_256(app):
    serializer = app.session_interface.get_signing_serializer(app)

    assert serializer.signer_kwargs["digest_method"]().name == "sha256"


def test_no_address_changes_anything_by_being_opened(client, app):
    """What a picture of another site, or a link that is fetched in advance, can open."""
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]
    before = client.get(f"/api/v1/jobs/{job}").json
    opened = {
        addresses.filled(rule, job)
        for rule in addresses.of_all_pages(app) | {rule for _, rule in addresses.of_api(app)}
        if "stream" not in rule and not rule.endswith("/events")
    }
    for path in opened:
        client.get(path).close()

    after = client.get(f"/api/v1/jobs/{job}").json
    assert {name: after[name] for name in before if not name.endswith("_s")} == {
        name: before[name] for name in before if not name.endswith("_s")
    }
    assert len(client.get("/api/v1/jobs").json["items"]) == 1


SINKS = re.compile(
    r"\.(innerHTML|outerHTML)\s*\+?=[^=]|insertAdjacentHTML|document\.write|\beval\(|new Function"
    r"|createContextualFragment|setTimeout\([\"'`]|__proto__|window\.addEventListener\(.message"
)


def test_no_script_makes_markup_or_program_of_a_text():
    folder = Path(security.__file__).parent / "static/js"
    scripts = list(folder.rglob("*.js"))

    assert len(scripts) > 50
    assert {each.name: SINKS.findall(each.read_text()) for each in scripts} == {
        each.name: [] for each in scripts
    }


def test_templates_are_escaped_but_for_our_own_style_sheet():
    folder = Path(security.__file__).parent / "templates"
    unescaped = [
        (path.name, found)
        for path in folder.rglob("*.html")
        for found in re.findall(r"\{\{[^}]*\|\s*safe\b[^}]*\}\}|autoescape false", path.read_text())
    ]

    assert unescaped == [("file.html", "{{ styles|safe }}")]
