"""What authors publish, fetched from a mirror on this host, checked, and brought into our form."""

import hashlib
import pickle
import socket
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, EMNIST, KMNIST

from core.datasets.builtin import DATASETS
from core.errors import DataUnavailable
from tests.worker.training.archives import (
    cifar10_batch,
    cifar10_names,
    write_emnist_archive,
    write_idx_archives,
    write_tar,
)
from worker.training.data import datasets, download, sources

TRAIN, TEST = 30, 12

pytestmark = pytest.mark.filterwarnings(
    # torchvision unpacks archives without a filter, after it has checked their digests
    "ignore:Python 3.14 will, by default, filter:DeprecationWarning"
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A web server on this host: what lies in its folder, it serves, until it is stopped."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()

    def stop():
        server.shutdown()
        thread.join()
        server.server_close()

    address = f"http://127.0.0.1:{server.server_port}/"
    yield SimpleNamespace(folder=folder, address=address, stop=stop)
    stop()


@pytest.fixture(autouse=True)
def _small_datasets(monkeypatch):
    for name, dataset in list(DATASETS.items()):
        small = replace(dataset, train_count=TRAIN, test_count=TEST)
        monkeypatch.setitem(DATASETS, name, small)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def part(count, *shape, labels=10, lowest=0):
    """Images and labels that differ from each other, of every class that there is."""
    draw = np.random.default_rng(count)
    pixels = draw.integers(0, 256, (count, *shape), dtype=np.uint8)
    return pixels, (np.arange(count) % labels + lowest).astype(np.uint8)


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def quiet(_text):
    return None


def files_in(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    )


def publish_kmnist(mirror, monkeypatch):
    train, test = part(TRAIN, 28, 28), part(TEST, 28, 28)
    write_idx_archives(mirror.folder, train, test)
    monkeypatch.setattr(KMNIST, "mirrors", [mirror.address])
    digests = [(path.name, md5(path)) for path in mirror.folder.iterdir()]
    monkeypatch.setattr(KMNIST, "resources", digests)
    return train, test


def publish_emnist(mirror, monkeypatch):
    parts = {
        "balanced-train": part(TRAIN, 28, 28, labels=47),
        "balanced-test": part(TEST, 28, 28, labels=47),
        "letters-train": part(TRAIN, 28, 28, labels=26, lowest=1),
        "letters-test": part(TEST, 28, 28, labels=26, lowest=1),
    }
    # the archive holds more than is wanted
    path = mirror.folder / "gzip.zip"
    write_emnist_archive(path, parts | {"byclass-train": part(3, 28, 28)})
    monkeypatch.setattr(EMNIST, "url", mirror.address + path.name)
    monkeypatch.setattr(EMNIST, "md5", md5(path))
    return parts


def publish_cifar10(mirror, monkeypatch, replaced=None):
    """CIFAR-10 in its six batches; `replaced` are put in after the digests were taken."""
    train, test = part(TRAIN, 3, 32, 32), part(TEST, 3, 32, 32)
    batches = zip(np.split(train[0], 5), np.split(train[1], 5), strict=True)
    files = {f"data_batch_{number}": cifar10_batch(*each) for number, each in enumerate(batches, 1)}
    files |= {"test_batch": cifar10_batch(*test), "batches.meta": cifar10_names()}
    digests = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    path = mirror.folder / CIFAR10.filename
    files |= replaced or {}
    write_tar(path, {f"{CIFAR10.base_folder}/{name}": files[name] for name in files})
    monkeypatch.setattr(CIFAR10, "url", mirror.address + path.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path))
    train_list = [[name, digests[name]] for name in files if name.startswith("data")]
    monkeypatch.setattr(CIFAR10, "train_list", train_list)
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", digests["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": digests["batches.meta"]})
    return train, test


def same(images, expected, lowest=0):
    pixels, labels = expected
    return np.array_equal(images.pixels.numpy().reshape(pixels.shape), pixels) and np.array_equal(
        images.labels.numpy(), labels - lowest
    )


def test_the_files_of_kmnist_are_fetched_and_their_archives_thrown_away(mirror, data, monkeypatch):
    train, test = publish_kmnist(mirror, monkeypatch)

    download.ensure("kmnist", data, quiet)

    loaded = datasets.load("kmnist", data)
    assert same(loaded[0], train)
    assert same(loaded[1], test)
    assert files_in(data) == [
        f"KMNIST/raw/{name}"
        for name in (
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
        )
    ]


@pytest.mark.parametrize(("name", "lowest"), [("balanced", 0), ("letters", 1)])
def test_emnist_is_turned_upright_and_its_labels_begin_at_0(
    mirror, data, monkeypatch, name, lowest
):
    parts = publish_emnist(mirror, monkeypatch)

    download.ensure(f"emnist_{name}", data, quiet)

    for images, half in zip(datasets.load(f"emnist_{name}", data), ("train", "test"), strict=True):
        lying, labels = parts[f"{name}-{half}"]
        assert same(images, (lying.swapaxes(1, 2), labels), lowest)
        assert images.pixels.is_contiguous()


def test_one_archive_brings_both_parts_of_emnist_and_is_thrown_away(mirror, data, monkeypatch):
    publish_emnist(mirror, monkeypatch)
    messages = []

    download.ensure("emnist_letters", data, quiet)
    download.ensure("emnist_balanced", data, messages.append)

    assert messages == []
    names = ("test-images.npy", "test-labels.npy", "train-images.npy", "train-labels.npy")
    assert files_in(data) == [
        f"EMNIST/{part}/{name}" for part in ("balanced", "letters") for name in names
    ]


def test_a_part_of_emnist_that_is_there_stays_as_it_is(mirror, data, monkeypatch):
    publish_emnist(mirror, monkeypatch)
    (data / "EMNIST/letters").mkdir(parents=True)
    (data / "EMNIST/letters/mine").touch()

    download.ensure("emnist_balanced", data, quiet)

    assert datasets.is_present("emnist_balanced", data)
    assert files_in(data / "EMNIST/letters") == ["mine"]


def test_cifar_10_is_brought_from_its_pickles_into_arrays(mirror, data, monkeypatch):
    train, test = publish_cifar10(mirror, monkeypatch)

    download.ensure("cifar10", data, quiet)

    loaded = datasets.load("cifar10", data)
    assert loaded[0].pixels.shape == (TRAIN, 3, 32, 32)
    assert same(loaded[0], train)
    assert same(loaded[1], test)
    assert files_in(data) == [
        f"CIFAR10/{half}-{kind}.npy" for half in ("test", "train") for kind in ("images", "labels")
    ]


class _RunsCode:
    """What a pickle of somebody who means harm may hold."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_pickle_with_a_wrong_digest_is_not_even_read(mirror, data, monkeypatch, tmp_path, name):
    harm = pickle.dumps(_RunsCode(tmp_path / "harm"))
    publish_cifar10(mirror, monkeypatch, replaced={name: harm})

    with pytest.raises(DataUnavailable, match="corrupted"):
        download.ensure("cifar10", data, quiet)

    assert not (tmp_path / "harm").exists()
    assert files_in(data) == []


PUBLISH = {
    "kmnist": publish_kmnist,
    "emnist_balanced": publish_emnist,
    "cifar10": publish_cifar10,
}


@pytest.mark.parametrize("name", PUBLISH)
def test_an_archive_with_a_wrong_digest_is_refused_and_leaves_nothing(
    mirror, data, monkeypatch, name
):
    PUBLISH[name](mirror, monkeypatch)
    for path in mirror.folder.iterdir():
        path.write_bytes(path.read_bytes() + b"more")

    with pytest.raises(DataUnavailable, match="corrupted"):
        download.ensure(name, data, quiet)

    assert files_in(data) == []


@pytest.mark.parametrize("name", PUBLISH)
def test_archives_that_were_put_there_by_hand_are_taken(mirror, data, monkeypatch, name):
    PUBLISH[name](mirror, monkeypatch)
    by_hand = data / sources.place_by_hand(name)
    by_hand.parent.mkdir(parents=True)
    mirror.folder.rename(by_hand)
    mirror.stop()

    download.ensure(name, data, quiet)

    train, _ = datasets.load(name, data)
    assert len(train) == TRAIN
    assert set(sources.published(sources.archive_of(name))) == set(files_in(by_hand))


def test_a_damaged_archive_that_was_put_there_by_hand_is_named(mirror, data, monkeypatch):
    publish_cifar10(mirror, monkeypatch)
    found = data / sources.place_by_hand("cifar10") / CIFAR10.filename
    found.parent.mkdir(parents=True)
    found.write_bytes(b"cut off")

    with pytest.raises(DataUnavailable, match="wrong digest; delete it"):
        download.ensure("cifar10", data, quiet)

    assert found.read_bytes() == b"cut off"


@pytest.mark.parametrize("name", PUBLISH)
def test_where_no_mirror_answers_the_error_says_what_to_put_where(mirror, data, monkeypatch, name):
    PUBLISH[name](mirror, monkeypatch)
    files = {path.name for path in mirror.folder.iterdir()}
    mirror.stop()

    with pytest.raises(DataUnavailable) as caught:
        download.ensure(name, data, quiet)

    for words in (
        "Connection refused",
        f"`trainyard data fetch {name}`",
        DATASETS[name].folder,
        DATASETS[name].source,
        str(sources.place_by_hand(name)),
        *files,
    ):
        assert words in str(caught.value)


def test_a_mirror_that_says_nothing_is_given_up_and_the_timeout_is_what_it_was(data, monkeypatch):
    before = socket.getdefaulttimeout()
    monkeypatch.setattr(sources, "SOCKET_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/archive")

        with pytest.raises(DataUnavailable, match="timed out"):
            download.ensure("cifar10", data, quiet)

    assert socket.getdefaulttimeout() == before


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_source_and_a_size(name, data):
    assert sources.sources_of(name, data)
    assert download.DOWNLOAD_BYTES[name] > 0
