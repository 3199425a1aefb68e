"""The sheet of augmented images: what is on it, and that it is what a run would see."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import DataUnavailable
from core.spec.hyperparameters import Handwriting, NoAugmentation
from core.spec.spec import TrainingSpec
from worker.training import random
from worker.training.data import datasets
from worker.training.data.batches import Batches
from worker.training.outputs import preview_image

NONE = NoAugmentation()
TURNED = Handwriting(rotation=45)


def cells(picture):
    """The gray images of a sheet: uint8 (16, side, side), each pixel enlarged; and its gaps."""
    sheet = np.asarray(Image.open(io.BytesIO(picture)))
    assert sheet.shape[2] == 2  # gray, and what can be seen through
    step = (len(sheet) + preview_image.GAP) // preview_image.ROWS
    side = step - preview_image.GAP
    starts = range(0, len(sheet), step)
    found = [sheet[y : y + side, x : x + side] for y in starts for x in starts]
    assert all((cell[..., 1] == 255).all() for cell in found)
    assert (sheet[..., 1] == 255).sum() == len(found) * side**2  # all else is gap
    return np.stack([cell[..., 0] for cell in found])


def shrunk(enlarged):
    """The images before they were enlarged to eight pixels a side, which must not blur them."""
    factor = enlarged.shape[1] // 8
    small = enlarged[:, ::factor, ::factor]
    assert (small.repeat(factor, 1).repeat(factor, 2) == enlarged).all()
    return small


def bytes_of(images):
    return (images[:16, 0] * 255).round().to(torch.uint8).numpy()


def test_without_augmentation_it_shows_the_first_images_of_the_first_epoch(data_folder):
    train, _ = datasets.load("digits", data_folder)

    found = cells(preview_image.draw("digits", NONE, 3, data_folder))

    assert found.shape == (16, 56, 56)
    images, _ = train.batch(random.order(3, 1, len(train))[:16])
    assert (shrunk(found) == bytes_of(images)).all()


def test_with_augmentation_it_shows_what_the_first_batch_of_a_run_holds(data_folder):
    train, _ = datasets.load("digits", data_folder)
    spec = TrainingSpec(dataset="digits", augmentation=TURNED, seed=3)
    batch = next(Batches(spec, train, torch.device("cpu")).epoch(1, 0))

    found = shrunk(cells(preview_image.draw("digits", TURNED, 3, data_folder)))

    assert (found == bytes_of(batch.images.clamp(0, 1))).all()
    assert (found != shrunk(cells(preview_image.draw("digits", NONE, 3, data_folder)))).any()


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(data_folder):
    drawn = preview_image.draw("digits", TURNED, 3, data_folder)

    assert preview_image.draw("digits", TURNED, 3, data_folder) == drawn
    assert preview_image.draw("digits", TURNED, 4, data_folder) != drawn


def test_a_sheet_in_color_keeps_its_colors():
    images = torch.zeros(16, 3, 32, 32)
    images[:, 0] = 1.5  # red, and more of it than can be shown

    sheet = Image.open(io.BytesIO(preview_image._png(images)))

    assert (sheet.mode, sheet.size) == ("RGBA", (262, 262))
    assert sheet.getpixel((0, 0)) == (255, 0, 0, 255)
    assert sheet.getpixel((64, 0)) == (0, 0, 0, 0)


def test_the_digits_are_made_where_they_are_not_there_yet(tmp_path):
    assert preview_image.draw("digits", NONE, 0, tmp_path)
    assert datasets.is_present("digits", tmp_path)


def test_nothing_is_fetched_for_a_preview(tmp_path, monkeypatch):
    monkeypatch.setattr(preview_image.download, "ensure", lambda *_: pytest.fail("it was fetched"))

    with pytest.raises(DataUnavailable, match="MNIST is not on this worker yet"):
        preview_image.draw("mnist", NONE, 0, tmp_path)
