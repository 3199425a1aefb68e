"""Strangers' hosts and sites are refused; every answer says what a browser may do with it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs", "/healthz"])
def test_an_unknown_host_is_refused(client, path):
    response = client.get(path, headers={"Host": "evil.example"})

    assert response.status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8327", "localhost", "[::1]:8327"])
def test_loopback_names_are_known(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
def test_a_post_from_another_site_is_refused(client, headers):
    response = client.post("/api/v1/jobs", json={"name": "x"}, headers=headers)

    assert response.status_code == 403
    assert client.get("/api/v1/jobs").json["items"] == []


def test_a_post_from_our_own_page_or_a_program_is_taken(client):
    own = client.post("/api/v1/jobs", json={"name": "x"}, headers={"Origin": "http://localhost"})

    assert own.status_code == 201
    assert client.post("/api/v1/jobs", json={"name": "x"}).status_code == 201


def test_a_form_without_its_token_is_refused_and_queues_nothing(client):
    assert client.post("/jobs", data={"name": "x", "preset": "quick"}).status_code == 400
    assert client.get("/api/v1/jobs").json["items"] == []


@pytest.mark.parametrize("path", ["/", "/jobs/new", "/workers", "/api/v1/jobs", "/nothing"])
def test_every_answer_forbids_foreign_script_and_framing(client, path):
    headers = client.get(path).headers

    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"].partition("style-src")[0]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/jobs/new", "/workers"])
def test_no_page_holds_script_of_its_own(client, path):
    page = client.get(path).get_data(as_text=True)

    assert "onclick" not in page
    for script in page.split("<script")[1:]:
        assert 'src="/static/' in script or 'type="application/json"' in script


def test_the_web_and_the_terminal_load_without_torch():
    code = "import webui.app, cli.main, sys; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
