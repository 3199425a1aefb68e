"""The page on which a network is tried, and the same as a file: what they hold and ask for."""

from __future__ import annotations

import base64
import json
import re
import threading

import pytest

from core import derived
from core.jobs import lifecycle, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Publication
from core.jobs.snapshots import SnapshotRef
from core.messages import message
from core.storage import store
from core.storage.blobs import Blob
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
        (waiting.id, "after the first epoch"),
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


@pytest.fixture
def compute(context, tmp_path):
    """Does what a worker would: the oldest file that was asked for has these bytes."""

    def done(content):
        key, asked = derived.take(context.database, ["digits", "mnist"])
        path = tmp_path / "derived"
        path.write_bytes(content)
        derived.finish(context.database, key, context.storage.put(path))
        return asked

    return done


@pytest.fixture
def training(running, database):
    """A run that trains, and how it saves a snapshot."""
    job_id, lease = running()

    def save(epoch):
        blob = Blob(f"{epoch:x}" * 64, 100 + epoch)
        with database.writing() as session:
            snapshots.add(session, job_id, lease.attempt, SnapshotRef(epoch, epoch * 469, blob))

    return job_id, save


def test_a_run_that_trains_is_tried_by_its_newest_snapshot(client, training, compute):
    job_id, save = training
    assert "after the first epoch" in get(client, f"/jobs/{job_id}/try").text
    save(3)

    waiting = get(client, f"/jobs/{job_id}/try")
    assert waiting.all("canvas") == []
    [notice] = [each for each in waiting.all("div") if "data-waiting" in each.attributes]
    assert "No worker is there to compute it" in notice.text or "It waits" in notice.text

    asked = compute(NETWORK)
    assert (asked["sha256"], asked["epoch"]) == ("3" * 64, 3)
    page = get(client, notice.attributes["data-waiting"])
    assert "The network after 3 whole epochs; it is still training." in page.text
    with client.get(data_of(page)["addresses"]["network"]) as answer:
        assert answer.data == NETWORK
    policy = client.get(f"/jobs/{job_id}/try").headers["Content-Security-Policy"]
    assert "'wasm-unsafe-eval'" in policy


def test_a_newer_snapshot_is_offered_and_not_forced(client, training, compute):
    job_id, save = training
    save(3)
    get(client, f"/jobs/{job_id}/try")
    compute(NETWORK)
    save(4)

    page = get(client, f"/jobs/{job_id}/try")
    assert "after 3 whole epochs" in page.text
    [link] = [each for each in page.all("a") if each.text == "There is a newer one: load it"]
    assert compute(bytes(28 * 28) * 16)["kind"] == "test_images"
    images = get(client, f"/jobs/{job_id}/try").all("img")
    assert [image.attributes["alt"] for image in images] == [f"Test image {n}" for n in range(16)]

    newer = get(client, link.attributes["href"])
    [notice] = [each for each in newer.all("div") if "data-waiting" in each.attributes]
    save(5)  # what is waited for does not change meanwhile
    assert compute(b"another network")["epoch"] == 4
    page = get(client, notice.attributes["data-waiting"])
    assert "after 4 whole epochs" in page.text
    assert "after 4 whole epochs" in get(client, f"/jobs/{job_id}/try").text


def test_a_snapshot_that_cannot_be_exported_says_why_and_can_be_asked_for_again(
    client, training, database, compute
):
    job_id, save = training
    save(1)
    get(client, f"/jobs/{job_id}/try")
    key, _ = derived.take(database, ["mnist"])
    derived.fail(database, key, message("derived.worker_failed"))

    page = get(client, f"/jobs/{job_id}/try")
    assert "its log says why" in page.text
    assert derived.take(database, ["mnist"]) is None
    assert client.get(f"/derived/{key}.onnx").status_code == 424

    get(client, page.one("a", href=f"/jobs/{job_id}/try?newest=1&again=1").attributes["href"])
    compute(NETWORK)
    assert get(client, f"/jobs/{job_id}/try").all("canvas")


def test_a_finished_run_without_onnx_is_tried_by_its_weights(client, report, compute):
    files = [Publication(Blob("ab" * 32, 5), 2, "pt", "model.pt")]
    job_id = report({"publishing": {"onnx": False}}, files=files)

    get(client, f"/jobs/{job_id}/try")

    assert compute(NETWORK)["weights"] == "published"
    page = get(client, f"/jobs/{job_id}/try")
    assert "the run has no ONNX file, so a worker has made one" in page.text
    assert page.all("canvas")


def test_the_feature_maps_are_made_when_somebody_wants_them(client, settings, report, compute):
    blob = Blob("ab" * 32, 5)
    files = [Publication(blob, 1, "pt", "model.pt"), Publication(blob, 1, "onnx", "model.onnx")]
    job_id = report({}, files=files)
    maps = data_of(get(client, f"/jobs/{job_id}/try"))["addresses"]["maps"]

    address = client.get(maps).json["address"]

    waiting = client.get(address)
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (202, "1")
    assert waiting.json["why"]
    assert compute(NETWORK)["weights"] == "published"
    with client.get(address) as answer:
        assert answer.data == NETWORK
    assert client.get(f"/derived/{'0' * 64}.onnx").status_code == 404


def test_the_image_of_an_address_is_tried_at_once(client, tried, compute):
    page = get(client, f"/jobs/{tried}/try?image=2")
    assert "test image 2 is not there yet" in page.text

    compute(bytes(28 * 28) * 10)

    page = get(client, f"/jobs/{tried}/try?image=2")
    [first] = [each for each in page.all("button") if "data-first" in each.attributes]
    assert first.attributes["title"] == "Test image 2"
    assert client.get("/test-images/mnist/9.png").data.startswith(b"\x89PNG")
    for address in ("/test-images/mnist/10000.png", "/test-images/nothing/1.png"):
        assert client.get(address).status_code == 404
    assert "at most 9999" in get(client, f"/jobs/{tried}/try?image=10000", 422).text
