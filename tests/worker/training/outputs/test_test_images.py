"""The test images of a dataset as bytes."""

from __future__ import annotations

import torch

from worker.training.data.datasets import Images
from worker.training.outputs import test_images


def test_an_image_lies_row_by_row_with_its_channels_together():
    pixels = torch.arange(2 * 3 * 4, dtype=torch.uint8).view(1, 2, 3, 4)[:, :, :2, :2]
    images = Images(pixels, torch.zeros(1, dtype=torch.int64), 255)

    assert list(test_images.packed(images)) == [0, 12, 1, 13, 4, 16, 5, 17]


def test_the_brightest_pixel_of_any_dataset_is_255():
    images = Images(torch.tensor([[[[0, 8, 16]]]], dtype=torch.uint8), torch.zeros(1), 16)

    assert list(test_images.packed(images)) == [0, 128, 255]
