"""A step as one CUDA graph: forward and backward pass and, where it is kernels alone, the update.

A small network's time goes into starting its many kernels, and a graph starts them all at once.

Only batches of full size are replayed, and not the first of them: by then the memory is known to
suffice, and the optimizer has its state. The last batch of an epoch may be smaller, and is computed
as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from worker.training.data.batches import Batch

WARM_UPS = 3
"""Passes before the capture, as PyTorch's notes on CUDA graphs ask for."""

ScaledLoss = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]


class Capture:
    """A CUDA graph of one network and one batch size, captured at the second such batch."""

    def __init__(
        self,
        network: nn.Module,
        scaled_loss: ScaledLoss,
        size: int,
        update: Callable[[], None] | None,
    ) -> None:
        """Capture nothing yet.

        Args:
            network: whose gradients are computed.
            scaled_loss: of the network and a batch: the loss, and that which goes backward.
            size: images in a batch that is captured.
            update: changes the weights by the gradients; None: that is not captured.
        """
        self._network = network
        self._weights = list(network.parameters())
        self._scaled_loss = scaled_loss
        self._size = size
        self._update = update
        self._has_seen_one = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch
        self._loss: Tensor
        self._gradients: list[Tensor | None]

    @property
    def updates(self) -> bool:
        """Whether a replay changes the weights too."""
        return self._update is not None

    def takes(self, batch: Batch) -> bool:
        """Whether a batch is of the size that is captured, and not the first such."""
        if len(batch.labels) != self._size:
            return False
        seen, self._has_seen_one = self._has_seen_one, True
        return seen

    def replay(self, batch: Batch) -> Tensor:
        """Compute the gradients of a batch into the weights' `grad`; return the mean loss ().

        Where it `updates`, the weights have been changed by them.
        """
        if self._graph is None:
            self._capture(batch)
        mine = self._batch
        mine.images.copy_(batch.images)
        mine.labels.copy_(batch.labels)
        if batch.other_labels is not None and mine.other_labels is not None:
            mine.other_labels.copy_(batch.other_labels)
        if batch.share is not None and mine.share is not None:
            mine.share.copy_(batch.share)
        assert self._graph is not None
        self._graph.replay()
        # an ordinary batch in between has left gradients of its own
        for weight, gradient in zip(self._weights, self._gradients, strict=True):
            weight.grad = gradient
        return self._loss.clone()

    def _capture(self, batch: Batch) -> None:
        self._batch = replace(
            batch,
            images=batch.images.clone(),
            labels=batch.labels.clone(),
            other_labels=None if batch.other_labels is None else batch.other_labels.clone(),
            share=None if batch.share is None else batch.share.clone(),
        )
        # the passes below are no part of the run: batch norm must not remember them
        kept = [each.clone() for each in self._network.buffers()]
        random_state = torch.cuda.get_rng_state()
        try:
            self._graph = self._captured()
        finally:
            for value, before in zip(self._network.buffers(), kept, strict=True):
                value.copy_(before)
            torch.cuda.set_rng_state(random_state)

    def _captured(self) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._network.zero_grad(set_to_none=True)
                self._backward()
        torch.cuda.current_stream().wait_stream(stream)
        self._network.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # others load batches
            self._loss = self._backward()
            if self._update is not None:
                self._update()
        self._gradients = [weight.grad for weight in self._weights]
        return graph

    def _backward(self) -> Tensor:
        loss, scaled = self._scaled_loss(self._network, self._batch)
        scaled.backward()  # type: ignore[no-untyped-call]
        return loss
