"""Augmentation changes images as it says, by the numbers that it is given and nothing else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.builtin import DATASETS
from core.spec.hyperparameters import Clothes, Handwriting, NoAugmentation, Photos
from worker.training.data import augmentation
from worker.training.data.augmentation import Augmenter

MNIST = DATASETS["mnist"]
MIDDLE = 0.5
STILL = {"rotation": 0, "scale": 0, "erase": 0}


def numbers(count=1, **chosen):
    drawn = torch.full((count, 13), MIDDLE)
    for name, value in chosen.items():
        drawn[:, getattr(augmentation, f"_{name.upper()}")] = value
    return drawn


def picture(channels=1, size=28):
    generator = torch.Generator().manual_seed(3)
    return torch.rand((1, channels, size, size), generator=generator)


def test_no_augmentation_does_nothing():
    augmenter = Augmenter(NoAugmentation(), MNIST)

    assert augmenter.is_idle
    assert torch.equal(augmenter.apply(picture(), numbers()), picture())


@pytest.mark.parametrize("choice", [Handwriting(), Clothes(flip=False)])
def test_numbers_in_the_middle_leave_an_image_where_it_is(choice):
    choice = choice.model_copy(update={"erase": 0.0})

    changed = Augmenter(choice, MNIST).apply(picture(), numbers())

    torch.testing.assert_close(changed, picture(), atol=1e-5, rtol=0)


def test_a_flip_mirrors_every_other_image():
    augmenter = Augmenter(Clothes(flip=True, crop=0, **STILL), MNIST)

    mirrored = augmenter.apply(picture(), numbers(flip=0.49))
    kept = augmenter.apply(picture(), numbers(flip=0.5))

    torch.testing.assert_close(mirrored, picture().flip(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(kept, picture(), atol=1e-5, rtol=0)


def test_a_crop_moves_by_whole_pixels_and_fills_with_nothing():
    augmenter = Augmenter(Clothes(flip=False, crop=2, **STILL), MNIST)

    cropped = augmenter.apply(picture(), numbers(crop_right=0.99, crop_down=0.0))

    expected = torch.zeros_like(picture())
    expected[:, :, 2:, :-2] = picture()[:, :, :-2, 2:]
    torch.testing.assert_close(cropped, expected, atol=1e-5, rtol=0)


def test_a_shift_reaches_as_far_as_it_says():
    augmenter = Augmenter(Handwriting(shift=3, rotation=0, scale=0, shear=0), MNIST)

    shifted = augmenter.apply(picture(), numbers(right=1.0))

    torch.testing.assert_close(shifted[..., :-3], picture()[..., 3:], atol=1e-4, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn():
    augmenter = Augmenter(Handwriting(rotation=90, shift=0, scale=0, shear=0), MNIST)

    turned = augmenter.apply(picture(), numbers(turn=1.0))

    expected = torch.rot90(picture(), 1, (2, 3))
    torch.testing.assert_close(turned, expected, atol=1e-4, rtol=0)


def test_a_larger_scale_enlarges():
    augmenter = Augmenter(Handwriting(scale=0.5, rotation=0, shift=0, shear=0), MNIST)
    dot = torch.zeros((1, 1, 28, 28))
    dot[..., 12:16, 12:16] = 1

    larger, smaller = (
        augmenter.apply(dot, numbers(scale=value)).sum().item() for value in (1.0, 0.0)
    )

    assert larger == pytest.approx(16 * 1.5**2, rel=0.15)
    assert smaller == pytest.approx(16 * 0.5**2, rel=0.15)


def test_an_erased_square_has_the_side_that_was_asked_for():
    augmenter = Augmenter(Clothes(flip=False, crop=0, erase=0.25, rotation=0, scale=0), MNIST)

    erased = augmenter.apply(torch.ones((1, 1, 28, 28)), numbers())

    assert (erased == 0).sum() == 7 * 7
    rows = torch.nonzero((erased == 0).any(3))[:, 2]
    assert rows.tolist() == list(range(11, 18))


def test_an_erased_square_at_the_edge_is_cut_off():
    augmenter = Augmenter(Clothes(flip=False, crop=0, erase=0.25, rotation=0, scale=0), MNIST)

    erased = augmenter.apply(torch.ones((1, 1, 28, 28)), numbers(erase_down=0.0, erase_right=0.999))

    assert (erased == 0).sum() == 4 * 4


def test_colors_change_within_their_bounds_and_stay_colors():
    photo = picture(channels=3, size=32)
    augmenter = Augmenter(Photos(flip=False, crop=0, color=0.5, **STILL), DATASETS["mnist"])

    brighter = augmenter.apply(photo * 0.5, numbers(brightness=1.0))
    gray = Augmenter(Photos(flip=False, crop=0, color=1.0, **STILL), DATASETS["mnist"]).apply(
        photo, numbers(saturation=0.0)
    )

    torch.testing.assert_close(brighter, photo * 0.75, atol=1e-5, rtol=0)
    torch.testing.assert_close(gray[:, 0], gray[:, 2], atol=1e-5, rtol=0)


@given(seed=st.integers(0, 2**32), choice=st.sampled_from([Handwriting(), Clothes(), Photos()]))
def test_an_image_is_varied_by_its_own_row_alone(seed, choice):
    channels = 3 if isinstance(choice, Photos) else 1
    augmenter = Augmenter(choice, MNIST)
    drawn = augmenter.draw(torch.Generator().manual_seed(seed), 5)
    images = torch.rand((5, channels, 28, 28), generator=torch.Generator().manual_seed(seed))

    together = augmenter.apply(images, drawn)
    apart = [augmenter.apply(images[n : n + 1], drawn[n : n + 1]) for n in range(5)]

    torch.testing.assert_close(together, torch.cat(apart))
    assert together.min() >= 0
    assert together.max() <= 1.0001
