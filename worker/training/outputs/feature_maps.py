"""A network as ONNX with what its layers see beside its scores, for the page where it is tried.

The published file has the scores alone; this one is made when somebody asks for it. Its outputs are
`scores`, and `maps_1`, `maps_2`, …: float32 (count, channels, height, width), what comes out of
each layer after its ReLU and its pooling, or of each stage of a residual network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.datasets.builtin import DATASETS
from core.spec.spec import TrainingSpec
from worker.training.outputs import exports

EXAMPLES = 4
"""Images of chance with which the exported network is compared."""


class Tapped(nn.Module):
    """A network that gives what its layers see, too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._maps: list[Tensor] = []
        for layer in layers(network):
            layer.register_forward_hook(self._keep)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        self._maps = []
        scores: Tensor = self.network(images)
        return scores, *self._maps

    def _keep(self, _layer: nn.Module, _inputs: object, output: Tensor) -> None:
        if output.dim() == 4:  # else it is no map
            self._maps.append(output)


def layers(network: nn.Module) -> list[nn.Module]:
    """The layers whose output is looked at, first to last.

    They are the ReLUs and the stages of the network itself, not those inside of a stage.
    """
    inner = dict(network.named_children()).get("network", network)
    return [each for each in inner.children() if isinstance(each, nn.ReLU | nn.Sequential)]


def export(network: nn.Module, spec: TrainingSpec) -> bytes:
    """The network as ONNX, compared with torch.

    Args:
        network: in evaluation mode, on the CPU.
        spec: what it was trained by.

    Raises:
        ExportFailed: what it gives is not what torch gives.
    """
    dataset = DATASETS[spec.dataset]
    shape = (EXAMPLES, dataset.channels, dataset.size, dataset.size)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    tapped = Tapped(network).eval()
    with torch.inference_mode():
        count = len(tapped(images[:1])) - 1
    names = ["scores", *(f"maps_{number + 1}" for number in range(count))]
    exported = exports.traced(tapped, images[:1], names)
    exports.prove(exported, tapped, images)
    return exported
