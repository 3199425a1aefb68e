"""Downloads: whole, in parts, resumed, and only when they have changed."""

from __future__ import annotations

import hashlib
import re

import httpx
import pytest
from werkzeug.http import parse_options_header

from core import workers
from core.jobs import claim, endings
from core.jobs.claim import Claimant
from core.jobs.endings import Publication
from core.storage import store
from core.workers import WorkerFacts
from tests.serving import serving
from tests.webui.api.conftest import CONTENT, download


def test_a_download_has_its_name_its_size_and_its_digest_as_tag(client, finished):
    response = download(client, finished)

    assert response.data == CONTENT
    assert response.headers["Content-Disposition"] == "attachment; filename=run-1-run-mnist-cnn.pt"
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert re.fullmatch('"[0-9a-f]{64}"', response.headers["ETag"])


def test_a_download_is_never_compressed_on_its_way(client, finished):
    response = download(client, finished, **{"Accept-Encoding": "br, gzip, zstd"})

    assert response.data == CONTENT


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", CONTENT[:10]),
        ("bytes=100-", CONTENT[100:]),
        ("bytes=-5", CONTENT[-5:]),
        ("bytes=5-5", CONTENT[5:6]),
        (f"bytes=0-{10**12}", CONTENT),
    ],
)
def test_a_download_can_be_had_in_parts(client, finished, asked, part):
    response = download(client, finished, Range=asked)

    assert response.status_code == 206
    assert response.data == part
    assert response.headers["Content-Range"].endswith(f"/{len(CONTENT)}")


def test_a_part_beyond_the_end_is_416_with_the_size(client, finished):
    for asked in (f"bytes={len(CONTENT)}-", "bytes=99999999-", f"bytes={'9' * 50}-"):
        response = download(client, finished, Range=asked)
        assert response.status_code == 416
        assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
        assert response.content_type == "application/problem+json"


def test_a_range_that_is_not_one_part_of_the_file_brings_all_of_it(client, finished):
    for asked in ("lines=0-9", "bytes=0-1,4-5", "bytes=abc", "bytes=9-2", "bytes", "bytes=-999999"):
        response = download(client, finished, Range=asked)
        assert (response.status_code, response.data) == (200, CONTENT), asked


def test_a_download_resumes_only_where_the_file_is_still_the_same(client, finished):
    tag = download(client, finished).headers["ETag"]

    same = download(client, finished, Range="bytes=10-", **{"If-Range": tag})
    other = download(client, finished, Range="bytes=10-", **{"If-Range": '"other"'})

    assert (same.status_code, same.data) == (206, CONTENT[10:])
    assert (other.status_code, other.data) == (200, CONTENT)


def test_a_download_that_the_asker_has_is_not_sent_again(client, finished):
    first = download(client, finished).headers

    for condition in (
        {"If-None-Match": first["ETag"]},
        {"If-None-Match": f'"other", {first["ETag"]}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": first["Last-Modified"]},
    ):
        again = download(client, finished, **condition)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first["ETag"]
    assert download(client, finished, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_download_of_another_file_than_was_meant_is_refused(client, finished):
    tag = download(client, finished).headers["ETag"]

    refused = download(client, finished, **{"If-Match": '"other"'})

    assert refused.status_code == 412
    assert refused.content_type == "application/problem+json"
    assert refused.json["code"] == "artifact.changed"
    assert download(client, finished, **{"If-Match": tag}).data == CONTENT
    assert download(client, finished, **{"If-Match": "*"}).data == CONTENT


def test_the_headers_of_a_download_can_be_had_alone(client, finished):
    file = client.get(f"/api/v1/jobs/{finished}/checkpoints").json["items"][0]

    response = client.head(f"/api/v1/checkpoints/{file['id']}/download", buffered=True)

    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.data == b""


@pytest.mark.parametrize("name", ['a "b".pt', "modèle 模型.pt", "a;b=c.pt", "../../etc/passwd"])
def test_a_file_name_stays_a_name(client, lease, database, settings, tmp_path, name):
    (tmp_path / "model.pt").write_bytes(CONTENT)
    blob = store.connect(settings.storage_address).put(tmp_path / "model.pt")
    endings.succeed(database, lease, "c" * 64, [Publication(blob, 1, "pt", name)])

    header = download(client, lease.job_id).headers["Content-Disposition"]

    kind, params = parse_options_header(header)
    assert (kind, params["filename"]) == ("attachment", f"run-1-run-{name}")


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ("wide, 2 layers", "run-1-wide-2-layers-m.pt"),
        ("../..", "run-1-m.pt"),
        ("Übung 模型", "run-1-Übung-模型-m.pt"),
        ("x" * 120, f"run-1-{'x' * 60}-m.pt"),
    ],
)
def test_files_of_different_runs_are_saved_by_different_names(
    client, database, settings, tmp_path, run, name
):
    worker = workers.register(database, WorkerFacts("ada", 1, "0", ["default"], [], 1))
    client.post("/api/v1/jobs", json={"name": run, "preset": "quick"})
    lease = claim.claim(database, Claimant(worker, ["default"]), 30)
    (tmp_path / "model.pt").write_bytes(CONTENT)
    blob = store.connect(settings.storage_address).put(tmp_path / "model.pt")
    endings.succeed(database, lease, "c" * 64, [Publication(blob, 1, "pt", "m.pt")])

    header = download(client, lease.job_id).headers["Content-Disposition"]

    assert parse_options_header(header)[1]["filename"] == name


def test_a_browser_may_keep_a_file_by_its_digest_alone(client, finished):
    file = client.get(f"/api/v1/jobs/{finished}/artifacts").json["items"][0]
    address = f"/api/v1/artifacts/{file['id']}/download"

    by_number = client.get(address, buffered=True)
    by_digest = client.get(f"{address}?sha256={file['sha256']}", buffered=True)
    of_another = client.get(f"{address}?sha256={'0' * 64}")

    assert by_number.data == by_digest.data == CONTENT
    assert "no-cache" in by_number.headers["Cache-Control"]
    assert "immutable" not in by_number.headers["Cache-Control"]
    assert "immutable" in by_digest.headers["Cache-Control"]
    assert (of_another.status_code, of_another.json["code"]) == (410, "artifact.other_file")


def test_a_download_over_a_real_connection_can_be_broken_off_and_resumed(app, finished):
    with serving(app) as (_, address), httpx.Client(base_url=address, timeout=20) as browser:
        file = browser.get(f"/api/v1/jobs/{finished}/checkpoints").json()["items"][0]
        path = f"/api/v1/checkpoints/{file['id']}/download"
        with browser.stream("GET", path) as response:
            got = next(response.iter_raw(1000))
            tag = response.headers["ETag"]
        rest = browser.get(path, headers={"Range": f"bytes={len(got)}-", "If-Range": tag})
        cached = browser.get(path, headers={"If-None-Match": tag})
        beyond = browser.get(path, headers={"Range": f"bytes={len(CONTENT)}-"})

    assert rest.status_code == 206
    assert got + rest.content == CONTENT
    assert f'"{hashlib.sha256(CONTENT).hexdigest()}"' == tag == f'"{file["sha256"]}"'
    assert (cached.status_code, cached.content) == (304, b"")
    assert beyond.status_code == 416


def test_a_blob_that_is_gone_is_404(client, finished, settings):
    for blob in (settings.home.parent / "storage").rglob("*"):
        if blob.is_file():
            blob.unlink()

    assert download(client, finished).status_code == 404
