"""The terminal and a server of one's own by https, whose certificate nobody else knows."""

from __future__ import annotations

import ssl
import threading

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from cli.main import main
from tests.certificates import write_certificate

ADDRESS = "127.0.0.1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that signs itself, and its key: the files of both."""
    return write_certificate(tmp_path_factory.mktemp("certificate"), ADDRESS)


@pytest.fixture
def url(app, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = make_server(ADDRESS, 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://{ADDRESS}:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def database_kind():
    """SQLite alone: the terminal knows HTTP."""
    return "sqlite"


def run(tmp_path, monkeypatch, *arguments):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "terminal"))
    return CliRunner().invoke(main, arguments)


def test_a_certificate_that_nobody_knows_is_not_believed(url, tmp_path, monkeypatch):
    refused = run(tmp_path, monkeypatch, "whoami", "--url", url)

    assert refused.exit_code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
    assert "--ca FILE" in refused.stderr


def test_a_file_of_certificates_is_believed_by_option(url, certificate, tmp_path, monkeypatch):
    found = run(tmp_path, monkeypatch, "whoami", "--url", url, "--ca", str(certificate[0]))

    assert found.exit_code == 0, found.output
    assert "has no accounts" in found.stdout


def test_ssl_cert_file_is_believed(url, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))

    assert run(tmp_path, monkeypatch, "jobs", "--url", url).exit_code == 0


def test_a_file_that_holds_no_certificate_is_named(url, tmp_path, monkeypatch):
    (tmp_path / "empty.pem").write_text("nothing")

    refused = run(tmp_path, monkeypatch, "jobs", "--url", url, "--ca", str(tmp_path / "empty.pem"))

    assert refused.exit_code == 1
    assert "empty.pem cannot be read" in refused.stderr
