"""The precision of a run, and its compilation: fp32, TF32, bf16, fp16; torch.compile."""

from __future__ import annotations

import contextlib
import os
import shutil
from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import nn

from core.errors import TrainyardError
from core.messages import message
from core.spec.hyperparameters import Compute

Precision = Literal["fp32", "bf16", "fp16"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose(choice: Compute, device: torch.device, began_in: Precision | None = None) -> Precision:
    """The precision of a run: that which it began in, where its spec leaves it to the device.

    `auto` is decided by the kind of device, not by a measurement, so that the same run is computed
    the same way each time: bf16 on a GPU that multiplies in it, fp32 on all else. On CPUs bf16 was
    slower even where they have instructions for it (`docs/explanation/training.md`).
    """
    if choice.precision != "auto":
        return choice.precision
    if began_in is not None:
        return began_in
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    return "fp32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context in which a network computes in a precision; weights and losses stay in fp32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, _TYPES[precision])


def prepare(choice: Compute, device: torch.device) -> None:
    """Set, for the whole process, how a GPU computes.

    Whether fp32 products may be rounded to TF32; and that convolutions add up in a fixed order, so
    that equal runs end with equal bytes. On an H100 that cost nothing that could be measured.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.set_float32_matmul_precision("high" if choice.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = choice.tf32


class NoCompiler(TrainyardError):
    """The spec asks to compile, and this host has nothing to compile with."""


def compiled(choice: Compute, network: nn.Module) -> nn.Module:
    """The network as it is called while training; its weights stay those of `network`.

    Raises:
        NoCompiler: torch would need a C++ compiler, and there is none.
    """
    if choice.compile and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise NoCompiler(message("run.needs_compiler"))
    return torch.compile(network) if choice.compile else network  # type: ignore[return-value]
