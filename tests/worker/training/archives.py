"""Small archives in the formats in which the authors of the datasets publish them."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from core.datasets.builtin import DATASETS


def idx(values: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">i4").tobytes()
    return header + values.astype(np.uint8).tobytes()


def write_idx_archives(folder: Path, train: tuple, test: tuple) -> None:
    """The four packed files of MNIST and its kin; a part is its images and its labels."""
    for stem, (images, labels) in (("train", train), ("t10k", test)):
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


def write_emnist_archive(path: Path, parts: dict[str, tuple]) -> None:
    """EMNIST's one archive; a part such as `letters-train` is its images and its labels."""
    with zipfile.ZipFile(path, "w") as archive:
        for part, (images, labels) in parts.items():
            for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
                packed = gzip.compress(idx(values))
                archive.writestr(f"gzip/emnist-{part}-{kind}-ubyte.gz", packed)


def cifar10_batch(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """One of CIFAR-10's files: a row an image, all of its red, then its green, then its blue."""
    return pickle.dumps({"data": pixels.reshape(len(pixels), -1), "labels": labels.tolist()})


def cifar10_names() -> bytes:
    """CIFAR-10's file of the names of its classes."""
    return pickle.dumps({"label_names": list(DATASETS["cifar10"].classes)})


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    """A packed archive of files."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
