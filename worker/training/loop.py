"""The training loop. It reads downward: data, network, optimizer, epochs, files.

Losses add up on the device and are read only where something is reported, so no batch waits for
the one before it. The sample order is a function of seed and epoch. Between any two batches the
run can be saved, and goes on from there to the same end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from core.catalogue import DATASETS
from core.errors import TrainyardError
from core.reports import EpochEnd, Finished, Line, Reading, Report, Saved, Started
from core.spec import TrainingSpec
from worker.training import checkpoint, datasets, random, resume
from worker.training.evaluation import evaluate
from worker.training.network import build
from worker.training.optimization import build_optimizer, build_schedule
from worker.training.order import Stop
from worker.training.resume import Parts, Place

REPORT_EVERY_BATCHES = 100
REPORT_EVERY_S = 1.0
SAVE_EVERY_S = 60.0
"""Within an epoch."""
SAVE_EPOCHS_EVERY_S = 1.0
"""After an epoch, unless the last resume point is younger: some epochs take milliseconds."""


class Diverged(TrainyardError):
    """The loss is no number any more: training cannot go on from here."""


class StopAsked(TrainyardError):
    """Somebody asked the run to stop."""


def train(
    spec: TrainingSpec,
    *,
    data: Path,
    scratch: Path,
    device: torch.device,
    report: Callable[[Report], None],
    stop_asked: Callable[[], Stop | None],
    resume_from: Path | None = None,
) -> None:
    """Train by a spec and report on the way. The last report is `Finished`.

    Args:
        spec: what to train.
        data: folder of the data sets.
        scratch: folder for the finished files and the resume points.
        device: where to compute.
        report: takes each report; must not be slow.
        stop_asked: asked before each batch.
        resume_from: the file of a resume point of this spec; None: begin from nothing.

    Raises:
        Diverged: the loss became infinite or no number.
        StopAsked: `stop_asked` said so.
        DataUnavailable: the data set is damaged or missing.
        Unusable: the resume point is of another run or version.
    """
    _Run(spec, data, scratch, device, report, stop_asked).train(resume_from)


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
    ) -> None:
        self._spec = spec
        self._scratch = scratch
        self._device = device
        self._report = report
        self._stop_asked = stop_asked
        self._train_images, self._test_images = (
            part.to(device) for part in datasets.load(spec.dataset, data)
        )
        self._count = len(self._train_images)
        self._batches = math.ceil(self._count / spec.batch_size)
        self._steps = self._batches * spec.epochs

        torch.manual_seed(spec.seed)
        network = build(spec.model, DATASETS[spec.dataset])
        network.to(memory_format=torch.channels_last).to(device)
        optimizer = build_optimizer(spec.optimizer, network.parameters())
        schedule = build_schedule(spec.schedule, optimizer, self._steps)
        self._parts = Parts(network, optimizer, schedule, device)
        self._place = Place()
        self._saved_step = -1
        self._began = self._epoch_began = self._reported_at = self._saved_at = time.monotonic()
        self._began_at_step = 0
        # the sum of the losses of this epoch, on the device; `Place` has it when it is saved
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)

    def train(self, resume_from: Path | None) -> None:
        spec = self._spec
        if resume_from is not None:
            self._resume(resume_from)
        self._began = self._saved_at = time.monotonic()
        self._began_at_step = self._place.step
        self._report(
            Started(
                device=describe(self._device),
                threads=torch.get_num_threads(),
                epochs=spec.epochs,
                batches=self._batches,
                epoch=self._place.epochs,
                step=self._place.step,
            )
        )
        while self._place.epochs < spec.epochs:
            self._train_epoch()
            self._end_epoch()
        weights_sha256, file = checkpoint.write(
            self._parts.network,
            spec,
            self._scratch,
            epoch=spec.epochs,
            test_loss=self._place.test_loss,
            test_accuracy=self._place.test_accuracy,
        )
        self._report(Finished(epoch=spec.epochs, weights_sha256=weights_sha256, files=[file]))

    def _resume(self, path: Path) -> None:
        point = resume.Point(path, self._spec)
        torch.set_num_threads(point.threads)
        point.restore(self._parts)
        self._place = point.place
        self._loss_sum.fill_(point.place.loss_sum)
        done = f"epoch {point.place.epochs}"
        if point.place.batch:
            done = f"batch {point.place.batch} of epoch {point.place.epochs + 1}"
        self._report(Line(text=f"Training goes on after {done}, from a resume point."))

    def _train_epoch(self) -> None:
        """Train from the place in the epoch to its end."""
        spec, place, parts = self._spec, self._place, self._parts
        network, optimizer, schedule = parts.network, parts.optimizer, parts.schedule
        network.train()
        order = random.order(spec.seed, place.epochs + 1, self._count).to(self._device)
        indices_left = torch.split(order, spec.batch_size)[place.batch :]
        self._reported_at = time.monotonic()
        self._epoch_began = self._reported_at - place.seconds

        for batch, indices in enumerate(indices_left, place.batch + 1):
            self._stop_if_asked()
            images, labels = self._train_images.batch(indices)
            optimizer.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            place.learning_rate = float(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
            self._loss_sum += loss.detach() * len(indices)
            place.images += len(indices)
            place.batch = batch
            place.step += 1

            is_first = place.step == self._began_at_step + 1
            is_due = is_first or batch % REPORT_EVERY_BATCHES == 0 or batch == self._batches
            if not is_due and time.monotonic() - self._reported_at < REPORT_EVERY_S:
                continue
            self._read()
            if self._reported_at - self._saved_at >= SAVE_EVERY_S:
                self._save()

    def _read(self) -> None:
        """Report the loss since the last reading, and bring the sums of the epoch up to date."""
        place = self._place
        place.loss_sum = self._loss_sum.item()  # waits for the device
        now = time.monotonic()
        seconds, self._reported_at = now - self._reported_at, now
        place.seconds = now - self._epoch_began
        epoch = place.epochs + 1
        images = place.images - place.reported_images
        mean_loss = (place.loss_sum - place.reported_loss_sum) / images
        self._refuse_infinite(mean_loss)
        self._report(
            Reading(
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
            self._report(
                Line(
                    text=f"epoch {epoch}/{self._spec.epochs} batch {place.batch}/{self._batches} "
                    f"loss {mean_loss:.4f}"
                )
            )
        place.reported_loss_sum, place.reported_images = place.loss_sum, place.images

    def _end_epoch(self) -> None:
        """Evaluate, report, and go on to the next epoch."""
        place = self._place
        epoch = place.epochs + 1
        train_loss = place.loss_sum / self._count  # there was a reading after the last batch
        self._refuse_infinite(train_loss)
        test_loss, test_accuracy = evaluate(
            self._parts.network, self._test_images, self._stop_if_asked
        )
        self._refuse_infinite(test_loss)
        self._report(
            EpochEnd(
                epoch=epoch,
                step=place.step,
                batch=self._batches,
                train_loss=train_loss,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
                learning_rate=place.learning_rate,
                seconds=place.seconds,
                images_per_s=self._count / place.seconds,
                eta_s=self._eta(),
            )
        )
        self._report(
            Line(
                text=f"epoch {epoch}/{self._spec.epochs} done: average loss {train_loss:.4f}, "
                f"test loss {test_loss:.4f}, test accuracy {test_accuracy:.2%}"
            )
        )
        self._loss_sum.zero_()
        self._place = Place(
            epochs=epoch,
            step=place.step,
            learning_rate=place.learning_rate,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
        )
        if time.monotonic() - self._saved_at >= SAVE_EPOCHS_EVERY_S:
            self._save()

    def _stop_if_asked(self) -> None:
        asked = self._stop_asked()
        if asked is None:
            return
        if asked == "save":
            if self._place.images > self._place.reported_images:
                self._read()
            self._save()
        raise StopAsked("Stopped because it was asked to.")

    def _save(self) -> None:
        """Write a resume point; where that fails, the run goes on with the one before.

        The sums of the place are up to date: a reading came before. After the same batch there is
        no more to save than there was: only an evaluation lies between, and that can be repeated.
        """
        place = self._place
        if place.step == self._saved_step:
            return
        path = self._scratch / f"resume-{place.step}.pt"
        try:
            resume.write(path, self._spec, self._parts, place)
        except OSError as error:
            self._report(
                Line(
                    level="warning",
                    text=f"A resume point could not be written ({error.strerror or error}). "
                    "Training goes on; is the worker's disk full?",
                )
            )
        else:
            self._saved_step = place.step
            self._report(Saved(epoch=place.epochs, step=place.step, path=str(path)))
        self._saved_at = time.monotonic()

    def _eta(self) -> float:
        done = self._place.step - self._began_at_step
        seconds = time.monotonic() - self._began
        return seconds / max(done, 1) * (self._steps - self._place.step)

    def _refuse_infinite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise Diverged(
                f"The loss stopped being a number by epoch {self._place.epochs + 1}, batch "
                f"{self._place.batch}, at learning rate {self._place.learning_rate:g}. "
                "Try a smaller learning rate."
            )


def describe(device: torch.device) -> str:
    """The device's name for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
