"""What programs and notebooks may use of Trainyard.

    from trainyard import TrainingSpec, load, preset, train

    result = train(preset("quick"))     # a run in this process, without any server
    network = load("mnist-cnn.pt")      # the network of a checkpoint that was downloaded
    Client().submit(preset="quick").wait()     # a run on a server

These names stay when the packages behind them change. Each is loaded when it is asked for: whoever
only talks to a server needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.spec.presets import resolve as preset
    from core.spec.spec import TrainingSpec
    from trainyard.checkpoint import NotACheckpoint, load
    from trainyard.client import Client, Run, RunFailed
    from trainyard.training import Result, train

__all__ = [
    "Client",
    "NotACheckpoint",
    "Result",
    "Run",
    "RunFailed",
    "TrainingSpec",
    "load",
    "preset",
    "train",
]

_HOMES = {
    "Client": ("trainyard.client", "Client"),
    "NotACheckpoint": ("trainyard.checkpoint", "NotACheckpoint"),
    "Result": ("trainyard.training", "Result"),
    "Run": ("trainyard.client", "Run"),
    "RunFailed": ("trainyard.client", "RunFailed"),
    "TrainingSpec": ("core.spec.spec", "TrainingSpec"),
    "load": ("trainyard.checkpoint", "load"),
    "preset": ("core.spec.presets", "resolve"),
    "train": ("trainyard.training", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"trainyard.{name} needs PyTorch. Install it with: pip install 'trainyard[worker]'"
        ) from error


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
