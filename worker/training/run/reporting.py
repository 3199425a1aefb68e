"""The reports of a run: metric samples, epochs, log messages, and the time that is left."""

from __future__ import annotations

import math
import time

from torch import Tensor

from core.protocol.reports import (
    EpochEnd,
    Line,
    Report,
    Shrunk,
    Started,
    StepMetrics,
    StepMetricsBatch,
)
from core.spec.rates import Span
from worker.training.run import log_messages, memory
from worker.training.run.context import RunContext
from worker.training.run.precision import Precision
from worker.training.run.sharding import Sharding
from worker.training.run.snapshot_file import Progress

LOG_EVERY_BATCHES = 100


class Reporter:
    """Sends the reports of a run, and keeps the time. On ranks other than 0 it sends nothing."""

    def __init__(self, context: RunContext, span: Span) -> None:
        self._context = context
        self._span = span
        self._began = self._epoch_began = self._reported_at = time.monotonic()
        self._began_at_step = 0
        self._batches = 0
        """The batches that the last sample of this epoch was the mean of."""
        self._rates: list[float] = []
        """The learning rates since the last sample, where each step is reported."""

    def start(self, progress: Progress, precision: Precision, sharding: Sharding) -> None:
        """Report that training begins, or resumes."""
        context = self._context
        self._began = time.monotonic()
        self._began_at_step = progress.step
        self.send(
            Started(
                device=log_messages.device_name(context.device),
                device_kind="cuda" if context.device.type == "cuda" else "cpu",
                threads=sharding.threads,
                shards=sharding.shards,
                precision=precision,
                epochs=context.spec.epochs,
                batches=self._span.batches,
                epoch=progress.epochs,
                step=progress.step,
            )
        )
        self.log(
            log_messages.started(
                context.spec,
                context.device,
                precision,
                threads=sharding.threads,
                processes=context.peers.size,
            )
        )

    def begin_epoch(self, progress: Progress) -> None:
        """Start the clock of an epoch, of which a part may have been done before."""
        self._reported_at = time.monotonic()
        self._epoch_began = self._reported_at - progress.seconds
        self._batches = 0

    def is_first_batch(self, progress: Progress) -> bool:
        """Whether the last batch was the first since the run began or resumed."""
        return progress.step == self._began_at_step + 1

    def note_step(self, progress: Progress) -> None:
        """Keep what the report of a step needs and its losses do not tell."""
        if self._context.report_every_step and self._context.is_rank_0:
            self._rates.append(progress.learning_rate)

    def seconds_since_sample(self) -> float:
        """The seconds since the last metric sample, or since the epoch began."""
        return time.monotonic() - self._reported_at

    def batches_before(self, progress: Progress) -> int:
        """How many batches from before the last sample the mean of the next one takes in.

        An epoch or a pause may cut a sample short. The mean of a few batches would stand in the
        curve as a spike that is not there, so it is taken over as many as the sample before.
        """
        since = progress.batch - progress.reported_batch
        is_short = 2 * since < self._batches and not self._context.report_every_step
        return self._batches - since if is_short else 0

    def sample(
        self,
        progress: Progress,
        losses: Tensor,
        sizes: Tensor,
        *,
        before: int = 0,
        with_norm: bool = False,
    ) -> None:
        """Report the mean loss since the last metric sample, or the loss of each batch since then.

        Args:
            progress: with the batch of that sample in `reported_batch`.
            losses: float64 (batches,): the mean loss of each, of those before first.
            sizes: float64 (batches,): the images in each.
            before: batches from before that sample, which count for the mean loss alone.
            with_norm: whether the gradient's norm was measured at this batch.
        """
        now = time.monotonic()
        seconds, self._reported_at = now - self._reported_at, now
        progress.seconds = now - self._epoch_began
        self._batches = len(losses)
        mean_loss = float(losses @ sizes / sizes.sum())
        images_per_s = float(sizes[before:].sum()) / max(seconds, 1e-9)
        norm = _finite(progress.gradient_norm) if with_norm else None
        if self._context.report_every_step:
            self.send(self._each_step(progress, losses, images_per_s, norm))
        else:
            self.send(
                StepMetrics(
                    step=progress.step,
                    epoch=progress.epochs + 1,
                    batch=progress.batch,
                    train_loss=mean_loss,
                    learning_rate=progress.learning_rate,
                    images_per_s=images_per_s,
                    eta_s=self._eta(progress),
                    gradient_norm=norm,
                )
            )
        if progress.batch % LOG_EVERY_BATCHES == 0:
            epochs, batches = self._context.spec.epochs, self._span.batches
            text = log_messages.sampled(progress, epochs, batches, mean_loss)
            self.send(Line(level="progress", text=text))
        progress.reported_batch = progress.batch

    def _each_step(
        self, progress: Progress, losses: Tensor, images_per_s: float, norm: float | None
    ) -> StepMetricsBatch:
        count = len(losses)
        rates, self._rates = self._rates, []
        return StepMetricsBatch(
            step=list(range(progress.step - count + 1, progress.step + 1)),
            epoch=[progress.epochs + 1] * count,
            batch=list(range(progress.batch - count + 1, progress.batch + 1)),
            train_loss=losses.tolist(),
            learning_rate=rates,
            images_per_s=[images_per_s] * count,
            eta_s=self._eta(progress),
            gradient_norm=norm,
        )

    def epoch_end(self, progress: Progress, images: float) -> None:
        """Report the epoch in `progress.last`, in which so many images were trained on."""
        last = progress.last
        self.send(
            EpochEnd(
                epoch=last.epoch,
                step=progress.step,
                batch=progress.batch,
                train_loss=last.train_loss,
                validation_loss=last.validation_loss,
                validation_accuracy=last.validation_accuracy,
                test_loss=last.test_loss,
                test_accuracy=last.test_accuracy,
                learning_rate=progress.learning_rate,
                gradient_norm=_finite(progress.gradient_norm),
                memory_bytes=memory.most_taken(self._context.device),
                seconds=progress.seconds,
                images_per_s=images / progress.seconds,
                eta_s=self._eta(progress),
            )
        )
        self.log(log_messages.measured(last, self._context.spec.epochs))

    def micro_batch_reduced(self, micro_batch: int) -> None:
        """Report that batches are computed in micro-batches of so many images from here on."""
        self.send(Shrunk(micro_batch=micro_batch))
        self.warn(log_messages.shrunk(micro_batch))

    def log(self, text: str) -> None:
        """Add a line to the run's log."""
        self.send(Line(text=text))

    def warn(self, text: str) -> None:
        """Add a warning to the run's log."""
        self.send(Line(level="warning", text=text))

    def send(self, report: Report) -> None:
        """Send a report, from rank 0."""
        if self._context.is_rank_0:
            self._context.report(report)

    def _eta(self, progress: Progress) -> float:
        """Seconds left, by the mean time of the batches since the run began or resumed."""
        done = progress.step - self._began_at_step
        seconds = time.monotonic() - self._began
        return seconds / max(done, 1) * (self._span.steps - progress.step)


def _finite(norm: float) -> float | None:
    return norm if math.isfinite(norm) else None
