"""Training in pure PyTorch: a spec goes in, reports come out.

    from worker.training import preset, train
    result = train(preset("digits_seconds"))

Nothing in this package knows a database, a broker or the web. What is named here is loaded when it
is asked for: the zygote must be able to import the package before torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.spec.presets import resolve as preset
    from core.spec.spec import TrainingSpec
    from worker.training.notebook import Result, train

__all__ = ["Result", "TrainingSpec", "preset", "train"]


def __getattr__(name: str) -> Any:
    if name == "TrainingSpec":
        from core.spec.spec import TrainingSpec  # noqa: PLC0415

        return TrainingSpec
    if name == "preset":
        from core.spec.presets import resolve  # noqa: PLC0415

        return resolve
    if name in __all__:
        from worker.training import notebook  # noqa: PLC0415

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
