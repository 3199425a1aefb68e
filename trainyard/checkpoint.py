"""Loading a checkpoint that was downloaded."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from core.errors import TrainyardError
from core.messages import message
from worker.training.model.network import digest, portable_weights
from worker.training.outputs.exports import FORMAT_VERSION, rebuild

_ZIP = b"PK\x03\x04"


KEYS_OF_PT = {"format_version", "spec", "state_dict", "weights_sha256"}


class NotACheckpoint(TrainyardError):
    """A file is no checkpoint of Trainyard's, is damaged, or is of a later release."""


@dataclass(frozen=True, slots=True)
class _Saved:
    """What a checkpoint says of itself."""

    spec: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    weights_sha256: str


def load(file: Path | str) -> nn.Module:
    """Rebuild the network of a downloaded checkpoint.

    No code in the file is run. The weights are compared with their digest.

    Args:
        file: a `.pt` or `.safetensors` file of a run, by whatever name.

    Returns:
        The network on the CPU, in evaluation mode. It takes float32 (count, channels, size, size)
        in [0, 1] and gives float32 (count, classes): a score for each class.

    Raises:
        OSError: the file cannot be read.
        NotACheckpoint: it is another kind of file, damaged, or of a later release.
    """
    path = Path(file)
    saved = _read(path)
    try:
        network = rebuild(saved.spec)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise _refused("checkpoint.spec_not_readable", path) from error
    try:
        network.load_state_dict(saved.weights)
    except RuntimeError as error:
        raise _refused("checkpoint.weights_do_not_fit", path) from error
    if digest(portable_weights(network)) != saved.weights_sha256:
        raise _refused("checkpoint.other_weights", path)
    return network


def _read(path: Path) -> _Saved:
    with path.open("rb") as file:
        beginning = file.read(9)
    if beginning.startswith(_ZIP):
        return _read_pt(path)
    if beginning[8:] == b"{":  # after the length of a header of JSON
        return _read_safetensors(path)
    raise _refused("checkpoint.onnx" if path.suffix == ".onnx" else "checkpoint.other_kind", path)


def _read_pt(path: Path) -> _Saved:
    if not zipfile.is_zipfile(path):  # of half a file torch says that its place is invalid
        raise _refused("checkpoint.truncated", path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise _refused("checkpoint.not_readable", path) from error
    if not isinstance(content, dict) or not content.keys() >= KEYS_OF_PT:
        raise _refused("checkpoint.of_another_program", path)
    if content["format_version"] > FORMAT_VERSION:
        raise _refused("checkpoint.of_later_release", path)
    return _Saved(content["spec"], content["state_dict"], content["weights_sha256"])


def _read_safetensors(path: Path) -> _Saved:
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _refused("checkpoint.not_readable", path) from error
    if "spec" not in facts or "weights_sha256" not in facts:
        raise _refused("checkpoint.of_another_program", path)
    return _Saved(json.loads(facts["spec"]), weights, facts["weights_sha256"])


def _refused(code: str, path: Path) -> NotACheckpoint:
    return NotACheckpoint(message(code, path=str(path)))
