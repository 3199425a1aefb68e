"""Getting datasets into the data folder, once for a machine.

A dataset is fetched and checked in a scratch folder beside its place, and moved there whole.
`python -m worker.training.data.download FOLDER NAME` fetches one from the terminal.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from rich.progress import DownloadColumn, Progress

from core.datasets.builtin import DATASETS
from core.errors import DataUnavailable, NotFound, TrainyardError
from core.messages import Message, message
from worker.training.data.datasets import is_present
from worker.training.data.sources import (
    Fetched,
    SourceFailed,
    archive_of,
    place_by_hand,
    published,
    sources_of,
)

# about what travels, for the progress bar
DOWNLOAD_BYTES = {
    "mnist": 11_600_000,
    "fashion_mnist": 30_900_000,
    "kmnist": 21_200_000,
    "emnist_balanced": 561_800_000,
    "emnist_letters": 561_800_000,
    "cifar10": 170_500_000,
    "digits": 100_000,
}

Say = Callable[[str], None]


def ensure(name: str, folder: Path, say: Say) -> None:
    """Fetch a dataset into the data folder, unless it is there.

    Two processes that want the same one fetch it once: the second waits for the first.

    Args:
        name: of the dataset.
        folder: the data folder.
        say: called with each step, as a sentence.

    Raises:
        DataUnavailable: no source answers; says why each did not.
    """
    if is_present(name, folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    archive = archive_of(name)
    with FileLock(folder / f".{archive}.lock"):
        if is_present(name, folder):
            return
        for left_over in folder.glob(f".{archive}.*/"):  # by one that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        say(f"Fetching {DATASETS[name].title}, once for this machine")
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{archive}.") as scratch:
            for fetched, place in _fetch(name, folder, Path(scratch), say).items():
                _move(fetched, place, folder, say)


def _fetch(name: str, folder: Path, scratch: Path, say: Say) -> Fetched:
    failures = []
    for number, source in enumerate(sources_of(name, folder)):
        place = scratch / str(number)
        place.mkdir()
        say(f"Trying {source.title}")
        try:
            return source.fetch(place)
        except SourceFailed as error:
            failures.append(f"{source.title}: {error}")
            say(failures[-1])
    reason = message(
        "data.not_fetchable",
        dataset=DATASETS[name].title,
        failures=failures,
        name=name,
        dataset_folder=DATASETS[name].folder,
        data_folder=str(folder),
        by_hand=_by_hand(name),
    )
    raise DataUnavailable(reason)


def _by_hand(name: str) -> Message | None:
    """How a person can put a dataset in its place, where its files are published one by one."""
    files = published(archive_of(name))
    if not files:
        return None
    source, folder = DATASETS[name].source, str(place_by_hand(name))
    return message("data.by_hand", files=list(files), source=source, folder=folder)


def _move(name: str, place: Path, folder: Path, say: Say) -> None:
    if is_present(name, folder):  # it came along with the one that was wanted
        return
    destination = folder / DATASETS[name].folder
    destination.parent.mkdir(parents=True, exist_ok=True)
    place.rename(destination)
    say(f"{DATASETS[name].title} is in {destination}")


def _main() -> None:
    """Fetch the datasets that the command line names, with a progress bar."""
    console = Console(stderr=True)
    folder, *names = sys.argv[1:]
    failures = []
    for name in names:
        try:
            _fetch_in_view(name, Path(folder), console)
        except TrainyardError as error:  # the others may be had
            failures.append(str(error))
    sys.exit("\n".join(failures) or None)


def _fetch_in_view(name: str, folder: Path, console: Console) -> None:
    if name not in DATASETS:
        raise NotFound(message("data.unknown", name=name, known=list(DATASETS)))
    if is_present(name, folder):
        console.print(f"{DATASETS[name].title} is in {folder / DATASETS[name].folder}")
        return
    with _progress_bar(name, folder, console) as progress:
        ensure(name, folder, progress.console.print)


@contextlib.contextmanager
def _progress_bar(name: str, folder: Path, console: Console) -> Iterator[Progress]:
    """Show a progress bar of the bytes that arrive in the scratch folder."""
    done = threading.Event()
    columns = (*Progress.get_default_columns(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(DATASETS[name].title, total=DOWNLOAD_BYTES[name])

        def watch() -> None:
            while not done.wait(0.2):
                files = folder.glob(f".{archive_of(name)}.*/**/*")
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
    _main()
