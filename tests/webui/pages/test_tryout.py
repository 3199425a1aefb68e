"""The page on which a network is tried, and the same as a file: what they hold and ask for."""

from __future__ import annotations

import base64
import json
import re
import threading

import pytest

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Publication
from core.storage import store
from tests.reported import evaluated
from tests.webui.pages.conftest import get
from webui.pages import tryout, tryout_file

NETWORK = b"the bytes of a network"


@pytest.fixture
def tried(report, settings, tmp_path):
    """A run that has published a network, and was evaluated."""
    path = tmp_path / "model.onnx"
    path.write_bytes(NETWORK)
    blob = store.connect(settings.storage_address).put(path)
    files = [Publication(blob, 1, "onnx", "mnist-cnn.onnx")]
    return report({}, evaluated(), files=files)


def data_of(page):
    return json.loads(page.one("script", id="tryout-data").text)


def test_the_page_is_given_the_network_and_what_it_takes(client, tried):
    data = data_of(get(client, f"/jobs/{tried}/try"))

    assert data["classes"] == list("0123456789")
    assert (data["info"]["channels"], data["info"]["size"]) == (1, 28)
    assert data["info"]["framing"] == {"box": 20, "center": "mass", "stroke": 2.75}
    with client.get(data["addresses"]["network"]) as answer:
        assert answer.data == NETWORK
    for name in ("script", "program"):
        with client.get(data["addresses"][name]) as answer:
            assert answer.status_code == 200


def test_web_assembly_runs_on_that_page_alone(client, tried):
    def policy(address):
        return client.get(address).headers["Content-Security-Policy"]

    assert "script-src 'self' 'wasm-unsafe-eval';" in policy(f"/jobs/{tried}/try")
    assert "'unsafe-eval'" not in policy(f"/jobs/{tried}/try")
    assert "wasm" not in policy(f"/jobs/{tried}")


def test_images_that_it_gets_wrong_are_there_to_begin_with(client, tried):
    images = [
        each
        for each in get(client, f"/jobs/{tried}/try").all("img")
        if each.attributes["alt"].startswith("Test image")
    ]

    assert len(images) == 16
    assert images[0].attributes["alt"] == "Test image 7: cat"


def test_a_run_leads_there_once_it_has_published_a_network(client, tried, submitted):
    waiting = submitted()

    assert get(client, f"/jobs/{tried}").one("a", href=f"/jobs/{tried}/try").text == "Try it"
    assert get(client, f"/jobs/{waiting.id}").all("a", href=f"/jobs/{waiting.id}/try") == []


def test_a_run_without_a_network_says_why_there_is_nothing_to_try(
    client, database, submitted, report
):
    cancelled = submitted()
    lifecycle.cancel(database, cancelled.id, LOCAL_OWNER)
    without = report({"publishing": {"onnx": False}})
    waiting = submitted()

    for job_id, words in (
        (cancelled.id, "cancelled before it published one"),
        (without, "no ONNX file"),
        (waiting.id, "when the run finishes"),
    ):
        page = get(client, f"/jobs/{job_id}/try")
        assert words in page.text
        assert page.all("canvas") == []
        assert "has published no ONNX file" in get(client, f"/jobs/{job_id}/try.html", 404).text
    get(client, "/jobs/99/try", 404)


def test_the_file_holds_the_network_and_asks_for_nothing(client, tried):
    answer = client.get(f"/jobs/{tried}/try.html")

    assert answer.headers["Content-Disposition"] == f"attachment; filename=run-{tried}-try-it.html"
    text = answer.text
    assert base64.b64encode(NETWORK).decode() in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "/static/" not in text


def test_a_network_that_is_too_large_for_a_page_is_offered_as_it_is(client, tried, monkeypatch):
    monkeypatch.setattr(tryout, "LARGEST_IN_A_FILE", len(NETWORK) - 1)

    assert "Download its ONNX file" in get(client, f"/jobs/{tried}/try.html", 409).text
    page = get(client, f"/jobs/{tried}/try")
    assert page.all("canvas")
    assert page.all("a", href=f"/jobs/{tried}/try.html") == []


def test_only_a_few_such_files_are_made_at_once(client, tried, monkeypatch):
    monkeypatch.setattr(tryout, "PATIENCE_S", 0.01)
    monkeypatch.setattr(tryout, "_MAKING", threading.BoundedSemaphore(1))

    with tryout._MAKING:
        assert client.get(f"/jobs/{tried}/try.html").status_code == 503
    assert client.get(f"/jobs/{tried}/try.html").status_code == 200


def test_every_module_of_the_file_finds_what_it_imports():
    modules = tryout_file.modules()

    for name, address in modules.items():
        if name == tryout_file.RUNTIME:
            continue
        text = base64.b64decode(address.partition(",")[2]).decode()
        imported = set(re.findall(r'\bfrom "([^"]+)"', text))
        assert imported <= set(modules), name
    assert len(modules) >= 8
