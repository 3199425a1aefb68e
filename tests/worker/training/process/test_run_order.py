"""How a trainer explains a failure, and whose fault it says that it is."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from core.errors import DataUnavailable
from core.messages import plain
from worker.training.process.run_order import UnusableDevice, explain
from worker.training.run.divergence import Diverged

DRIVER = "CUDA error: no CUDA-capable device is detected\nCUDA kernel errors might be asynchronous"
ASSERT = "CUDA error: device-side assert triggered"


@pytest.mark.parametrize(
    ("error", "kind", "unfit_for"),
    [
        (DataUnavailable(plain("no network")), "data_unavailable", "dataset"),
        (UnusableDevice(plain("no driver")), "device_unusable", "device"),
        (RuntimeError(DRIVER), "device_unusable", "device"),
        (RuntimeError(ASSERT), "RuntimeError", None),
        (RuntimeError("an unknown error in the network"), "RuntimeError", None),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "storage", "everything"),
        (ModuleNotFoundError("No module named 'onnx'"), "import", "everything"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory", None),
        (Diverged(plain("NaN")), "diverged", None),
        (ValueError("no"), "ValueError", None),
    ],
)
def test_a_failure_says_whose_fault_it_is(error, kind, unfit_for):
    failed = explain(error)

    assert (failed.error_kind, failed.unfit_for) == (kind, unfit_for)


def test_what_cuda_says_is_told_in_one_sentence():
    sentence = explain(RuntimeError(DRIVER)).reason.text

    assert sentence.startswith(
        "torch cannot use the worker's GPU (CUDA error: no CUDA-capable device is detected)."
    )
