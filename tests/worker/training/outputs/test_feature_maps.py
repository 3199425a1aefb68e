"""What the layers of a network see, by onnxruntime and by torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from core.spec.presets import resolve
from tests.worker.training.outputs.test_exports import images_of, scores_of, trained
from worker.training.outputs import exports, feature_maps
from worker.training.outputs.feature_maps import Tapped

NETWORKS = {
    "cnn": ({"dataset": "digits", "model": {"channels": [4, 6]}}, 2),
    "batch norm": ({"model": {"channels": [4, 6, 8], "batch_norm": True, "stem": "stride"}}, 3),
    "normalized": (
        {"dataset": "digits", "data": {"normalize": True}, "model": {"channels": [3]}},
        1,
    ),
    "resnet": ({"dataset": "cifar10", "model": {"kind": "resnet", "width": 4}}, 4),
    "mlp": ({"dataset": "digits", "model": {"kind": "mlp", "hidden": [8]}}, 0),
}


def run(exported, images):
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images.numpy()}), strict=True))


@pytest.mark.parametrize(("changes", "count"), NETWORKS.values(), ids=NETWORKS)
def test_the_maps_are_those_that_torch_computes(changes, count):
    spec = resolve("tutorial", changes)
    network = trained(spec).eval()
    images = images_of(spec, 3).contiguous()

    found = run(feature_maps.export(network, spec), images)

    assert list(found) == ["scores", *(f"maps_{n + 1}" for n in range(count))]
    np.testing.assert_allclose(found["scores"], scores_of(network, images), atol=1e-4)
    seen = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _given, output: seen.append(output.clone()))
        for layer in feature_maps.layers(network)
    ]
    scores_of(network, images)
    for hook in hooks:
        hook.remove()
    for number, maps in enumerate(each for each in seen if each.dim() == 4):
        np.testing.assert_allclose(found[f"maps_{number + 1}"], maps, atol=1e-4)
        assert (found[f"maps_{number + 1}"] >= 0).all()  # after the ReLU


def test_the_first_maps_are_the_first_convolution_of_the_image():
    spec = resolve("tutorial", {"dataset": "digits", "model": {"channels": [4], "kernel_size": 3}})
    network = trained(spec).eval()
    image = images_of(spec, 1).contiguous()

    found = run(feature_maps.export(network, spec), image)["maps_1"]

    convolution = network[0]
    with torch.inference_mode():
        expected = torch.nn.functional.conv2d(
            image, convolution.weight, convolution.bias, padding=1
        )
        if expected.shape != found.shape:  # this layer pools
            expected = torch.nn.functional.max_pool2d(expected, 2)
    np.testing.assert_allclose(found, expected.relu(), atol=1e-4)


def test_one_whose_maps_are_not_those_of_the_network_is_refused(monkeypatch):
    spec = resolve("tutorial", {"dataset": "digits", "model": {"channels": [4]}})
    traced = exports.traced

    def other(_network, *given):
        return traced(Tapped(trained(spec, seed=1).eval()), *given)

    monkeypatch.setattr(exports, "traced", other)

    with pytest.raises(exports.ExportFailed):
        feature_maps.export(trained(spec).eval(), spec)
