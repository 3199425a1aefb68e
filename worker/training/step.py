"""One step of training: forward, backward, and what the gradients do to the weights.

A batch may be computed in parts whose gradients are added up: because the spec asks for it, or
because the device's memory was too small for the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from core.spec import TrainingSpec
from worker.training import precision, random
from worker.training.averaging import Average
from worker.training.batches import Batch
from worker.training.capture import Capture
from worker.training.distributed import Peers
from worker.training.losses import loss_of
from worker.training.optimization import Optimization
from worker.training.precision import Precision


class Stepper:
    """Takes the steps of a run."""

    def __init__(
        self,
        spec: TrainingSpec,
        network: nn.Module,
        optimization: Optimization,
        average: Average | None,
        device: torch.device,
        peers: Peers,
        shrunk: Callable[[int], None],
    ) -> None:
        """Make ready.

        Args:
            spec: of the run.
            network: whose weights are trained; on its device.
            optimization: changes them.
            average: follows them, where the spec asks for it.
            device: where to compute.
            peers: who trains with us.
            shrunk: told the images in a part when the memory was too small for larger ones.
        """
        self._spec = spec
        self._network = network
        self._optimization = optimization
        self._average = average
        self._device = device
        self._peers = peers
        self._shrunk = shrunk
        self.precision: Precision = precision.choose(spec.compute, device)
        precision.prepare(spec.compute, device)
        self._called = peers.wrap(precision.compiled(spec.compute, network))
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.parts = spec.accumulation
        """In how many parts a batch is computed at least."""
        self._weights = list(network.parameters())
        self._is_random = any(isinstance(each, nn.Dropout) and each.p for each in network.modules())
        self._capture = (
            Capture(network, self._scaled_loss, spec.batch_size)
            if device.type == "cuda" and peers.size == 1 and not spec.compute.compile
            else None
        )

    def take(
        self, batch: Batch, epoch: int, number: int, steps: int, *, measure: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Take a step.

        Args:
            batch: our part of the batch.
            epoch: the epoch, from 1.
            number: the batch in it, from 1.
            steps: steps taken before.
            measure: whether the gradient's norm is wanted.

        Returns:
            The mean loss over the whole batch, on the device; and the Euclidean norm of the
            gradient of all weights, before clipping, where it was wanted or needed.
        """
        if self._is_random:
            torch.manual_seed(
                random.seed_for(self._spec.seed, "dropout", epoch, number, self._peers.rank)
            )
        loss = self._gradients(batch)
        norm = self._norm(measure=measure)
        for optimizer in self._optimization.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        if self._average is not None:
            self._average.follow(steps + 1)
        self._peers.add_up(loss)
        return loss, norm

    def _gradients(self, batch: Batch) -> Tensor:
        """Compute the gradients of a batch, in smaller parts where the memory is too small."""
        while True:
            try:
                return self._in_parts(batch)
            except torch.OutOfMemoryError:
                largest = -(-len(batch.labels) // self.parts)
                # a group's other processes have taken the step with us
                if largest == 1 or self._peers.size > 1:
                    raise
            self._optimization.zero_grad()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            self._capture = None
            self.parts *= 2
            self._shrunk(-(-len(batch.labels) // self.parts))

    def _in_parts(self, batch: Batch) -> Tensor:
        if self._capture is not None and self.parts == 1 and self._capture.fits(batch):
            return self._capture.replay(batch)
        self._optimization.zero_grad()
        *first, last = batch.split(self.parts)
        loss = torch.zeros((), device=self._device)
        if first:
            with self._peers.apart(self._called):
                for part in first:
                    loss += self._backward(part)
        return loss + self._backward(last)

    def _backward(self, part: Batch) -> Tensor:
        loss, scaled = self._scaled_loss(self._called, part)
        scaled.backward()  # type: ignore[no-untyped-call]
        return loss

    def _scaled_loss(self, network: nn.Module, part: Batch) -> tuple[Tensor, Tensor]:
        """A part's share in the mean loss of the whole batch, and what its gradient is taken of."""
        with precision.autocast(self.precision, self._device):
            scores: Tensor = network(part.images)
        loss = self._loss(scores.float(), part)
        if len(part.labels) != part.whole:
            loss = loss * (len(part.labels) / part.whole)
        ours = loss.detach()
        if self._peers.size > 1:  # the gradients of all processes are averaged, not added up
            loss = loss * self._peers.size
        return ours, self.scaler.scale(loss) if self.scaler.is_enabled() else loss

    def _loss(self, scores: Tensor, part: Batch) -> Tensor:
        loss = self._of_labels(scores, part.labels)
        if part.other_labels is None or part.share is None:
            return loss
        return torch.lerp(self._of_labels(scores, part.other_labels), loss, part.share)

    def _of_labels(self, scores: Tensor, labels: Tensor) -> Tensor:
        smoothing = self._spec.regularization.label_smoothing
        return loss_of(self._spec.loss, scores, labels, smoothing)

    def _norm(self, *, measure: bool) -> Tensor | None:
        longest = self._spec.regularization.gradient_clip
        if longest is None and not measure:
            return None
        for optimizer in self._optimization.optimizers:
            if self.scaler.is_enabled():
                self.scaler.unscale_(optimizer)
        if longest is not None:
            return nn.utils.clip_grad_norm_(self._weights, longest)
        gradients = [each.grad for each in self._weights if each.grad is not None]
        return nn.utils.get_total_norm(gradients)

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on, besides weights and optimizers."""
        return {"parts": self.parts, "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.parts = state["parts"]
        self.scaler.load_state_dict(state["scaler"])
