"""The described shapes of a network, compared with the network that torch builds and runs."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.spec import spec
from core.spec.hyperparameters import CNN, MLP, ResNet, ResNet18
from core.spec.shapes import Block, smallest_map, summary, vanishes
from worker.training.model.network import FlattenByPixel, ResidualBlock, build

LETTERS = replace(DATASETS["mnist"], classes=tuple(str(number) for number in range(47)))
PHOTOS = replace(DATASETS["mnist"], channels=3, size=32)
ODD = replace(DATASETS["mnist"], channels=2, size=11, classes=("a", "b", "c"))
FORMATS = {
    "mnist": DATASETS["mnist"],
    "digits": DATASETS["digits"],
    "letters": LETTERS,
    "photos": PHOTOS,
    "odd": ODD,
}

MODELS = {
    "tutorial": CNN(),
    "one layer": CNN(channels=(4,)),
    "all layers": CNN(kernel_size=7, channels=(2, 3, 4, 5, 6, 7), batch_norm=True, dropout=0.5),
    "pooled after each": CNN(
        kernel_size=3, channels=(4, 8, 8), stem="stride", pooling="every", batch_norm=True
    ),
    "stride": CNN(kernel_size=3, channels=(4, 8, 8), stem="stride", batch_norm=True, dropout=0.1),
    "stride, one layer": CNN(kernel_size=3, channels=(4,), stem="stride"),
    "stride, all layers": CNN(channels=(2, 3, 4, 5, 6, 7), stem="stride"),
    "resnet 8": ResNet(width=4),
    "resnet 14": ResNet(depth=14, width=5),
    "resnet 20": ResNet(depth=20),
    "resnet 32": ResNet(depth=32, width=4),
    "resnet18": ResNet18(),
    "mlp": MLP(),
    "one hidden layer": MLP(hidden=(7,), dropout=0.5),
}

grid = pytest.mark.parametrize(
    ("model", "dataset"),
    [
        pytest.param(model, dataset, id=f"{name}-{kind}")
        for name, model in MODELS.items()
        for kind, dataset in FORMATS.items()
    ],
)


def built(model, dataset):
    """The network without memory behind its weights, and a batch of one image to match."""
    with torch.device("meta"):
        network = build(model, dataset).eval()
        return network, torch.empty(1, dataset.channels, dataset.size, dataset.size)


@grid
def test_parameters_are_those_that_torch_trains(model, dataset):
    network, _ = built(model, dataset)

    trained = sum(value.numel() for value in network.parameters())
    assert summary(model, dataset).parameters == trained


@grid
def test_multiply_adds_are_half_the_operations_that_torch_counts(model, dataset):
    network, image = built(model, dataset)

    with FlopCounterMode(display=False) as counter:
        network(image)

    assert summary(model, dataset).multiply_adds == counter.get_total_flops() / 2


@grid
def test_shapes_are_those_that_the_blocks_give(model, dataset):
    network, image = built(model, dataset)
    seen = []
    for module in shown_modules(network):
        module.register_forward_hook(lambda module, _, output: seen.append(shape(module, output)))

    network(image)

    assert [block.shape for block in summary(model, dataset).blocks] == seen


def shown_modules(network):
    """The modules whose output a block of the summary describes."""
    if not isinstance(network, nn.Sequential):  # torchvision's
        names = ("relu", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")
        return [network.get_submodule(name) for name in names]
    if any(isinstance(module, ResidualBlock) for module in network.modules()):
        return [network[0], *network[3:7], network[8]]
    shown = (nn.Conv2d, nn.MaxPool2d, nn.Flatten, FlattenByPixel, nn.Dropout, nn.Linear)
    return [module for module in network if isinstance(module, shown)]


def shape(module, output):
    _, *dimensions = output.shape
    return tuple(dimensions[:1] if isinstance(module, nn.AdaptiveAvgPool2d) else dimensions)


@grid
def test_the_sums_are_those_of_the_blocks(model, dataset):
    described = summary(model, dataset)

    assert described.parameters == sum(block.parameters for block in described.blocks)
    assert described.multiply_adds == sum(block.multiply_adds for block in described.blocks)


@grid
def test_the_smallest_map_is_the_smallest_that_batch_norm_sees(model, dataset):
    network, image = built(model, dataset)
    widths = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda *called: widths.append(called[-1].shape[-1]))

    network(image)

    assert smallest_map(model, dataset) == min(widths, default=None)


def test_the_tutorials_network():
    assert summary(CNN(), DATASETS["mnist"]).blocks == (
        Block("Conv 5x5", (8, 28, 28), 208, 156_800),
        Block("Max-pool 2x2", (8, 14, 14), 0, 0),
        Block("Conv 5x5", (16, 14, 14), 3_216, 627_200),
        Block("Conv 5x5", (32, 14, 14), 12_832, 2_508_800),
        Block("Max-pool 2x2", (32, 7, 7), 0, 0),
        Block("Conv 5x5", (256, 7, 7), 205_056, 10_035_200),
        Block("Flatten", (12_544,), 0, 0),
        Block("Linear", (10,), 125_450, 125_440),
    )
    described = summary(CNN(), DATASETS["mnist"])
    assert described.parameters == 346_762
    assert described.multiply_adds == 13_453_440


def test_the_residual_network_of_20_layers_is_the_papers():
    # 0.27 million parameters by table 6 of the paper, whose shortcuts have no weights
    described = summary(ResNet(depth=20), PHOTOS)

    assert [(block.name, block.shape) for block in described.blocks] == [
        ("Conv 3x3, batch norm", (16, 32, 32)),
        ("Stage 1: 3 blocks of 2 convolutions, 16 channels", (16, 32, 32)),
        ("Stage 2: 3 blocks of 2 convolutions, 32 channels", (32, 16, 16)),
        ("Stage 3: 3 blocks of 2 convolutions, 64 channels", (64, 8, 8)),
        ("Global average pool", (64,)),
        ("Linear", (10,)),
    ]
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert described.parameters - projections == 269_722


def test_a_block_is_named_by_what_is_special_about_it():
    model = CNN(kernel_size=3, channels=(4, 8), stem="stride", batch_norm=True, dropout=0.25)

    assert [block.name for block in summary(model, DATASETS["mnist"]).blocks] == [
        "Conv 5x5, stride 2, batch norm",
        "Conv 3x3, batch norm",
        "Flatten",
        "Dropout 0.25",
        "Linear",
    ]
    stage = summary(ResNet(), DATASETS["mnist"]).blocks[2]
    assert stage.name == "Stage 2: 1 block of 2 convolutions, 32 channels"


def test_networks_without_batch_norm_have_no_smallest_map():
    assert smallest_map(CNN(), DATASETS["digits"]) is None
    assert smallest_map(MLP(), DATASETS["digits"]) is None


def test_a_network_that_leaves_nothing_of_the_image_is_refused(monkeypatch):
    tiny = replace(DATASETS["digits"], size=4)
    model = CNN(kernel_size=3, channels=(4,) * 5)
    assert vanishes(model, tiny)
    assert not vanishes(model.model_copy(update={"channels": (4,) * 4}), tiny)
    monkeypatch.setitem(DATASETS, "digits", tiny)

    with pytest.raises(InvalidInput) as caught:
        spec.parse({"dataset": "digits", "model": model.model_dump(mode="json")})

    assert [error.field for error in caught.value.errors] == ["model.channels"]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
@pytest.mark.parametrize("stem", ["pool", "stride"])
def test_no_network_of_the_spec_makes_an_image_of_a_dataset_vanish(dataset, stem):
    assert not vanishes(CNN(channels=(4,) * 6, stem=stem), dataset)
