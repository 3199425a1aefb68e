"""What is learned by, and what is measured."""

import pytest
import torch

from worker.training.optim.losses import loss_of, measure

SCORES = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 3.0]])
LABELS = torch.tensor([0, 1])


def test_cross_entropy_is_the_log_of_the_probability():
    expected = -(SCORES.softmax(1)[[0, 1], LABELS].log()).mean()

    torch.testing.assert_close(loss_of("cross_entropy", SCORES, LABELS), expected)


def test_the_hinge_loss_counts_what_comes_too_near():
    # the second image's right score is 1; the others come within a margin of 1 by 0 and by 3
    assert loss_of("multi_margin", SCORES, LABELS).item() == pytest.approx((0 + 3 / 3) / 2)


@pytest.mark.parametrize("kind", ["cross_entropy", "multi_margin"])
def test_the_measurement_is_the_loss_and_the_share_that_is_right(kind):
    loss, accuracy = measure(kind, SCORES, LABELS)

    assert loss == loss_of(kind, SCORES, LABELS).item()
    assert accuracy == 0.5
