"""The training loop. It reads downward: data, network, steps, epochs, files.

Losses stay on the device and are read only where something is reported, so no batch waits for the
one before it. The run is a function of spec, seed and data: between any two batches it can be
saved, and goes on from there to the same end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from core.datasets.builtin import DATASETS
from core.errors import TrainyardError
from core.messages import from_stored, stored
from core.protocol.orders import Stop
from core.protocol.reports import (
    EpochEnd,
    Evaluated,
    Finished,
    Line,
    Report,
    Saved,
    Shrunk,
    Started,
    StepMetrics,
)
from core.spec.hyperparameters import Plateau
from core.spec.spec import TrainingSpec
from worker.training import random
from worker.training.data import datasets
from worker.training.data.batches import Batches
from worker.training.model import network
from worker.training.model.ema import Average
from worker.training.optim import losses, schedule
from worker.training.optim.optimizers import build_optimization
from worker.training.outputs import evaluation, exports
from worker.training.run import log_messages, memory, snapshot_file
from worker.training.run.distributed import Alone, Peers
from worker.training.run.snapshot_file import Keepsakes, Measured, Parts, Place
from worker.training.run.step import Stepper
from worker.training.run.stopping import why_stop

REPORT_EVERY_BATCHES = 100
REPORT_EVERY_S = 1.0
SAVE_EVERY_S = 60.0
"""Within an epoch."""
SAVE_EPOCHS_EVERY_S = 1.0
"""After an epoch, unless the last snapshot is younger: some epochs take milliseconds."""
EXAMPLES = 256
"""Test images that an exported network is checked with."""


class Diverged(TrainyardError):
    """The loss is no number any more: training cannot go on from here."""


class StopAsked(TrainyardError):
    """Somebody asked the run to stop."""


def run(
    spec: TrainingSpec,
    *,
    data: Path,
    scratch: Path,
    device: torch.device,
    report: Callable[[Report], None],
    stop_asked: Callable[[], Stop | None] = lambda: None,
    resume_from: Path | None = None,
    peers: Peers | None = None,
) -> nn.Module:
    """Train by a spec and report on the way. The last report is `Finished`.

    Args:
        spec: what to train.
        data: folder of the datasets.
        scratch: folder for the finished files and the snapshots.
        device: where to compute.
        report: takes each report; must not be slow.
        stop_asked: asked before each batch.
        resume_from: the file of a snapshot of this spec; None: begin from nothing.
        peers: the processes that train with this one; None: there are none. Only that of rank 0
            reports, is asked to stop, saves and writes files.

    Returns:
        The network with the published weights.

    Raises:
        Diverged: the loss became infinite or no number.
        StopAsked: `stop_asked` said so.
        DataUnavailable: the dataset is damaged or missing.
        Unusable: the snapshot is of another run or version.
    """
    if device.type == "cpu":
        memory.keep_freed()
    made = _Run(spec, data, scratch, device, report, stop_asked, peers or Alone())
    return made.train(resume_from)


class _Run:
    """One run in the making."""

    def __init__(
        self,
        spec: TrainingSpec,
        data: Path,
        scratch: Path,
        device: torch.device,
        report: Callable[[Report], None],
        stop_asked: Callable[[], Stop | None],
        peers: Peers,
    ) -> None:
        self._spec = spec
        self._scratch = scratch
        self._device = device
        self._report = report
        self._stop_asked = stop_asked
        self._peers = peers
        self._leads = peers.rank == 0

        dataset = DATASETS[spec.dataset]
        images, test = datasets.load(spec.dataset, data)
        train, validation = datasets.split(
            images,
            subset=spec.data.subset,
            validation=spec.data.validation,
            seed=spec.seed,
            classes=len(dataset.classes),
        )
        self._test = test.to(device)
        self._validation = validation.to(device) if validation else None
        self._batches = Batches(spec, train, device, peers.rank, peers.size)
        self._sizes = torch.tensor(self._batches.sizes, dtype=torch.float64)
        count = len(self._batches.sizes)
        self._span = schedule.Span(count * spec.epochs, count)

        random.seed_torch(spec.seed, device)
        made = network.build(spec.model, dataset, normalize=spec.data.normalize)
        self._network = made.to(memory_format=torch.channels_last).to(device)
        self._network.train()
        self._optimization = build_optimization(spec.optimizer, self._network)
        kept = spec.regularization.ema
        self._average = Average(self._network, kept) if kept else None
        self._stepper = Stepper(
            spec, self._network, self._optimization, self._average, device, peers, self._note_shrunk
        )
        self._parts: Parts = {
            "network": self._network,
            "optimization": self._optimization,
            "stepper": self._stepper,
        }
        if self._average is not None:
            self._parts["average"] = self._average

        self._place = Place()
        self._losses = torch.zeros(count, device=device)
        self._norm: Tensor | None = None
        self._best_weights: dict[str, Tensor] | None = None
        self._scores: tuple[int, Tensor] | None = None
        """What the network said of the test set after an epoch."""
        self._saved_step = -1
        self._began = self._epoch_began = self._reported_at = self._saved_at = time.monotonic()
        self._began_at_step = 0

    def train(self, resume_from: Path | None) -> nn.Module:
        spec = self._spec
        if resume_from is not None:
            self._resume(resume_from)
        self._began = self._saved_at = time.monotonic()
        self._began_at_step = self._place.step
        self._say(
            Started(
                device=log_messages.device_name(self._device),
                device_kind="cuda" if self._device.type == "cuda" else "cpu",
                threads=torch.get_num_threads(),
                precision=self._stepper.precision,
                epochs=spec.epochs,
                batches=self._span.batches,
                epoch=self._place.epochs,
                step=self._place.step,
            )
        )
        self._tell(
            log_messages.chosen(
                spec, self._device, self._stepper.precision, processes=self._peers.size
            )
        )
        while self._place.epochs < spec.epochs and self._place.reason is None:
            self._train_epoch()
            self._end_epoch()
        return self._publish()

    def _resume(self, path: Path) -> None:
        point = snapshot_file.Point(path, self._spec, self._stepper.precision)
        torch.set_num_threads(point.threads)
        point.restore(self._parts)
        self._place = point.place
        self._saved_step = point.place.step
        self._losses[: point.place.batch] = point.keepsakes.losses
        self._best_weights = point.keepsakes.best_weights
        self._tell(log_messages.resumed(point.place))
        if self._stepper.micro_batch < self._stepper.asked:
            self._note_shrunk(self._stepper.micro_batch)

    def _train_epoch(self) -> None:
        """Train from the place in the epoch to its end, or to the end of the run's time."""
        place, batches = self._place, self._span.batches
        epoch = place.epochs + 1
        self._network.train()
        self._reported_at = time.monotonic()
        self._epoch_began = self._reported_at - place.seconds

        for number, batch in enumerate(self._batches.epoch(epoch, place.batch), place.batch + 1):
            self._stop_if_asked()
            self._optimization.use_share(self._share(place.step))
            place.learning_rate = self._optimization.learning_rate
            is_last = number == batches
            loss, norm = self._stepper.take(batch, epoch, number, place.step, measure=is_last)
            self._losses[number - 1] = loss
            self._norm = norm
            place.batch = number
            place.step += 1

            if not self._leads:
                continue
            now = time.monotonic()
            is_first = place.step == self._began_at_step + 1
            is_due = is_first or number % REPORT_EVERY_BATCHES == 0 or is_last
            if not is_due and now - self._reported_at < REPORT_EVERY_S:
                continue
            self._read()
            if self._is_time_up():
                return
            if self._reported_at - self._saved_at >= SAVE_EVERY_S:
                self._save()

    def _share(self, step: int) -> float:
        return schedule.share(self._spec.schedule, self._span, step, self._place.reductions)

    def _is_time_up(self) -> bool:
        limit = self._spec.stopping.time_limit_s
        return limit is not None and self._place.elapsed + self._place.seconds >= limit

    def _read(self) -> None:
        """Report the loss since the last reading."""
        place = self._place
        since = slice(place.reported_batch, place.batch)
        each = self._losses[since].double().cpu()  # waits for the device
        self._refuse_infinite(each, since.start)
        if self._norm is not None:
            place.gradient_norm = float(self._norm)
        now = time.monotonic()
        seconds, self._reported_at = now - self._reported_at, now
        place.seconds = now - self._epoch_began
        sizes = self._sizes[since]
        images = float(sizes.sum())
        mean_loss = float(each @ sizes) / images
        epoch = place.epochs + 1
        self._say(
            StepMetrics(
                step=place.step,
                epoch=epoch,
                batch=place.batch,
                train_loss=mean_loss,
                learning_rate=place.learning_rate,
                images_per_s=images / max(seconds, 1e-9),
                eta_s=self._eta(),
            )
        )
        if place.batch % REPORT_EVERY_BATCHES == 0:
            self._tell(log_messages.read(place, self._spec.epochs, self._span.batches, mean_loss))
        place.reported_batch = place.batch

    def _end_epoch(self) -> None:
        """Measure, report, decide, and go on to the next epoch."""
        place = self._place
        is_whole = place.batch == self._span.batches
        if self._leads:
            self._measure()
            self._decide()
        if is_whole:  # else time is up, and the others are waiting for a batch that never comes
            self._agree()
        now = time.monotonic()
        place.elapsed += place.seconds
        place.epochs += 1
        place.batch = place.reported_batch = 0
        place.seconds = 0.0
        if self._leads and now - self._saved_at >= SAVE_EPOCHS_EVERY_S:
            self._save()

    def _measure(self) -> None:
        """Measure the weights on the validation split and on the test set, and report the epoch."""
        place = self._place
        epoch = place.epochs + 1
        seen = self._sizes[: place.batch]
        images = float(seen.sum())
        train_loss = float(self._losses[: place.batch].double().cpu() @ seen) / images
        judged = self._judged()
        validation_loss = validation_accuracy = None
        if self._validation is not None:
            scores = evaluation.predict(judged, self._validation, self._stop_if_asked)
            validation_loss, validation_accuracy = losses.measure(
                self._spec.loss, scores, self._validation.labels
            )
        scores = evaluation.predict(judged, self._test, self._stop_if_asked)
        test_loss, test_accuracy = losses.measure(self._spec.loss, scores, self._test.labels)
        if not (math.isfinite(test_loss) and math.isfinite(validation_loss or 0.0)):
            raise self._diverged(place.batch)
        self._scores = epoch, scores
        place.last = Measured(
            epoch, train_loss, validation_loss, validation_accuracy, test_loss, test_accuracy
        )
        self._say(
            EpochEnd(
                epoch=epoch,
                step=place.step,
                batch=place.batch,
                train_loss=train_loss,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
                learning_rate=place.learning_rate,
                gradient_norm=place.gradient_norm if math.isfinite(place.gradient_norm) else None,
                memory_bytes=memory.most_taken(self._device),
                seconds=place.seconds,
                images_per_s=images / place.seconds,
                eta_s=self._eta(),
            )
        )
        self._tell(log_messages.measured(place.last, self._spec.epochs))

    def _judged(self) -> nn.Module:
        """The network that is measured and published: that with the averaged weights, if any."""
        return self._average.network if self._average is not None else self._network

    def _decide(self) -> None:
        """What follows from the measurements of the epoch."""
        place, spec = self._place, self._spec
        last = place.last
        if last.validation_loss is not None and (
            place.best is None or last.validation_loss < (place.best.validation_loss or 0.0)
        ):
            place.best = last
            if spec.publishing.weights == "best":
                self._best_weights = {
                    name: value.detach().clone()
                    for name, value in self._judged().state_dict().items()
                }
        if isinstance(spec.schedule, Plateau):
            loss = last.train_loss if last.validation_loss is None else last.validation_loss
            watch = schedule.PlateauWatch(
                spec.schedule.patience, place.plateau_best, place.plateau_since
            )
            if watch.see(loss):
                place.reductions += 1
                self._tell(log_messages.lowered(watch.patience, spec.schedule.factor))
            place.plateau_best, place.plateau_since = watch.best, watch.since
        stop = why_stop(spec, place, time_is_up=self._is_time_up())
        if stop is not None:
            place.reason = stored(stop)
            self._tell(stop.text)

    def _agree(self) -> None:
        """Let the others do as rank 0 has decided."""
        place = self._place
        decision = torch.tensor(
            [float(place.reason is not None), float(place.reductions)], device=self._device
        )
        self._peers.heed(decision)
        if not self._leads:
            ends, reductions = decision.tolist()
            place.reason = "rank 0 has decided so" if ends else None
            place.reductions = int(reductions)

    def _publish(self) -> nn.Module:
        """Write the files, say what the weights do on the test set, and end."""
        place, spec = self._place, self._spec
        judged, chosen = self._judged(), place.last
        stop_reason = from_stored(place.reason) if place.reason else None
        if not self._leads:
            return judged
        if self._best_weights is not None and place.best is not None:
            chosen = place.best
            judged.load_state_dict(self._best_weights)
        if self._scores is None or self._scores[0] != chosen.epoch:
            scores = evaluation.predict(judged, self._test, self._stop_if_asked)
        else:
            scores = self._scores[1]
        judgement = evaluation.judge(
            scores, self._test.labels, self._test.pixels, DATASETS[spec.dataset]
        )
        self._say(Evaluated(content=judgement.content()))
        weights_sha256, files = exports.write_all(
            judged,
            spec,
            self._scratch,
            exports.Results(
                epoch=chosen.epoch,
                epochs=place.epochs,
                train_loss=chosen.train_loss,
                validation_loss=chosen.validation_loss,
                validation_accuracy=chosen.validation_accuracy,
                test_loss=chosen.test_loss,
                test_accuracy=chosen.test_accuracy,
                device=log_messages.device_name(self._device),
                precision=self._stepper.precision,
                threads=torch.get_num_threads(),
                reason=stop_reason.text if stop_reason else None,
            ),
            self._test.batch(torch.arange(min(EXAMPLES, len(self._test)), device=self._device))[0],
            self._warn,
        )
        self._say(
            Finished(
                epoch=chosen.epoch,
                reason=stop_reason,
                weights_sha256=weights_sha256,
                files=files,
            )
        )
        return judged

    def _stop_if_asked(self) -> None:
        asked = self._stop_asked() if self._leads else None
        if asked is None:
            return
        if asked == "save":
            if self._place.batch > self._place.reported_batch:
                self._read()
            self._save()
        raise StopAsked("Stopped because it was asked to.")

    def _save(self) -> None:
        """Write a snapshot; where that fails, the run goes on with the one before.

        After the same batch there is no more to save than there was: only an evaluation lies
        between, and that can be repeated. Weights that are no numbers are not saved: the point
        before is the last good one.
        """
        place = self._place
        if place.step == self._saved_step:
            return
        if not all(bool(torch.isfinite(each).all()) for each in self._network.parameters()):
            raise self._diverged(place.batch)
        path = self._scratch / f"resume-{place.step}.pt"
        keepsakes = Keepsakes(self._losses[: place.batch], self._best_weights)
        try:
            snapshot_file.write(
                path, self._spec, self._stepper.precision, self._parts, place, keepsakes
            )
        except OSError as error:
            self._warn(log_messages.unsaved(error))
        else:
            self._saved_step = place.step
            self._say(Saved(epoch=place.epochs, step=place.step, path=str(path)))
        self._saved_at = time.monotonic()

    def _note_shrunk(self, micro_batch: int) -> None:
        self._say(Shrunk(micro_batch=micro_batch))
        self._warn(log_messages.shrunk(micro_batch))

    def _tell(self, text: str) -> None:
        self._say(Line(text=text))

    def _warn(self, text: str) -> None:
        self._say(Line(level="warning", text=text))

    def _say(self, report: Report) -> None:
        if self._leads:
            self._report(report)

    def _eta(self) -> float:
        done = self._place.step - self._began_at_step
        seconds = time.monotonic() - self._began
        return seconds / max(done, 1) * (self._span.steps - self._place.step)

    def _refuse_infinite(self, losses: Tensor, first: int) -> None:
        bad = torch.nonzero(~torch.isfinite(losses))
        if len(bad):
            raise self._diverged(first + int(bad[0]) + 1)

    def _diverged(self, batch: int) -> Diverged:
        epoch = self._place.epochs + 1
        step = self._place.epochs * self._span.batches + max(0, batch - 1)
        self._optimization.use_share(self._share(step))
        saved = self._saved_step if self._saved_step >= 0 else None
        return Diverged(
            log_messages.diverged(epoch, batch, self._optimization.learning_rate, saved)
        )
