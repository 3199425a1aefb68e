"""One thread: runs are compared byte for byte, and the tests share the machine."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def gpu():
    """The first GPU; a test that wants it is not run where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("NOT RUN: needs a CUDA device")
    return torch.device("cuda")
