"""The test images of a dataset as one file of bytes, for pages that show some of them.

Pixels from 0 to 255, one after the other: an image's rows from the top, all channels of a pixel
together. All images of a dataset have one size, so that any of them is read without the others.
"""

from __future__ import annotations

import torch

from worker.training.data.datasets import Images


def packed(images: Images) -> bytes:
    """The bytes of all images: count x size x size x channels."""
    pixels = images.pixels
    if images.largest_pixel != 255:
        pixels = pixels.float().mul(255 / images.largest_pixel).round().to(torch.uint8)
    return pixels.movedim(1, -1).contiguous().numpy().tobytes()
