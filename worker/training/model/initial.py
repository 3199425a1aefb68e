"""Weights that another run has published, loaded into a network of the same kind."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from core.errors import TrainyardError
from core.messages import message

NORMALIZE = "normalize."
INNER = "network."
"""How names begin of what standardizes images first, and of the network behind it: where there is
one, and not where there is none."""


class Misfit(TrainyardError):
    """The weights are of another network."""


def load(network: nn.Module, path: Path) -> None:
    """Load the weights of a file into a network, but for how images are standardized.

    Where the classes are more or fewer, the last layer stays as it is.

    Args:
        network: as `worker.training.model.network.build` has made it.
        path: a `.pt` of a run.

    Raises:
        Misfit: they are of another network.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    given = _plain(content["state_dict"])
    own = _plain(network.state_dict())
    if given.keys() != own.keys():
        raise Misfit(message("weights.misfit_of_file"))
    others = {name for name, each in own.items() if each.shape != given[name].shape}
    if not others <= _of_last_layer(own):
        raise Misfit(message("weights.misfit_of_file"))
    with torch.no_grad():
        for name, each in own.items():
            if name not in others:
                each.copy_(given[name])


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by their names in the network itself."""
    is_behind = any(name.startswith(NORMALIZE) for name in state)
    return {
        name.removeprefix(INNER) if is_behind else name: each
        for name, each in state.items()
        if not name.startswith(NORMALIZE)
    }


def _of_last_layer(state: dict[str, Tensor]) -> set[str]:
    """The names of what depends on how many classes there are."""
    last = list(state)[-1].rpartition(".")[0]
    return {f"{last}.weight", f"{last}.bias"}
