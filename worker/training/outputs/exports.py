"""The files that a finished run publishes: its weights in several formats, and the model card.

All of them are functions of weights, spec, results and versions: equal runs write equal bytes.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.datasets.builtin import DATASETS
from core.errors import TrainyardError
from core.messages import message
from core.protocol.reports import File
from core.spec.spec import TrainingSpec
from worker.training.model.network import build, digest, portable_weights
from worker.training.outputs import card
from worker.training.outputs.card import Published, Results

__all__ = ["ExportFailed", "Results", "prove", "rebuild", "spec_of", "traced", "write_all"]

FORMAT_VERSION = 1
ONNX_OPSET = 17
"""Read by every onnxruntime since 1.12, of 2022."""
TOLERANCE = 1e-4
"""How far an exported network's scores may lie from torch's: as a share of the largest score,
where that is above 1. Float32 itself is about 1e-7 of it."""


class ExportFailed(TrainyardError):
    """The scores of an exported network differ from the trained one's. It is not published."""


def write_all(
    network: nn.Module,
    spec: TrainingSpec,
    folder: Path,
    results: Results,
    examples: Tensor,
    warn: Callable[[str], None],
) -> tuple[str, list[File]]:
    """Write every file that the spec wants, and the model card, each to the disk itself.

    Args:
        network: with the weights to publish; it is not changed.
        spec: what it was trained by.
        folder: where the files go.
        results: how the run went.
        examples: float32 (count, channels, size, size) in [0, 1]: some test images, with which an
            exported network is compared.
        warn: called with why there is no ONNX file, where one was wanted and its scores are not
            those of the network. The run may have trained for long: its other files are published.

    Returns:
        The digest of the weights, and the files.

    Raises:
        OSError: the disk is full, or not writable.
    """
    weights = portable_weights(network)
    weights_sha256 = digest(weights)
    # what a file says of itself; the values are words, as safetensors and ONNX want them
    facts = {
        "weights_sha256": weights_sha256,
        "spec": spec.model_dump_json(),
        "classes": json.dumps(DATASETS[spec.dataset].classes),
    }
    contents = {"pt": _pt(weights, weights_sha256, spec, results)}
    if spec.publishing.safetensors:
        contents["safetensors"] = _safetensors(weights, facts)
    if spec.publishing.onnx:
        try:
            contents["onnx"] = _onnx(network, facts, examples)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, the weights are worth more)
            warn(f"There is no ONNX file: {error}")

    stem = f"{spec.dataset}-{spec.model.kind}"
    published = [
        Published(kind, f"{stem}.{kind}", len(data), hashlib.sha256(data).hexdigest())
        for kind, data in contents.items()
    ]
    content = card.content(spec, results, weights_sha256, published)
    contents["card.json"] = (
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()
    contents["card.md"] = card.markdown(content).encode()
    return weights_sha256, [_write(folder, stem, kind, data) for kind, data in contents.items()]


def rebuild(spec: Mapping[str, Any] | str) -> nn.Module:
    """Build the network of a published file, with initial weights, for the file's to be loaded.

    Args:
        spec: as a `.pt` holds it, or the JSON of it, as `.safetensors` and `.onnx` do.

    Returns:
        A network in evaluation mode. It takes float32 (count, channels, size, size) in [0, 1].
    """
    parsed = spec_of(spec)
    dataset = DATASETS[parsed.dataset]
    return build(parsed.model, dataset, normalize=parsed.data.normalize).eval()


def spec_of(spec: Mapping[str, Any] | str) -> TrainingSpec:
    """The spec of a published file, as `rebuild` takes it."""
    return TrainingSpec.model_validate(json.loads(spec) if isinstance(spec, str) else spec)


def _pt(
    weights: OrderedDict[str, Tensor], weights_sha256: str, spec: TrainingSpec, results: Results
) -> bytes:
    """A dictionary that `torch.load(..., weights_only=True)` reads."""
    file = io.BytesIO()
    torch.save(
        {
            "format_version": FORMAT_VERSION,
            "state_dict": weights,
            "weights_sha256": weights_sha256,
            "spec": spec.model_dump(mode="json"),
            "metrics": results.metrics(),
        },
        file,
    )
    return file.getvalue()


def _safetensors(weights: OrderedDict[str, Tensor], facts: dict[str, str]) -> bytes:
    """The weights, with facts in the header, in our order.

    The library writes them in an order of chance, so the header is written again: eight bytes with
    its length, then JSON, padded with spaces so that the tensors begin at a multiple of eight. They
    are placed from where they begin (https://github.com/huggingface/safetensors#format).
    """
    from safetensors.torch import save  # noqa: PLC0415  (when training begins nobody needs it)

    saved = save(weights)
    begin = 8 + int.from_bytes(saved[:8], "little")
    header = json.dumps({"__metadata__": facts} | json.loads(saved[8:begin])).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + saved[begin:]


def _onnx(network: nn.Module, facts: dict[str, str], examples: Tensor) -> bytes:
    """The whole network as ONNX, for any number of images at once, compared on the examples."""
    import onnx  # noqa: PLC0415  (0.1 s, and nobody needs it before a run has ended)

    portable = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).eval()
    images = examples.cpu().contiguous()
    model = onnx.load_from_string(traced(portable, images[:1], ["scores"]))
    onnx.helper.set_model_props(model, facts)
    exported: bytes = model.SerializeToString()
    prove(exported, portable, images)
    return exported


def traced(network: nn.Module, image: Tensor, names: Sequence[str]) -> bytes:
    """ONNX as torch makes it, by the older of its two exporters.

    Args:
        network: in evaluation mode, on the CPU.
        image: one, as the network takes it.
        names: of what it gives.

    The newer one needs a further package, and takes 2.8 s the first time and 1.0 s then where this
    one takes 0.07 s and 0.02 s (for the tutorial's network): longer than a short run trains.
    """
    file = io.BytesIO()
    with warnings.catch_warnings():
        for text in ("You are using the legacy TorchScript-based", "The feature will be removed"):
            warnings.filterwarnings("ignore", text, DeprecationWarning)
        torch.onnx.export(
            network,
            (image,),
            file,  # type: ignore[arg-type]  # which this exporter takes, and the newer does not
            dynamo=False,
            opset_version=ONNX_OPSET,
            input_names=["images"],
            output_names=list(names),
            dynamic_axes={name: {0: "count"} for name in ("images", *names)},
        )
    return file.getvalue()


@torch.inference_mode()
def prove(exported: bytes, network: nn.Module, images: Tensor) -> None:
    """Compare what an exported network gives with what the network itself gives.

    Raises:
        ExportFailed: they differ by more than `TOLERANCE`.
    """
    import onnxruntime  # noqa: PLC0415  (0.1 s, and nobody needs it before a run has ended)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    given = network(images)
    expected: Sequence[Tensor] = (given,) if isinstance(given, Tensor) else given
    found = session.run(None, {"images": images.numpy()})
    for values, wanted in zip(found, expected, strict=True):
        _compare(torch.from_numpy(values), wanted)


def _compare(values: Tensor, expected: Tensor) -> None:
    allowed = TOLERANCE * max(1.0, expected.abs().max().item())
    if values.shape != expected.shape:
        raise ExportFailed(message("run.export_of_another_shape"))
    difference = (values - expected).abs().max().item()
    if not difference < allowed:  # nor where it is no number
        raise ExportFailed(message("run.export_differs", difference=difference, allowed=allowed))


def _write(folder: Path, stem: str, kind: str, content: bytes) -> File:
    path = folder / f"{stem}.{kind}"
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return File(format=kind, path=str(path), filename=path.name)
