"""The networks, and the digest of their weights."""

import io
from dataclasses import replace

import onnxruntime
import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from core.datasets.builtin import DATASETS
from core.spec.hyperparameters import CNN, MLP, ResNet, ResNet18
from worker.training.model.network import (
    FlattenByPixel,
    LinearByPixel,
    ResidualBlock,
    build,
    digest,
    portable_weights,
)

FORMATS = {
    **DATASETS,
    "letters": replace(DATASETS["mnist"], classes=tuple(str(number) for number in range(47))),
    "photos": replace(
        DATASETS["mnist"],
        channels=3,
        size=32,
        mean=(0.1, 0.5, 0.9),
        std=(0.5, 0.25, 0.125),
    ),
    "odd": replace(DATASETS["mnist"], channels=2, size=11, classes=("a", "b", "c")),
}
PHOTOS = FORMATS["photos"]

MODELS = {
    "tutorial": CNN(),
    "batch norm, dropout": CNN(batch_norm=True, dropout=0.5),
    "pooled after each": CNN(
        kernel_size=3, channels=(4, 8, 8), stem="stride", pooling="every", batch_norm=True
    ),
    "stride": CNN(kernel_size=3, channels=(4, 8, 8), stem="stride", batch_norm=True),
    "resnet": ResNet(width=4),
    "resnet18": ResNet18(),
    "mlp": MLP(hidden=(32, 16), dropout=0.5),
}

each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
each_format = pytest.mark.parametrize("dataset", FORMATS.values(), ids=FORMATS)


def images_of(dataset, count):
    return torch.rand(count, dataset.channels, dataset.size, dataset.size)


def test_the_default_network_is_the_tutorials():
    torch.manual_seed(0)
    by_hand = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 256, 5, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256 * 7 * 7, 10),
    )

    torch.manual_seed(0)
    network = build(CNN(), DATASETS["mnist"])

    assert digest(portable_weights(network)) == digest(portable_weights(by_hand))
    images = torch.rand(2, 1, 28, 28)
    # it adds up the same products pixel by pixel, not channel by channel
    torch.testing.assert_close(network(images), by_hand(images))


def test_batch_norm_and_dropout_take_their_places_in_the_tutorials_network():
    # files of runs that are over name their weights by these places
    torch.manual_seed(0)
    by_hand = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(6 * 4 * 4, 10),
    )

    torch.manual_seed(0)
    model = CNN(kernel_size=3, channels=(4, 6), batch_norm=True, dropout=0.5)
    network = build(model, DATASETS["digits"])

    assert digest(portable_weights(network)) == digest(portable_weights(by_hand))
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(network.eval()(images), by_hand.eval()(images))


@each_format
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("channels", [(4,), (4, 4), (2, 3, 4, 5, 6, 7)])
@pytest.mark.parametrize("stem", ["pool", "stride"])
def test_every_convolutional_network_takes_every_dataset(dataset, kernel_size, channels, stem):
    model = CNN(kernel_size=kernel_size, channels=channels, stem=stem, batch_norm=True, dropout=0.5)

    scores = build(model, dataset)(images_of(dataset, 3))

    assert scores.shape == (3, len(dataset.classes))


@each_format
@each_model
def test_every_network_takes_every_dataset(model, dataset):
    scores = build(model, dataset)(images_of(dataset, 3))

    assert scores.shape == (3, len(dataset.classes))


@each_model
def test_a_network_in_use_takes_a_single_image(model):
    network = build(model, DATASETS["digits"]).eval()

    assert network(images_of(DATASETS["digits"], 1)).isfinite().all()


@each_model
def test_every_weight_of_a_network_is_trained(model):
    network = build(model, PHOTOS)

    network(images_of(PHOTOS, 4)).square().sum().backward()

    assert all(weight.grad is not None and weight.grad.any() for weight in network.parameters())


@each_model
def test_the_same_seed_draws_the_same_network(model):
    def drawn():
        torch.manual_seed(3)
        return digest(portable_weights(build(model, PHOTOS)))

    assert drawn() == drawn()


@each_model
def test_the_memory_layout_changes_nothing(model):
    network, images = build(model, PHOTOS).eval(), images_of(PHOTOS, 4)
    plain = network(images)

    network.to(memory_format=torch.channels_last)
    scores = network(images.contiguous(memory_format=torch.channels_last))

    torch.testing.assert_close(scores, plain, rtol=1e-4, atol=1e-5)


@each_model
def test_a_network_compiles_as_one_graph(model):
    network, images = build(model, PHOTOS, normalize=True).eval(), images_of(PHOTOS, 4)

    compiled = torch.compile(network, backend="eager", fullgraph=True)

    assert torch.equal(compiled(images), network(images))


@each_model
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of its first exporter
def test_an_exported_network_gives_the_same_scores_for_any_number_of_images(model):
    network, images = build(model, PHOTOS, normalize=True).eval(), images_of(PHOTOS, 5)
    file = io.BytesIO()

    torch.onnx.export(
        network,
        (images[:2],),
        file,
        dynamo=False,
        input_names=["images"],
        dynamic_axes={"images": {0: "batch"}},
    )

    (scores,) = onnxruntime.InferenceSession(file.getvalue()).run(None, {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(scores), network(images), rtol=1e-4, atol=1e-4)


def test_a_stem_with_a_stride_takes_the_place_of_a_max_pool():
    network = build(CNN(kernel_size=3, channels=(4, 8, 8), stem="stride"), DATASETS["mnist"])

    first, second = (
        layer for layer in network if isinstance(layer, nn.Conv2d) if layer.in_channels < 8
    )
    assert (first.kernel_size, first.stride, first.padding) == ((5, 5), (2, 2), (2, 2))
    assert (second.kernel_size, second.stride, second.padding) == ((3, 3), (1, 1), (1, 1))
    assert [type(layer) for layer in network] == [
        *(nn.Conv2d, nn.ReLU),
        *(nn.Conv2d, nn.ReLU),
        *(nn.Conv2d, nn.MaxPool2d, nn.ReLU),
        *(FlattenByPixel, LinearByPixel),
    ]


@pytest.mark.parametrize("depth", [8, 14, 20, 32])
def test_the_depth_of_a_residual_network_is_its_layers_with_weights(depth):
    network = build(ResNet(depth=depth, width=4), PHOTOS)

    weighty = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Linear)
        or (isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1))
    ]
    assert len(weighty) == depth


def test_a_residual_block_adds_what_went_in():
    block = ResidualBlock(4, 4).eval()
    nn.init.zeros_(block.convolutions[-1].weight)
    images = torch.rand(2, 4, 8, 8)

    assert torch.equal(block(images), images)


def test_a_residual_block_projects_where_its_shape_changes():
    block = ResidualBlock(4, 8, stride=2).eval()

    assert block(torch.rand(2, 4, 7, 7)).shape == (2, 8, 4, 4)
    assert block.shortcut[0].kernel_size == (1, 1)
    assert isinstance(block.shortcut[1], nn.BatchNorm2d)


def test_the_weights_of_residual_networks_keep_the_size_of_gradients():
    """He and others (2015, "Delving deep"), equation 14: a std of sqrt(2 / fan out)."""
    for network in (build(ResNet(width=64), PHOTOS), build(ResNet18(), PHOTOS)):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                fan_out = layer.out_channels * layer.kernel_size[0] ** 2
                assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)


def test_the_resnet18_is_torchvisions_but_for_its_beginning():
    ours, theirs = build(ResNet18(), PHOTOS), resnet18(num_classes=10)

    different = {
        name
        for name, weight in theirs.state_dict().items()
        if weight.shape != ours.state_dict()[name].shape
    }
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert different == {"conv1.weight"}
    seen = []
    ours.layer1.register_forward_hook(lambda *called: seen.append(called[-1].shape))
    ours(images_of(PHOTOS, 2))
    assert seen == [(2, 64, 32, 32)]


def test_a_perceptron_drops_features_before_its_last_layer_only():
    network = build(MLP(hidden=(8, 4), dropout=0.5), DATASETS["digits"])

    assert str(network) == str(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 8),
            nn.ReLU(),
            nn.Linear(8, 4),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4, 10),
        )
    )


def test_images_are_normalized_inside_the_network():
    network = build(CNN(), PHOTOS, normalize=True).eval()
    images = images_of(PHOTOS, 2)
    by_hand = torch.stack(
        [(images[:, 0] - 0.1) / 0.5, (images[:, 1] - 0.5) / 0.25, (images[:, 2] - 0.9) / 0.125], 1
    )

    torch.testing.assert_close(network(images), network.network(by_hand))


def test_normalization_draws_no_numbers_and_trains_no_weights():
    torch.manual_seed(0)
    plain = build(CNN(), DATASETS["digits"])
    torch.manual_seed(0)
    normalizing = build(CNN(), DATASETS["digits"], normalize=True)

    assert digest(portable_weights(normalizing.network)) == digest(portable_weights(plain))
    assert len(list(normalizing.parameters())) == len(list(plain.parameters()))


def test_the_digest_sees_every_change_of_the_weights():
    weights = portable_weights(build(CNN(), DATASETS["digits"]))
    before = digest(weights)

    weights["0.bias"][0] += 1e-6

    assert digest(weights) != before


def test_the_digest_does_not_depend_on_the_memory_layout():
    network = build(CNN(), DATASETS["digits"])
    before = digest(portable_weights(network))

    network.to(memory_format=torch.channels_last)

    assert digest(portable_weights(network)) == before
