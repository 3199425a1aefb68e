"""The examples of proxies in front work as they are, where nginx and Caddy are installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import request

from cli.stack.ports import free_port
from tests.conftest import NOT_RUN
from tests.services import wait_until
from tests.serving import serving
from webui.app import create_app

DEPLOY = Path(__file__).parents[2] / "deploy"
HOST = "trains.example"
LARGEST = 1024 * 1024


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def certificate(tmp_path):
    """A certificate of the host, signed by itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip(f"{NOT_RUN}tests of proxies: openssl is not on this machine")
    paths = tmp_path / "host.pem", tmp_path / "host.key"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    options += ["-addext", f"subjectAltName=DNS:{HOST}", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run([openssl, "req", "-x509", *options], check=True, capture_output=True)
    return paths


@pytest.fixture
def backend(settings):
    """Trainyard as it is set up behind a proxy; `/seen` tells what it takes a request for."""
    behind = {
        "trusted_hosts": (HOST,),
        "trusted_proxies": ("127.0.0.1",),
        "accounts": "local",
    }
    app = create_app(settings.model_copy(update=behind))
    app.add_url_rule("/seen", view_func=lambda: f"{request.scheme} from {request.remote_addr}")
    with serving(app) as (_, address):
        yield int(address.rpartition(":")[2])


def changed(path: Path, *pairs: tuple[str, str]) -> str:
    """An example with the places of this machine."""
    text = path.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx(backend: int, certificate: Any, folder: Path, port: int, plain: int) -> list[str]:
    site = changed(
        DEPLOY / "nginx" / "trainyard.conf",
        ("127.0.0.1:8327", f"127.0.0.1:{backend}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen 80", f"listen 127.0.0.1:{plain}"),
        (f"/etc/ssl/{HOST}.pem", str(certificate[0])),
        (f"/etc/ssl/{HOST}.key", str(certificate[1])),
    )
    (folder / "trainyard.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; events {{}} "
        f"http {{ access_log off; {paths} include {folder}/trainyard.conf; }}"
    )
    return ["-e", str(folder / "log"), "-c", str(folder / "nginx.conf")]


def caddy(backend: int, certificate: Any, folder: Path, port: int, plain: int) -> list[str]:
    site = changed(
        DEPLOY / "caddy" / "Caddyfile",
        ("127.0.0.1:8327", f"127.0.0.1:{backend}"),
        (f"\n{HOST} {{", f"\nhttps://{HOST}:{port} {{\n\ttls {certificate[0]} {certificate[1]}"),
    )
    options = f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n}}\n"
    (folder / "Caddyfile").write_text(options + site)
    return ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "caddy": caddy}


@pytest.fixture(params=PROXIES)
def proxied(request, backend, certificate, tmp_path) -> Iterator[httpx.Client]:
    """A client of a proxy, whose certificate it checks."""
    program = shutil.which(request.param) or shutil.which(request.param, path="/usr/sbin")
    if program is None:
        pytest.skip(f"{NOT_RUN}the example of {request.param}: it is not on this machine")
    port, plain = free_port(), free_port()
    folder = tmp_path / "proxy"
    folder.mkdir()
    arguments = PROXIES[request.param](backend, certificate, folder, port, plain)
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program, *arguments], env=environment, stdout=output, stderr=output
        )
    context = ssl.create_default_context(cafile=str(certificate[0]))
    headers = {"Host": f"{HOST}:{port}"}
    try:
        with httpx.Client(
            base_url=f"https://127.0.0.1:{port}", verify=context, headers=headers, timeout=30
        ) as client:
            client.event_hooks["request"] = [_name_host]
            client.port, client.plain = port, plain

            def answers() -> bool:
                assert process.poll() is None, (folder / "output").read_text()
                with contextlib.suppress(httpx.HTTPError):
                    return client.get("/healthz").status_code == 200
                return False

            wait_until(answers, "the proxy answers")
            yield client
    finally:
        process.kill()  # it has nothing to lose, and nothing to say
        process.wait()


def _name_host(sent: httpx.Request) -> None:
    sent.extensions["sni_hostname"] = HOST


def test_an_example_of_a_proxy_passes_on_what_it_should_and_nothing_else(proxied):
    spoofed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "gopher"}
    assert proxied.get("/seen", headers=spoofed).text == "https from 127.0.0.1"
    assert proxied.get("/metrics").status_code == 403, "it is asked for from elsewhere"
    page = proxied.get("/")
    assert page.status_code == 200
    assert page.headers.get_list("Strict-Transport-Security") == [
        "max-age=31536000; includeSubDomains"
    ]

    own, foreign = f"https://{HOST}:{proxied.port}", "https://evil.example"
    run = {"name": "by a proxy", "preset": "quick"}
    assert proxied.post("/api/v1/jobs", json=run, headers={"Origin": own}).status_code == 201
    assert proxied.post("/api/v1/jobs", json=run, headers={"Origin": foreign}).status_code == 403
    too_large = proxied.post("/api/v1/jobs", json=run | {"notes": "x" * LARGEST})
    assert too_large.status_code == 413

    with proxied.stream("GET", "/api/v1/events", params={"after": 0}) as stream:
        lines = stream.iter_lines()
        first = next(line for line in lines if line.startswith("data:"))
        assert proxied.post("/api/v1/jobs", json=run | {"name": "next"}).status_code == 201
        later = (json.loads(line[5:]) for line in lines if line.startswith("data:"))
        assert next(each for each in later if "job_id" in str(each)), "each event at once"
    assert "by a proxy" in first or "job_id" in first

    plain = httpx.get(f"http://127.0.0.1:{proxied.plain}/wall", headers={"Host": HOST})
    assert plain.status_code in (301, 308)
    assert plain.headers["Location"].startswith(f"https://{HOST}")
    program = httpx.get(f"http://127.0.0.1:{proxied.plain}/api/v1/jobs", headers={"Host": HOST})
    assert program.status_code == 403, "a token that was sent unencrypted is noticed"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_no_example_of_a_proxy_speaks_tls_of_the_past(proxied):
    def spoken(**bounds: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        for name, version in bounds.items():
            setattr(context, name, version)
        with (
            socket.create_connection(("127.0.0.1", proxied.port), 20) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as wrapped,
        ):
            return wrapped.version()

    past = {"minimum_version": ssl.TLSVersion.TLSv1_1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    with pytest.raises((ssl.SSLError, ConnectionError)):
        spoken(**past)
    assert spoken(maximum_version=ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert spoken() == "TLSv1.3"
