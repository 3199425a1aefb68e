"""Augmentation of training images, on the device: different at each epoch.

The random numbers are drawn beforehand, a row for each image, and the transformation is a function
of them. So a batch can be split over devices, or computed again, with the same result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.datasets.info import DatasetInfo
from core.spec.hyperparameters import Augmentation

# the columns of the drawn numbers
_DOWN, _RIGHT, _CROP_DOWN, _CROP_RIGHT, _TURN, _SCALE, _SHEAR, _FLIP = range(8)
_ERASE_DOWN, _ERASE_RIGHT, _BRIGHTNESS, _CONTRAST, _SATURATION = range(8, 13)
_COLUMNS = 13

# ITU-R BT.601, as Pillow and torchvision turn colors into gray
_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class _Ranges:
    """The ranges of the transformations, in the units of the spec; 0 turns one off."""

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    flip: bool = False
    crop: int = 0
    erase: float = 0.0
    color: float = 0.0


class Augmenter:
    """The transformations that a spec asks for, applied to batches of images."""

    def __init__(self, choice: Augmentation, dataset: DatasetInfo) -> None:
        self._ranges = ranges = _Ranges(**choice.model_dump(exclude={"kind"}))
        self._size = dataset.size
        self._moves = any(
            (ranges.shift, ranges.rotation, ranges.scale, ranges.shear, ranges.flip, ranges.crop)
        )
        self._erased = round(ranges.erase * dataset.size)
        self.is_idle = not (self._moves or self._erased or ranges.color)
        """Whether images stay as they are."""

    @staticmethod
    def draw(generator: torch.Generator, count: int) -> Tensor:
        """Draw the random numbers for `count` images: float32 (count, 13), uniform on [0, 1)."""
        return torch.rand((count, _COLUMNS), generator=generator)

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Augment a batch of images.

        Args:
            images: float32 (count, channels, size, size) in [0, 1]; 0 is what lies around an image.
            numbers: a row of `draw` for each of them, on the same device.

        Returns:
            The augmented images, of the same type and shape.
        """
        if self._moves:
            images = self._move(images, numbers)
        if self._ranges.color:
            images = self._recolor(images, numbers)
        if self._erased:
            images = self._erase(images, numbers)
        return images

    def _move(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Shift, rotate, scale, shear, flip and crop, in one bilinear resampling."""
        grid = functional.affine_grid(
            self._matrices(numbers), list(images.shape), align_corners=False
        )
        return functional.grid_sample(images, grid, align_corners=False)

    def _matrices(self, numbers: Tensor) -> Tensor:
        """The affine maps from places in the new images to the old: float32 (count, 2, 3).

        Coordinates go from -1 to 1, as `torch.nn.functional.affine_grid` has them.
        """
        ranges = self._ranges
        spread = numbers * 2 - 1
        turn = spread[:, _TURN] * math.radians(ranges.rotation)
        shear = torch.tan(spread[:, _SHEAR] * math.radians(ranges.shear))
        zoom = 1 / (1 + spread[:, _SCALE] * ranges.scale)
        across = zoom
        if ranges.flip:
            across = zoom * torch.where(numbers[:, _FLIP] < 0.5, -1.0, 1.0)
        cosine, sine = torch.cos(turn), torch.sin(turn)
        pixel = 2 / self._size
        right = spread[:, _RIGHT] * ranges.shift + self._whole(numbers[:, _CROP_RIGHT])
        down = spread[:, _DOWN] * ranges.shift + self._whole(numbers[:, _CROP_DOWN])
        slanted_cosine = shear * cosine * across - sine * zoom
        slanted_sine = shear * sine * across + cosine * zoom
        first = torch.stack((cosine * across, slanted_cosine, right * pixel), 1)
        second = torch.stack((sine * across, slanted_sine, down * pixel), 1)
        return torch.stack((first, second), 1)

    def _whole(self, numbers: Tensor) -> Tensor:
        """Whole pixels from -crop to crop, each as likely."""
        crop = self._ranges.crop
        return torch.floor(numbers * (2 * crop + 1)) - crop

    def _recolor(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Change brightness, then contrast, then saturation."""
        factors = 1 + (numbers * 2 - 1) * self._ranges.color
        brightness, contrast, saturation = (
            factors[:, column].view(-1, 1, 1, 1) for column in (_BRIGHTNESS, _CONTRAST, _SATURATION)
        )
        images = (images * brightness).clamp_(0, 1)
        mean = self._grey(images).mean((1, 2, 3), keepdim=True)
        images = torch.lerp(mean, images, contrast).clamp_(0, 1)
        return torch.lerp(self._grey(images), images, saturation).clamp_(0, 1)

    @staticmethod
    def _grey(images: Tensor) -> Tensor:
        weights = torch.tensor(_GREY, device=images.device).view(1, 3, 1, 1)
        return (images * weights).sum(1, keepdim=True)

    def _erase(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Blank a square around a random pixel; it may reach over the edge.

        This is Cutout (DeVries and Taylor, 2017).
        """
        place = torch.arange(self._size, device=images.device)

        def is_inside(column: int) -> Tensor:
            first = torch.floor(numbers[:, column] * self._size) - self._erased // 2
            offset = place - first.unsqueeze(1)
            return (offset >= 0) & (offset < self._erased)

        blank = is_inside(_ERASE_DOWN).unsqueeze(2) & is_inside(_ERASE_RIGHT).unsqueeze(1)
        return images.masked_fill(blank.unsqueeze(1), 0.0)
