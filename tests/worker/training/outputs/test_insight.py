"""What a network has learned: its filters, and the plane of its last features."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from core import predictions
from core.spec.presets import resolve
from tests.worker.training.outputs.test_exports import trained
from worker.training.data import datasets
from worker.training.outputs import insight

DIGITS = {"dataset": "digits", "model": {"channels": [6, 8]}}


@pytest.fixture
def images(data_folder):
    return datasets.load("digits", data_folder)[1]


def picture(shown):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.image)))).astype(int)


def test_a_filter_is_shown_by_its_weights():
    spec = resolve("tutorial", DIGITS)
    network = trained(spec)

    shown, count = insight.filters(network, spec)

    weights = network[0].weight.detach()
    assert count == len(weights) == 6
    for each, of in zip(shown, weights, strict=True):
        assert (each.lowest, each.highest) == (of.min().item(), of.max().item())
        pixels = picture(each)
        assert pixels.shape == (*of.shape[1:], 3)
        strongest = np.unravel_index(of[0].abs().argmax().item(), of[0].shape)
        expected = insight.HIGH if of[0][strongest] > 0 else insight.LOW
        assert (pixels[strongest] == expected).all()


def test_a_filter_of_color_images_is_in_color():
    spec = resolve("tutorial", {"dataset": "cifar10", "model": {"kind": "resnet", "width": 4}})
    network = trained(spec)

    shown, _ = insight.filters(network, spec)

    [first, *_] = network[0].weight.detach()
    expected = ((first / first.abs().max() + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert (picture(shown[0]) == expected).all()


def test_a_network_without_convolutions_shows_weights_as_images(monkeypatch):
    monkeypatch.setattr(insight, "MOST_FILTERS", 5)
    spec = resolve("tutorial", {"dataset": "digits", "model": {"kind": "mlp", "hidden": [8]}})

    shown, count = insight.filters(trained(spec), spec)

    assert (len(shown), count) == (5, 8)
    assert picture(shown[0]).shape == (8, 8, 3)


@pytest.mark.parametrize("exact_up_to", [1024, 4], ids=["all components", "the first ones"])
def test_the_plane_is_that_of_the_principal_components(exact_up_to, monkeypatch):
    monkeypatch.setattr(insight, "EXACT_UP_TO", exact_up_to)
    generator = torch.Generator().manual_seed(3)
    spread = torch.tensor([9.0, 5.0, *[0.5] * 18])
    features = torch.randn(200, 20, generator=generator) * spread + 7

    places, shares = insight.project(features)

    centered = (features - features.mean(0)).double().numpy()
    values, vectors = np.linalg.eigh(centered.T @ centered)
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum(), rtol=1e-6)
    expected = centered @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(places.numpy()), np.abs(expected), rtol=1e-3, atol=1e-3)


def test_features_that_never_differ_lie_in_one_place():
    places, shares = insight.project(torch.ones(5, 3))

    assert places.abs().max() == 0
    assert shares == [0.0, 0.0]


def test_one_feature_makes_a_line():
    places, shares = insight.project(torch.arange(5.0)[:, None])

    assert places[:, 0].tolist() == [-2, -1, 0, 1, 2]
    assert (places[:, 1].tolist(), shares) == ([0] * 5, [1.0, 0.0])


def test_the_points_are_those_of_the_test_images_and_equal_each_time(images):
    spec = resolve("tutorial", DIGITS)
    network = trained(spec).eval()

    content = insight.compute(network, spec, images)

    assert insight.compute(network, spec, images) == content
    embedding = json.loads(content)["embedding"]
    assert embedding["count"] == embedding["total"] == len(images)
    x, y = (np.array(predictions.unpack(embedding[axis])) for axis in "xy")
    assert (x.min(), y.min(), max(x.max(), y.max())) == (0, 0, insight.FINEST)
    assert list(predictions.unpack(embedding["labels"])) == images.labels.tolist()
    assert embedding["features"] == network[-1].in_features
    assert 0 < embedding["explained"][1] <= embedding["explained"][0] <= 1


def test_of_a_large_set_images_are_taken_evenly():
    chosen = insight._places(20_800, multiply_adds=1000)

    assert (len(chosen), chosen[0].item(), chosen[-1].item()) == (5000, 0, 20_795)
    assert len(insight._places(10_000, multiply_adds=500_000_000)) == 600
