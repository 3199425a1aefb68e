"""The batches of a run: their images, in order, augmented and mixed, on the device.

Everything is a function of the seed and of the place in the run: the order of an epoch, how each
image is augmented, what is mixed with what. So the same batch comes again after a stop, on however
many devices, and whether the images lie on the device or are loaded as they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from core.datasets.builtin import DATASETS
from core.spec.spec import TrainingSpec
from worker.training import random
from worker.training.data.augmentation import Augmenter
from worker.training.data.datasets import Images

LARGEST_SHARE_OF_MEMORY = 0.5
"""The share of a GPU's free memory that a dataset may take."""
LOADERS = 2
"""Processes that load batches for a GPU ahead of their turn."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images with their labels, on the device: a batch, or a process's part of one."""

    images: Tensor
    """float32 (count, channels, size, size) in [0, 1], channels last."""
    labels: Tensor
    """int64 (count,)."""
    other_labels: Tensor | None = None
    """int64 (count,): the labels of the images that were mixed in, where there are such."""
    share: Tensor | None = None
    """float32 (): the weight of `labels` in the loss, from 0 to 1; `other_labels` have the rest."""
    whole: int = 0
    """Images in the whole batch, of which this may be a part."""

    def split(self, largest: int, least: int = 1) -> list[Batch]:
        """Split into micro-batches, as few and as equal as possible.

        Args:
            largest: images in each, at most.
            least: images in each, at least; where both cannot be, this is kept, and a batch that
                is smaller itself stays whole.
        """
        count = len(self.labels)
        parts = max(1, min(-(-count // largest), count // least))
        if parts == 1:
            return [self]
        others = self.other_labels
        bounds = torch.tensor_split(torch.arange(count), parts)
        return [
            Batch(
                self.images[part],
                self.labels[part],
                None if others is None else others[part],
                self.share,
                self.whole,
            )
            for part in (slice(int(each[0]), int(each[-1]) + 1) for each in bounds)
        ]


class Source(Protocol):
    """A source of images and labels by their index in the dataset."""

    def fetch(self, wanted: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pixels and labels for each tensor of indices in turn, on the device.

        Pixels are uint8 (count, channels, size, size), labels int64 (count,).
        """


class OnDevice:
    """A source that holds all images in the device's memory; on a CPU, in memory-mapped files."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self._images = images.to(device)
        self._device = device

    def fetch(self, wanted: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        if not wanted:
            return
        images = self._images
        # at once: a copy for each batch would wait for all that the device has yet to do
        all_indices = torch.cat(list(wanted)).to(self._device)
        for chosen in torch.split(all_indices, [len(indices) for indices in wanted]):
            yield images.pixels[chosen], images.labels[chosen]


class Streamed:
    """A source that loads batches as they are needed; for a GPU, ahead of time in processes."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self._images = images
        self._device = device

    def fetch(self, wanted: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        on_gpu = self._device.type == "cuda"
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            _Chosen(self._images, wanted),
            batch_size=None,  # each item is a batch
            num_workers=LOADERS if on_gpu else 0,
            pin_memory=on_gpu,
            # it draws a seed for its processes: not from the numbers that the run draws from
            generator=torch.Generator(),
        )
        for pixels, labels in loader:
            yield (
                pixels.to(self._device, non_blocking=True),
                labels.to(self._device, non_blocking=True),
            )


class _Chosen(Dataset[tuple[Tensor, Tensor]]):
    """Batches of images, as a DataLoader asks for them."""

    def __init__(self, images: Images, wanted: Sequence[Tensor]) -> None:
        self._images = images
        self._wanted = wanted

    def __len__(self) -> int:
        return len(self._wanted)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        indices = self._wanted[number]
        return self._images.pixels[indices], self._images.labels[indices]


def source(placement: str, images: Images, device: torch.device) -> Source:
    """Build the source for a placement: `device`, `stream`, or `auto`: the device if it fits."""
    if placement == "auto":
        placement = "device" if _fits(images, device) else "stream"
    return OnDevice(images, device) if placement == "device" else Streamed(images, device)


def _fits(images: Images, device: torch.device) -> bool:
    if device.type != "cuda":
        return True  # they are mapped: what does not fit is read again
    free, _ = torch.cuda.mem_get_info(device)
    return images.pixels.nbytes <= free * LARGEST_SHARE_OF_MEMORY


@dataclass(frozen=True, slots=True)
class _Plan:
    """The composition of one batch, drawn before any image is loaded."""

    indices: Tensor
    """int64: the images of this process, then, where others are mixed into them and lie in other
    processes' parts, those."""
    count: int
    """Images of this process."""
    whole: int
    """Images in the whole batch."""
    numbers: Tensor | None = None
    """The random numbers of the augmentation, a row for each of `indices`."""
    partners: Tensor | None = None
    """int64 (count,): which of the fetched images is mixed into each."""
    mix: _Mix | None = None


@dataclass(frozen=True, slots=True)
class _Mix:
    """How the images of a batch are mixed."""

    share: float
    """The weight of an image's own label, from 0 to 1."""
    box: tuple[slice, slice] | None
    """Rows and columns that are taken from the other image; None: the two are blended."""


class Batches:
    """The batches of a run, for one of the processes that train it."""

    def __init__(
        self,
        spec: TrainingSpec,
        images: Images,
        device: torch.device,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Build the source and the augmentation.

        Args:
            spec: of the run.
            images: the images to train on.
            device: where the batches go.
            rank: of this process, from 0: it gets that part of each batch.
            processes: how many there are.
        """
        self._spec = spec
        self._count = len(images)
        self._largest_pixel = images.largest_pixel
        self._device = device
        self._rank = rank
        self._processes = processes
        self._source = source(spec.data.placement, images, device)
        self._augmenter = Augmenter(spec.augmentation, DATASETS[spec.dataset])
        self.sizes = [len(part) for part in torch.split(torch.arange(self._count), spec.batch_size)]
        """Images in each batch of an epoch, over all processes."""

    def epoch(self, number: int, done: int) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: the epoch; 1 is the first.
            done: its first batches that are skipped, because they were trained on before.
        """
        order = random.order(self._spec.seed, number, self._count)
        plans = [
            self._plan(number, batch, indices)
            for batch, indices in enumerate(torch.split(order, self._spec.batch_size), 1)
            if batch > done
        ]
        fetched = self._source.fetch([plan.indices for plan in plans])
        for (pixels, labels), plan in zip(fetched, plans, strict=True):
            yield self._prepare(pixels, labels, plan)

    def _plan(self, epoch: int, batch: int, indices: Tensor) -> _Plan:
        seed, mixing = self._spec.seed, self._spec.regularization
        whole = len(indices)
        numbers = partners = mix = None
        if not self._augmenter.is_idle:
            generator = random.generator(seed, "augmentation", epoch, batch)
            numbers = self._augmenter.draw(generator, whole)
        if mixing.mix != "none":
            generator = random.generator(seed, "partners", epoch, batch)
            partners = torch.randperm(whole, generator=generator)
            mix = self._draw_mix(np.random.default_rng(random.seed_for(seed, "mix", epoch, batch)))
        if self._processes == 1:
            return _Plan(indices, whole, whole, numbers, partners, mix)
        ours = torch.arange(whole).tensor_split(self._processes)[self._rank]
        rows = ours
        if partners is not None:
            rows = torch.cat((ours, partners[ours]))
            partners = torch.arange(len(ours), len(rows))
        if numbers is not None:
            numbers = numbers[rows]
        return _Plan(indices[rows], len(ours), whole, numbers, partners, mix)

    def _draw_mix(self, generator: np.random.Generator) -> _Mix:
        """Draw how a batch is mixed: mixup (Zhang and others, 2017), cutmix (Yun and others, 2019).

        Under cutmix a box of the share that is drawn is cut at the image's edges, and the share
        that counts is that of the pixels.
        """
        mixing = self._spec.regularization
        share = float(generator.beta(mixing.mixup_alpha, mixing.mixup_alpha))
        if mixing.mix == "mixup":
            return _Mix(share, None)
        size = DATASETS[self._spec.dataset].size
        side = size * (1 - share) ** 0.5
        box = tuple(
            slice(round(max(0.0, middle - side / 2)), round(min(float(size), middle + side / 2)))
            for middle in generator.uniform(0, size, 2)
        )
        area = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
        return _Mix(1 - area / size**2, (box[0], box[1]))

    def _prepare(self, pixels: Tensor, labels: Tensor, plan: _Plan) -> Batch:
        images = pixels.to(torch.float32, memory_format=torch.channels_last)
        images = images.div_(self._largest_pixel)
        if plan.numbers is not None:
            images = self._augmenter.apply(images, plan.numbers.to(self._device, non_blocking=True))
        if plan.mix is None or plan.partners is None:
            return Batch(_laid_out(images), labels, whole=plan.whole)
        partners = plan.partners.to(self._device, non_blocking=True)
        own, other = images[: plan.count], images[partners]
        if plan.mix.box is None:
            mixed = torch.lerp(other, own, plan.mix.share)
        else:
            rows, columns = plan.mix.box
            mixed = own.clone()
            mixed[:, :, rows, columns] = other[:, :, rows, columns]
        share = torch.full((), plan.mix.share, dtype=torch.float32, device=self._device)
        return Batch(
            _laid_out(mixed), labels[: plan.count], labels[partners], share, whole=plan.whole
        )


def _laid_out(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
