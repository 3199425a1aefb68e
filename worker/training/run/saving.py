"""Saving and resuming a run while it trains."""

from __future__ import annotations

import time
from pathlib import Path

from core.protocol.reports import Saved
from worker.training.run import log_messages, snapshot_file
from worker.training.run.context import RunContext
from worker.training.run.divergence import DivergenceCheck
from worker.training.run.reporting import Reporter
from worker.training.run.setup import Components
from worker.training.run.snapshot_file import SnapshotExtras, SnapshotFile
from worker.training.run.state import RunState


class Saver:
    """Writes the snapshots of a run, and resumes from one."""

    def __init__(
        self,
        context: RunContext,
        components: Components,
        state: RunState,
        check: DivergenceCheck,
        reporter: Reporter,
    ) -> None:
        self._context = context
        self._components = components
        self._state = state
        self._check = check
        self._reporter = reporter
        self._saved_at = time.monotonic()

    def start(self) -> None:
        """Count the seconds to the first snapshot from here."""
        self._saved_at = time.monotonic()

    def seconds_since_save(self) -> float:
        """The seconds since the last snapshot, or since the run began."""
        return time.monotonic() - self._saved_at

    def resume(self, path: Path) -> None:
        """Bring the run to where a snapshot was written.

        Raises:
            Unusable: the snapshot is of another run or version.
        """
        state, stepper = self._state, self._components.stepper
        snapshot = SnapshotFile(path, self._context.spec, stepper.precision)
        self._components.sharding.use(snapshot.shards, snapshot.threads)
        snapshot.restore(self._components.stateful)
        state.progress = snapshot.progress
        state.saved_step = snapshot.progress.step
        state.losses[: snapshot.progress.batch] = snapshot.extras.losses
        state.best_weights = snapshot.extras.best_weights
        self._reporter.log(log_messages.resumed(snapshot.progress))
        if stepper.micro_batch < stepper.requested_micro_batch:
            self._reporter.micro_batch_reduced(stepper.micro_batch)

    def save(self) -> None:
        """Write a snapshot; where that fails, the run continues with the one before.

        After the same batch there is no more to save than there was: only an evaluation lies
        between, and that can be repeated. Weights that are not finite are not saved: the snapshot
        before is the last good one.

        Raises:
            Diverged: a weight is NaN or infinite.
        """
        if self._state.progress.step == self._state.saved_step:
            return
        with self._context.pulse.within("saving"):
            self._write()
        self._saved_at = time.monotonic()

    def _write(self) -> None:
        state, progress = self._state, self._state.progress
        self._check.weights()
        path = self._context.scratch / f"resume-{progress.step}.pt"
        try:
            snapshot_file.write(
                path,
                self._context.spec,
                self._components.stepper.precision,
                self._components.sharding,
                self._components.stateful,
                progress,
                SnapshotExtras(state.losses[: progress.batch], state.best_weights),
            )
        except OSError as error:
            self._reporter.warn(log_messages.unsaved(error))
        else:
            state.saved_step = progress.step
            self._reporter.send(Saved(epoch=progress.epochs, step=progress.step, path=str(path)))
