"""One step of training: forward, backward, and what the gradients do to the weights.

A batch may be computed in micro-batches whose gradients are summed: because the spec asks for it,
or because the device's memory was too small for the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from core.datasets.builtin import DATASETS
from core.spec import shapes
from core.spec.spec import TrainingSpec
from worker.training import random
from worker.training.data.batches import Batch
from worker.training.model.ema import Average
from worker.training.optim.losses import loss_of
from worker.training.optim.optimizers import Optimization
from worker.training.run import precision
from worker.training.run.distributed import Peers
from worker.training.run.graphs import Capture
from worker.training.run.precision import Precision
from worker.training.run.sharding import ShardedNetwork, Sharding


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
        on_micro_batch_reduced: Callable[[int], None],
        sharding: Sharding,
        began_in: Precision | None = None,
    ) -> None:
        """Prepare the network and the precision.

        Args:
            spec: of the run.
            network: whose weights are trained; on its device.
            optimization: changes them.
            average: of the weights, where the spec asks for one.
            device: where to compute.
            peers: the processes that train this run.
            on_micro_batch_reduced: called with the new size, in images, when the memory was too
                small for larger micro-batches.
            sharding: how batches are spread over the threads of a CPU.
            began_in: the precision that the run began in; None: it begins now.
        """
        self._spec = spec
        self._network = network
        self._optimization = optimization
        self._average = average
        self._device = device
        self._peers = peers
        self._on_micro_batch_reduced = on_micro_batch_reduced
        self._sharding = sharding
        self._sharded: ShardedNetwork | None = None
        self.precision: Precision = precision.choose(spec.compute, device, began_in)
        precision.prepare(spec.compute, device)
        self._called = peers.wrap(precision.compiled(spec.compute, network))
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        # of the largest share of a batch that one process gets
        share = -(-spec.batch_size // peers.size)
        self.requested_micro_batch = -(-share // spec.micro_batches)
        """Images in the largest micro-batch that the spec asks for."""
        self.micro_batch = self.requested_micro_batch
        """Images in the largest micro-batch that fits into the memory."""
        # batch norm cannot work on a single value
        narrowest = shapes.smallest_map(spec.model, DATASETS[spec.dataset])
        self._least = 2 if narrowest == 1 else 1
        self._is_proven = False
        """Whether micro-batches of this size have fitted."""
        self._weights = list(network.parameters())
        self._is_random = any(isinstance(each, nn.Dropout) and each.p for each in network.modules())
        self._capture: Capture | None = None
        if device.type == "cuda" and peers.size == 1 and not spec.compute.compile:
            self._capture = Capture(
                network,
                self._scaled_loss,
                spec.batch_size,
                self._apply if self._is_update_capturable() else None,
            )

    def take(
        self, batch: Batch, epoch: int, number: int, steps: int, *, measure: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Take a step.

        Args:
            batch: this process's part of the batch.
            epoch: the epoch, from 1.
            number: the batch in it, from 1.
            steps: steps taken before.
            measure: whether the gradient's norm is wanted.

        Returns:
            The mean loss over the whole batch, on the device; and the Euclidean norm of the
            gradient of all weights, before clipping, where it was wanted or needed.
        """
        self._shard()
        if self._is_random:
            self._seed("dropout", epoch, number, self._peers.rank)
        self._optimization.place_rates()
        loss, is_updated = self._gradients(batch)
        norm = self._norm(measure=measure)
        if not is_updated:
            self._apply()
            self.scaler.update()
        if self._average is not None:
            self._average.follow(steps + 1)
        self._peers.all_reduce(loss)
        return loss, norm

    @property
    def is_scaling(self) -> bool:
        """Whether losses are scaled, so that gradients of fp16 do not vanish."""
        return bool(self.scaler.is_enabled())

    def _shard(self) -> None:
        """Make the replicas, once it is known in how many shards the run computes."""
        if self._sharded is None and (self._sharding.shards or 1) > 1:
            self._sharded = ShardedNetwork(self._network, self._sharding, self._scaled_loss)

    def _seed(self, *place: str | int) -> None:
        """Seed what is drawn in a step."""
        if self._sharded is not None:
            self._sharded.seed(self._spec.seed, *place)
        else:
            random.seed_torch(random.seed_for(self._spec.seed, *place), self._device)

    def _is_update_capturable(self) -> bool:
        """Whether nothing but the optimizers stands between the gradients and the weights."""
        is_plain = self._spec.regularization.gradient_clip is None and not self.is_scaling
        return is_plain and self._optimization.is_capturable

    def _apply(self) -> None:
        self._optimization.apply(self.scaler)

    def _gradients(self, batch: Batch) -> tuple[Tensor, bool]:
        """Compute the gradients of a batch, in smaller parts where the memory is too small.

        Returns:
            The loss, and whether the weights have been changed already, by a captured step.
        """
        while True:
            kept = [] if self._is_proven else [each.clone() for each in self._network.buffers()]
            try:
                if self._capture is not None and self._is_replayed(batch, self._capture):
                    return self._capture.replay(batch), self._capture.updates
                loss = self._in_parts(batch)
            except torch.OutOfMemoryError:
                if self._is_proven and self._capture is not None:
                    self._capture = None  # such batches have fitted, and a graph beside them not
                    torch.cuda.empty_cache()
                    continue
                smaller = -(-min(self.micro_batch, len(batch.labels)) // 2)
                # a group's other processes have taken the step with us
                if self._peers.size > 1 or smaller < self._least or smaller == self.micro_batch:
                    raise
            else:
                self._is_proven = True
                return loss, False
            self._optimization.zero_grad()
            if kept:  # what batch norm has seen so far it will see again
                for value, before in zip(self._network.buffers(), kept, strict=True):
                    value.copy_(before)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            self._capture = None
            self._is_proven = False
            self.micro_batch = smaller
            self._on_micro_batch_reduced(smaller)

    def _is_replayed(self, batch: Batch, capture: Capture) -> bool:
        return len(batch.labels) <= self.micro_batch and capture.takes(batch)

    def _in_parts(self, batch: Batch) -> Tensor:
        self._optimization.zero_grad()
        *first, last = batch.split(self.micro_batch, self._least)
        loss = torch.zeros((), device=self._device)
        if first:
            with self._peers.no_sync(self._called):
                for part in first:
                    loss += self._backward(part)
        return loss + self._backward(last)

    def _backward(self, part: Batch) -> Tensor:
        if self._sharded is not None:
            return self._sharded.backward(self._sharding.split(part))
        loss, scaled = self._scaled_loss(self._called, part)
        scaled.backward()  # type: ignore[no-untyped-call]
        return loss

    def _scaled_loss(self, network: nn.Module, part: Batch) -> tuple[Tensor, Tensor]:
        """A part's contribution to the mean loss of the batch, and that, scaled, for `backward`."""
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
        label_smoothing = self._spec.regularization.label_smoothing
        return loss_of(self._spec.loss, scores, labels, label_smoothing)

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
        """The state that the next step depends on, besides weights and optimizers."""
        return {"micro_batch": self.micro_batch, "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.micro_batch = state["micro_batch"]
        self.scaler.load_state_dict(state["scaler"])
