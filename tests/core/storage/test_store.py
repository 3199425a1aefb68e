"""The blob stores keep one contract: a folder, and an S3 bucket (a real server of its protocol)."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from core.errors import NotFound, Unavailable
from core.storage import folder as folder_module
from core.storage import s3 as s3_module
from core.storage import store as storage
from core.storage.blobs import Blob, digest
from core.storage.folder import Folder
from core.storage.s3 import ObjectStore


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    if request.param == "folder":
        return storage.connect((tmp_path / "a folder").as_uri())
    request.getfixturevalue("s3")
    return storage.connect(f"s3://blobs/{tmp_path.name}")  # the bucket is that of all tests


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(bytes(range(256)) * 5000)
    return path


def test_what_was_put_can_be_read_from_any_place(store, file):
    blob = store.put(file)

    assert blob == digest(file)
    with store.open(blob) as stored:
        assert stored.read() == file.read_bytes()
        stored.seek(1000)
        assert stored.read(10) == file.read_bytes()[1000:1010]


@pytest.mark.parametrize(
    ("offset", "whence"),
    [
        (0, os.SEEK_SET),
        (-10, os.SEEK_END),
        (0, os.SEEK_END),
        (5, os.SEEK_CUR),
        (10**9, os.SEEK_SET),
    ],
)
def test_a_blob_seeks_as_a_file_does(store, file, offset, whence):
    with store.open(store.put(file)) as stored, file.open("rb") as own:
        assert stored.read(7) == own.read(7)
        assert stored.seek(offset, whence) == own.seek(offset, whence)
        assert stored.tell() == own.tell()
        assert stored.read() == own.read()


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "one byte"])
def test_the_smallest_files_are_kept_too(store, tmp_path, content):
    (tmp_path / "small").write_bytes(content)

    blob = store.put(tmp_path / "small")

    assert (blob.size, blob.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    with store.open(blob) as stored:
        assert stored.read() == content


def test_the_same_bytes_are_the_same_blob(store, file, tmp_path):
    (tmp_path / "copy").write_bytes(file.read_bytes())

    assert store.put(file) == store.put(tmp_path / "copy")


def test_what_becomes_of_the_file_does_not_touch_the_blob(store, file):
    content = file.read_bytes()
    blob = store.put(file)
    file.write_bytes(b"changed")

    with store.open(blob) as stored:
        assert stored.read() == content


def test_two_that_put_the_same_file_at_once_both_succeed(store, file):
    with ThreadPoolExecutor(4) as pool:
        blobs = list(pool.map(store.put, [file] * 8))

    assert set(blobs) == {digest(file)}
    with store.open(blobs[0]) as stored:
        assert stored.read() == file.read_bytes()


def test_a_missing_blob_is_not_found(store):
    with pytest.raises(NotFound):
        store.open(Blob("0" * 64, 5))


def test_what_was_deleted_is_gone_and_can_be_deleted_again(store, file):
    blob = store.put(file)
    store.delete(blob)
    store.delete(blob)

    with pytest.raises(NotFound):
        store.open(blob)
    assert store.put(file) == blob
    with store.open(blob) as stored:
        assert stored.read() == file.read_bytes()


def test_a_delete_leaves_other_blobs_alone(store, file, tmp_path):
    (tmp_path / "other").write_text("other")
    kept = store.put(tmp_path / "other")

    store.delete(store.put(file))

    with store.open(kept) as stored:
        assert stored.read() == b"other"


def test_blobs_have_the_same_place_after_a_restart(store, file):
    blob = store.put(file)
    again = Folder(store.folder) if isinstance(store, Folder) else ObjectStore(store.address)

    with again.open(blob) as stored:
        assert stored.read() == file.read_bytes()


def test_files_are_listed_in_the_order_of_their_names_from_any_of_them(store, tmp_path):
    names = []
    for number in range(7):
        (tmp_path / "file").write_text(str(number))
        names.append(store.put(tmp_path / "file").sha256)
    names.sort()

    assert [file.name for file in store.files()] == names
    assert [file.name for file in store.files(names[2])] == names[3:]
    assert list(store.files(names[-1])) == []
    assert {file.size for file in store.files()} == {1}


def test_a_store_without_files_lists_none(store):
    assert list(store.files()) == []
    assert store.look("0" * 64) is None


def test_a_file_is_discarded_and_may_be_gone_already(store, file):
    blob = store.put(file)
    found = store.look(blob.sha256)
    assert (found.name, found.size) == (blob.sha256, blob.size)

    assert store.discard(found)
    assert store.discard(found)

    assert store.look(blob.sha256) is None
    assert store.put(file) == blob


def test_a_folder_keeps_what_was_put_again_since_it_was_listed(tmp_path, file):
    store = Folder(tmp_path / "store")
    blob = store.put(file)
    [listed] = store.files()
    store.put(file)

    assert not store.discard(listed)

    with store.open(blob) as stored:
        assert stored.read() == file.read_bytes()
    assert [each.name for each in store.files()] == [blob.sha256]


def test_a_folder_lists_parts_of_copies_and_nothing_that_is_not_its_own(tmp_path, file):
    store = Folder(tmp_path / "store")
    blob = store.put(file)
    place = store.folder / blob.sha256[:2]
    (place / f"{blob.sha256}.01.part").touch()
    for name in ("notes.txt", "x.part", f"{blob.sha256}.txt"):
        (place / name).touch()
    (store.folder / "elsewhere").mkdir()
    (store.folder / "elsewhere" / blob.sha256).touch()

    assert [each.name for each in store.files()] == [blob.sha256, f"{blob.sha256}.01.part"]


def test_a_store_that_is_there_passes_its_check(store):
    store.check()


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence_and_leaves_nothing(tmp_path, file):
    (tmp_path / "in the way").write_text("a file")
    store = Folder(tmp_path / "in the way" / "store")

    with pytest.raises(Unavailable, match="cannot be written"):
        store.put(file)
    with pytest.raises(Unavailable, match="cannot be written"):
        store.delete(Blob("0" * 64, 5))
    with pytest.raises(Unavailable):
        store.check()


def test_a_folder_holds_blobs_and_nothing_else(tmp_path, file):
    store = Folder(tmp_path / "store")
    store.put(file)
    blob = store.put(file)

    kept = [path.relative_to(store.folder) for path in store.folder.rglob("*") if path.is_file()]

    assert kept == [Path(blob.sha256[:2]) / blob.sha256]


def test_a_bucket_that_does_not_exist_is_said_in_a_sentence(s3, file):
    store = storage.connect("s3://nowhere/blobs")

    with pytest.raises(Unavailable, match="s3://nowhere/blobs"):
        store.put(file)
    with pytest.raises(Unavailable, match="s3://nowhere/blobs"):
        store.delete(digest(file))
    with pytest.raises(Unavailable, match="s3://nowhere/blobs"):
        store.check()
    with pytest.raises(Unavailable, match="s3://nowhere/blobs"):
        next(store.files())


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, file, monkeypatch):
    store = Folder(tmp_path / "store")

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module.shutil, "copyfileobj", full)
    with pytest.raises(Unavailable, match="No space left"):
        store.put(file)

    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_an_object_store_that_is_away_is_said_in_a_sentence(monkeypatch, file):
    monkeypatch.setattr(s3_module, "RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")

    with pytest.raises(Unavailable, match="does not answer"):
        storage.connect("s3://blobs/trainyard").put(file)
    with pytest.raises(Unavailable, match="does not answer"):
        storage.connect("s3://blobs/trainyard").delete(Blob("0" * 64, 5))


def test_keys_that_are_handed_over_sign_what_is_asked(monkeypatch):
    """They lay in files; a server that writes down who asks stands in for the bucket."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.headers["Authorization"], self.headers["x-amz-security-token"]))
            self.send_error(403)

        def log_message(self, *_):
            pass

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        keys = {"access_key_id": "ada", "secret_access_key": "plugh", "session_token": "lab"}
        with pytest.raises(Unavailable):
            storage.connect("s3://blobs/x", keys).check()
        server.shutdown()

    [(authorization, token)] = seen
    assert "Credential=ada/" in authorization
    assert token == "lab"
