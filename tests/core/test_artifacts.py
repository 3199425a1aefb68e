"""The blob stores keep one contract: a folder, and an S3 bucket (a real server of its protocol)."""

from __future__ import annotations

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cli.stack import free_port
from core import artifacts
from core.artifacts import Blob, Folder
from core.errors import NotFound, Unavailable


@pytest.fixture(scope="module")
def s3_endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return artifacts.connect((tmp_path / "a folder").as_uri())
    endpoint = request.getfixturevalue("s3_endpoint")
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="yard")
    client.close()
    return artifacts.connect("s3://yard/blobs")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(bytes(range(256)) * 5000)
    return path


def test_what_was_put_can_be_read_from_any_place(store, file):
    blob = store.put(file)

    assert blob == artifacts.digest(file)
    with store.open(blob) as stored:
        assert stored.read() == file.read_bytes()
        stored.seek(1000)
        assert stored.read(10) == file.read_bytes()[1000:1010]


def test_the_same_bytes_are_the_same_blob(store, file):
    assert store.put(file) == store.put(file)


def test_a_missing_blob_is_not_found(store):
    with pytest.raises(NotFound):
        store.open(Blob("0" * 64, 5))


def test_a_store_that_is_there_passes_its_check(store):
    store.check()


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence_and_leaves_nothing(tmp_path, file):
    (tmp_path / "in the way").write_text("a file")
    store = Folder(tmp_path / "in the way" / "store")

    with pytest.raises(Unavailable, match="cannot be written"):
        store.put(file)
    with pytest.raises(Unavailable):
        store.check()


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, file, monkeypatch):
    store = Folder(tmp_path / "store")

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts.shutil, "copyfileobj", full)
    with pytest.raises(Unavailable, match="No space left"):
        store.put(file)

    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_an_object_store_that_is_away_is_said_in_a_sentence(monkeypatch, file):
    monkeypatch.setattr(artifacts, "RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")

    with pytest.raises(Unavailable, match="does not answer"):
        artifacts.connect("s3://yard/blobs").put(file)
