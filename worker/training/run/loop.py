"""The training loop. It reads downward: setup, epochs, batches, evaluation, decisions, results.

Losses stay on the device and are read only where something is reported, so no batch waits for the
one before it. The run is a function of spec, seed and data: between any two batches it can be
saved, and resumes from there to the same end.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from core.errors import TrainyardError
from core.messages import message, stored
from core.protocol.pulse import Phase
from core.spec.hyperparameters import Plateau
from worker.training.data.batches import Batch
from worker.training.run import decisions, log_messages, memory
from worker.training.run.context import RunContext
from worker.training.run.divergence import DivergenceCheck
from worker.training.run.epoch_evaluation import evaluate_epoch
from worker.training.run.reporting import Reporter
from worker.training.run.results import write_results
from worker.training.run.saving import Saver
from worker.training.run.setup import build_components, load_data
from worker.training.run.state import RunState
from worker.training.run.stopping import why_stop

REPORT_EVERY_BATCHES = 100
REPORT_EVERY_S = 1.0
SAVE_EVERY_S = 60.0
"""Within an epoch."""
SAVE_EPOCHS_EVERY_S = 1.0
"""After an epoch, unless the last snapshot is younger: some epochs take milliseconds."""


class StopRequested(TrainyardError):
    """The run ends before its end, because it was asked to stop."""


def run(context: RunContext, resume_from: Path | None = None) -> nn.Module:
    """Train by a spec and report on the way. The last report is `Finished`.

    Args:
        context: the spec, the folders, the device, and who takes the reports.
        resume_from: the file of a snapshot of this spec; None: start from scratch.

    Returns:
        The network with the published weights.

    Raises:
        Diverged: the loss became NaN or infinite.
        StopRequested: `context.stop_requested` asked for it.
        DataUnavailable: the dataset is damaged or missing.
        Unusable: the snapshot is of another run or version.
    """
    if context.device.type == "cpu":
        memory.keep_freed()
    run = _Run(context)
    try:
        return run.train(resume_from)
    finally:
        run.close()


class _Run:
    """One run: its components, and the order in which they act."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._data = load_data(context)
        self._reporter = Reporter(context, self._data.span)
        self._components = build_components(
            context, self._data.span, self._reporter.micro_batch_reduced
        )
        self._has_compiled = False
        """Whether this process has trained to the end of an epoch, with batches of every size."""
        self._state = RunState.initial(self._data.span.batches, context.device)
        self._check = DivergenceCheck(self._data, self._components, self._state)
        self._saver = Saver(context, self._components, self._state, self._check, self._reporter)

    def close(self) -> None:
        self._components.sharding.close()

    def train(self, resume_from: Path | None) -> nn.Module:
        if resume_from is not None:
            self._saver.resume(resume_from)
        self._saver.start()
        self._reporter.start(
            self._state.progress, self._components.stepper.precision, self._components.sharding
        )
        while not self._has_ended():
            self._train_epoch()
            self._end_epoch()
        return self._finish()

    def _has_ended(self) -> bool:
        progress = self._state.progress
        return progress.epochs >= self._context.spec.epochs or progress.reason is not None

    def _train_epoch(self) -> None:
        """Train from the place in the epoch to its end, or to the end of the run's time."""
        progress = self._state.progress
        epoch = progress.epochs + 1
        self._components.network.train()
        self._context.pulse.enter(self._training_phase())
        self._reporter.begin_epoch(progress)
        batches = self._data.batches.epoch(epoch, progress.batch)
        for number, batch in enumerate(batches, progress.batch + 1):
            self._stop_if_requested()
            self._train_batch(batch, epoch, number)
            if not self._is_sample_due():
                continue
            self._sample()
            if self._is_time_up():
                return
            if self._saver.seconds_since_save() >= SAVE_EVERY_S:
                self._saver.save()

    def _training_phase(self) -> Phase:
        """What this epoch is, to whoever waits for a step of it."""
        compiles = self._context.spec.compute.compile and not self._has_compiled
        return "compiling" if compiles else "training"

    def _train_batch(self, batch: Batch, epoch: int, number: int) -> None:
        """Take a step with a batch of an epoch, both counted from 1."""
        state, progress = self._state, self._state.progress
        progress.learning_rate = self._components.learning_rate.set(
            progress.step, progress.reductions
        )
        loss, state.gradient_norm = self._components.stepper.take(
            batch, epoch, number, progress.step, measure=self._is_norm_wanted(number)
        )
        state.losses[number - 1] = loss
        self._reporter.note_step(progress)
        progress.batch = number
        progress.step += 1

    def _is_norm_wanted(self, number: int) -> bool:
        """Whether the gradient is measured at a batch, clipped or not: seldom, as it takes time.

        Where gradients are scaled it takes another way through the step.
        """
        if number == self._data.span.batches:
            return True
        return number % REPORT_EVERY_BATCHES == 0 and not self._components.stepper.is_scaling

    def _is_sample_due(self) -> bool:
        """Whether the batch that is done is one after which the metrics are reported."""
        progress = self._state.progress
        return self._context.is_rank_0 and (
            self._reporter.is_first_batch(progress)
            or progress.batch % REPORT_EVERY_BATCHES == 0
            or progress.batch == self._data.span.batches
            or self._reporter.seconds_since_sample() >= REPORT_EVERY_S
        )

    def _sample(self) -> None:
        """Report the loss since the last sample."""
        state, progress = self._state, self._state.progress
        since, before = progress.reported_batch, self._reporter.batches_before(progress)
        batches = slice(since - before, progress.batch)
        losses = state.losses[batches].double().cpu()  # waits for the device
        self._check.losses(losses[before:], since)
        is_measured = state.gradient_norm is not None
        if state.gradient_norm is not None:
            progress.gradient_norm = float(state.gradient_norm)
        sizes = self._data.sizes[batches]
        self._reporter.sample(progress, losses, sizes, before=before, with_norm=is_measured)

    def _is_time_up(self) -> bool:
        limit, progress = self._context.spec.stopping.time_limit_s, self._state.progress
        return limit is not None and progress.elapsed + progress.seconds >= limit

    def _end_epoch(self) -> None:
        """Evaluate, report, decide, and move to the next epoch."""
        progress = self._state.progress
        is_whole = progress.batch == self._data.span.batches
        self._has_compiled = True
        if self._context.is_rank_0:
            self._context.pulse.enter("evaluating")
            self._evaluate()
            self._decide()
        if is_whole:  # else time is up, and the others are waiting for a batch that never comes
            self._agree()
        progress.elapsed += progress.seconds
        progress.epochs += 1
        progress.batch = progress.reported_batch = 0
        progress.seconds = 0.0
        if self._context.is_rank_0 and self._saver.seconds_since_save() >= SAVE_EPOCHS_EVERY_S:
            self._saver.save()

    def _evaluate(self) -> None:
        """Measure the weights on the validation split and on the test set, and report the epoch."""
        state, progress = self._state, self._state.progress
        sizes = self._data.sizes[: progress.batch]
        images = float(sizes.sum())
        measured, scores = evaluate_epoch(
            self._components.evaluated_network,
            self._data,
            self._context.spec.loss,
            epoch=progress.epochs + 1,
            train_loss=float(state.losses[: progress.batch].double().cpu() @ sizes) / images,
            before_batch=self._stop_if_requested,
            team=self._components.sharding.team,
            room=state.room,
        )
        self._check.evaluation(measured.validation_loss, measured.test_loss)
        state.test_scores = measured.epoch, scores
        progress.last = measured
        self._reporter.epoch_end(progress, images)

    def _decide(self) -> None:
        """Decide what follows from the measurements of the epoch."""
        spec, state, progress = self._context.spec, self._state, self._state.progress
        if decisions.is_best(progress):
            progress.best = progress.last
            if spec.publishing.weights == "best":
                weights = self._components.evaluated_network.state_dict()
                state.best_weights = {
                    name: value.detach().clone() for name, value in weights.items()
                }
        if isinstance(spec.schedule, Plateau) and decisions.reaches_plateau(
            spec.schedule, progress
        ):
            progress.reductions += 1
            self._reporter.log(log_messages.lowered(spec.schedule.patience, spec.schedule.factor))
        reason = why_stop(spec, progress, time_is_up=self._is_time_up())
        if reason:
            progress.reason = stored(reason)
            self._reporter.log(reason.text)

    def _agree(self) -> None:
        """Have all ranks follow the decisions of rank 0."""
        progress = self._state.progress
        decision = torch.tensor(
            [float(progress.reason is not None), float(progress.reductions)],
            device=self._context.device,
        )
        self._context.peers.broadcast(decision)
        if not self._context.is_rank_0:
            ends, reductions = decision.tolist()
            progress.reason = "rank 0 has decided so" if ends else None
            progress.reductions = int(reductions)

    def _finish(self) -> nn.Module:
        """Write the results, on rank 0, and return the network that they are of."""
        if not self._context.is_rank_0:
            return self._components.evaluated_network
        self._context.pulse.enter("exporting")
        return write_results(
            self._context,
            self._data,
            self._components,
            self._state,
            self._reporter,
            self._stop_if_requested,
        )

    def _stop_if_requested(self) -> None:
        self._context.pulse.beat()
        stop = self._context.stop_requested() if self._context.is_rank_0 else None
        if stop is None:
            return
        if stop == "save":
            if self._state.progress.batch > self._state.progress.reported_batch:
                self._sample()
            self._saver.save()
        raise StopRequested(message("run.stop_requested"))
