"""One thread: runs are compared byte for byte, and the tests share the machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from worker.training.data import download


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the digits in it."""
    folder = tmp_path_factory.mktemp("data")
    download.ensure("digits", folder, lambda _text: None)
    return folder
