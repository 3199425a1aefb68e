"""Snapshots: a file from which a run resumes as if it had never stopped.

It holds everything that the next batch depends on: weights, optimizer, averages, the progress of
the run, and the losses of the epoch that is under way. What is drawn by chance is a function of the
seed and of the place, so no random state is kept. On a CPU the bytes of a run depend on the number
of shards that a batch is computed in, or, where there are none, on the number of threads; so both
are kept, and a resumed run computes with as many.
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from core.errors import InvalidInput, TrainyardError
from core.messages import Message, from_stored, message
from core.spec.migrate import migrate
from core.spec.spec import TrainingSpec, parse
from worker.training.run.precision import Precision
from worker.training.run.sharding import Sharding

FORMAT_VERSION = 5

Contents = dict[str, Any]


def _with_migrated_spec(contents: Contents) -> Contents:
    """Version 4 names the spec's fields as today's spec does."""
    return contents | {"spec": migrate(contents["spec"])}


def _with_shards(contents: Contents) -> Contents:
    """Version 5 has shards."""
    return contents | {"shards": None}


MIGRATIONS: dict[int, Callable[[Contents], Contents]] = {3: _with_migrated_spec, 4: _with_shards}
"""By version: the migration of a file's contents to the next version."""


class Unusable(TrainyardError):
    """A snapshot that this version, or this run, cannot resume from."""


@dataclass(slots=True)
class Measured:
    """The measurements of an epoch."""

    epoch: int = 0
    train_loss: float = math.nan
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    test_loss: float = math.nan
    test_accuracy: float = math.nan


@dataclass(slots=True)
class Progress:
    """The progress of a run: its place, and the measurements that later decisions need."""

    epochs: int = 0
    """Whole epochs done, their evaluation included."""
    batch: int = 0
    """Batches done of the next one."""
    step: int = 0
    """Batches done in all."""
    reported_batch: int = 0
    """The batch of the last metric sample in this epoch."""
    seconds: float = 0.0
    """Seconds trained in this epoch."""
    elapsed: float = 0.0
    """Seconds trained before this epoch."""
    learning_rate: float = 0.0
    gradient_norm: float = 0.0
    """The Euclidean norm of the gradient, when it was last measured."""
    reductions: int = 0
    """How often a plateau lowered the learning rate."""
    plateau_best: float = math.inf
    plateau_since: int = 0
    """The lowest loss that the plateau was measured by, and the epochs since."""
    last: Measured = field(default_factory=Measured)
    """The last whole epoch."""
    best: Measured | None = None
    """The one with the lowest validation loss."""
    reason: str | None = None
    """Why the run ends here, before its last epoch: a message, as `stored` writes it."""

    @property
    def stop_reason(self) -> Message | None:
        """`reason` as a message."""
        return from_stored(self.reason) if self.reason else None


class Stateful(Protocol):
    """A component of a run whose state changes from batch to batch."""

    def state_dict(self) -> Any:
        """The component's state."""

    def load_state_dict(self, state: Any) -> Any:
        """Restore a state that `state_dict` returned."""


StatefulParts = dict[str, Stateful]
"""The stateful components of a run, by their names in a snapshot."""


@dataclass(frozen=True, slots=True)
class SnapshotExtras:
    """Tensors of a snapshot that are no component's state."""

    losses: torch.Tensor
    """The mean loss of each batch of the epoch that is under way; float32 (batches done,)."""
    best_weights: dict[str, torch.Tensor] | None
    """The weights of the best epoch, where they are to be published."""


def write(
    path: Path,
    spec: TrainingSpec,
    precision: Precision,
    sharding: Sharding,
    parts: StatefulParts,
    progress: Progress,
    extras: SnapshotExtras,
) -> None:
    """Write a snapshot. It appears at `path` whole, or not at all.

    Raises:
        OSError: the disk is full, or not writable; nothing is left of it.
    """
    scratch = path.with_suffix(".part")
    try:
        with scratch.open("wb") as file:
            torch.save(_contents(spec, precision, sharding, parts, progress, extras), file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except RuntimeError as error:  # how torch reports a write that failed
        raise OSError(str(error)) from error
    finally:
        scratch.unlink(missing_ok=True)


def _contents(
    spec: TrainingSpec,
    precision: Precision,
    sharding: Sharding,
    parts: StatefulParts,
    progress: Progress,
    extras: SnapshotExtras,
) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        # two equal runs write equal snapshots; each must be a blob of its own, to be deleted alone
        "name": secrets.token_hex(16),
        "spec": spec.model_dump(mode="json"),
        "precision": precision,
        "shards": sharding.shards,
        "threads": sharding.threads,
        "place": asdict(progress),
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "losses": extras.losses.clone(),
        "best_weights": extras.best_weights,
    }


def _migrated(contents: Contents) -> Contents:
    """The contents of a file of any version that can still be read, as today's version has them.

    Raises:
        Unusable: the file is of a later version, or of one that nothing reads any more.
    """
    version = contents.get("format_version")
    while version != FORMAT_VERSION:
        if version not in MIGRATIONS:
            raise Unusable(message("snapshot.of_another_version"))
        contents = MIGRATIONS[version](contents)
        version += 1
    return contents


def _parsed(spec: Mapping[str, Any]) -> TrainingSpec | None:
    """A stored spec as today's code reads it: a field that was added since has its default."""
    try:
        return parse(spec)
    except InvalidInput:
        return None


class SnapshotFile:
    """A snapshot, read from its file."""

    def __init__(self, path: Path, spec: TrainingSpec, precision: Precision) -> None:
        """Read it.

        Raises:
            Unusable: it was written by another version, for another spec, or on another device.
        """
        self._contents = _migrated(torch.load(path, map_location="cpu", weights_only=True))
        if _parsed(self._contents["spec"]) != spec:
            raise Unusable(message("snapshot.of_another_run"))
        began_in = self._contents["precision"]
        if began_in != precision:
            raise Unusable(
                message("snapshot.of_another_precision", began_in=began_in, here=precision)
            )
        place = dict(self._contents["place"])
        best = place.pop("best")
        self.progress = Progress(
            **place | {"last": Measured(**place["last"]), "best": best and Measured(**best)}
        )
        self.shards: int | None = self._contents["shards"]
        self.threads: int = self._contents["threads"]
        self.extras = SnapshotExtras(self._contents["losses"], self._contents["best_weights"])

    def restore(self, parts: StatefulParts) -> None:
        """Restore the state of every component."""
        for name, part in parts.items():
            part.load_state_dict(self._contents["parts"][name])


def evaluated_weights(path: Path) -> tuple[TrainingSpec, dict[str, torch.Tensor]]:
    """The spec of a snapshot, and the weights that would be published: averaged, where some are.

    Raises:
        Unusable: it was written by another version.
    """
    contents = _migrated(torch.load(path, map_location="cpu", weights_only=True))
    spec = _parsed(contents["spec"])
    if spec is None:
        raise Unusable(message("snapshot.of_another_version"))
    parts = contents["parts"]
    return spec, parts.get("average", parts["network"])
