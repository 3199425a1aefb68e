"""The datasets that come with Trainyard: facts only, so the web can show them without torch."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Literal, get_args

from core.datasets.info import DatasetInfo, Framing

DatasetName = Literal[
    "mnist",
    "fashion_mnist",
    "kmnist",
    "emnist_balanced",
    "emnist_letters",
    "cifar10",
    "digits",
]


_DIGITS = tuple(string.digits)
# capitals and small letters that look alike are one class, under the capital's name
_EMNIST_BALANCED = (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")
_EMNIST_SOURCE = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
_EMNIST_LICENSE = "None named; made of NIST Special Database 19"
# Cohen et al., EMNIST: an extension of MNIST to handwritten letters (2017), figure 1: a border of
# two pixels, and blurred
_EMNIST_FRAMING = Framing(box=24, center="box", stroke=3)

DATASETS: dict[str, DatasetInfo] = {
    dataset.name: dataset
    for dataset in (
        DatasetInfo(
            name="mnist",
            title="MNIST",
            description="Handwritten digits, 28x28 gray pixels: 60,000 to train, 10,000 to test.",
            channels=1,
            size=28,
            classes=_DIGITS,
            mean=(0.130660,),
            std=(0.308108,),
            train_count=60_000,
            test_count=10_000,
            folder="MNIST/raw",
            largest_pixel=255,
            license="CC BY-SA 3.0",
            source="http://yann.lecun.com/exdb/mnist/",
            framing=Framing(box=20, center="mass", stroke=2.75),
        ),
        DatasetInfo(
            name="fashion_mnist",
            title="Fashion-MNIST",
            description="Articles of clothing in the format of MNIST; a harder drop-in.",
            channels=1,
            size=28,
            classes=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            mean=(0.286041,),
            std=(0.353024,),
            train_count=60_000,
            test_count=10_000,
            folder="FashionMNIST/raw",
            largest_pixel=255,
            license="MIT",
            source="https://github.com/zalandoresearch/fashion-mnist",
        ),
        DatasetInfo(
            name="kmnist",
            title="KMNIST",
            description="Cursive hiragana of classical Japanese books in the format of MNIST: each "
            "class holds the several old forms of one character.",
            channels=1,
            size=28,
            classes=(
                "o (お)",
                "ki (き)",
                "su (す)",
                "tsu (つ)",
                "na (な)",
                "ha (は)",
                "ma (ま)",
                "ya (や)",
                "re (れ)",
                "wo (を)",
            ),
            # as published with many networks for it; to be computed again where the files are
            mean=(0.1918,),
            std=(0.3483,),
            train_count=60_000,
            test_count=10_000,
            folder="KMNIST/raw",
            largest_pixel=255,
            license="CC BY-SA 4.0",
            source="https://github.com/rois-codh/kmnist",
            framing=Framing(box=26, center="box", stroke=2.5),
        ),
        DatasetInfo(
            name="emnist_balanced",
            title="EMNIST balanced",
            description="Handwritten digits and letters in 47 classes of the same size: 112,800 to "
            "train, 18,800 to test. The download is 560 MB, and brings EMNIST letters too.",
            channels=1,
            size=28,
            classes=_EMNIST_BALANCED,
            # as published with many networks for it; to be computed again where the files are
            mean=(0.1751,),
            std=(0.3332,),
            train_count=112_800,
            test_count=18_800,
            folder="EMNIST/balanced",
            largest_pixel=255,
            license=_EMNIST_LICENSE,
            source=_EMNIST_SOURCE,
            framing=_EMNIST_FRAMING,
        ),
        DatasetInfo(
            name="emnist_letters",
            title="EMNIST letters",
            description="Handwritten letters, capital and small as one class: 124,800 to train, "
            "20,800 to test. The download is 560 MB, and brings EMNIST balanced too.",
            channels=1,
            size=28,
            classes=tuple(string.ascii_uppercase),
            # as published with many networks for it; to be computed again where the files are
            mean=(0.1722,),
            std=(0.3309,),
            train_count=124_800,
            test_count=20_800,
            folder="EMNIST/letters",
            largest_pixel=255,
            license=_EMNIST_LICENSE,
            source=_EMNIST_SOURCE,
            framing=_EMNIST_FRAMING,
        ),
        DatasetInfo(
            name="cifar10",
            title="CIFAR-10",
            description="Photographs of animals and vehicles, 32x32 colored pixels: 50,000 to "
            "train, 10,000 to test. The download is 170 MB.",
            channels=3,
            size=32,
            classes=(
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            ),
            # as in Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU (2024), its listing
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2435, 0.2616),
            train_count=50_000,
            test_count=10_000,
            folder="CIFAR10",
            largest_pixel=255,
            license="None named; its authors ask to be cited",
            source="https://www.cs.toronto.edu/~kriz/cifar.html",
        ),
        DatasetInfo(
            name="digits",
            title="Digits (scikit-learn)",
            description="1,797 handwritten digits of 8x8 pixels, inside a Python package: "
            "a whole run takes seconds.",
            channels=1,
            size=8,
            classes=_DIGITS,
            mean=(0.305447,),
            std=(0.376037,),
            train_count=1_437,
            test_count=360,
            folder="digits",
            largest_pixel=16,
            license="CC BY 4.0",
            source="https://archive.ics.uci.edu/dataset/80/"
            "optical+recognition+of+handwritten+digits",
            framing=Framing(box=8, center="box", stroke=2),
        ),
    )
}

assert set(DATASETS) == set(get_args(DatasetName))


def present(folder: Path) -> list[str]:
    """The datasets that lie in a data folder; the digits, which need no download, always do."""
    return [
        name
        for name, dataset in DATASETS.items()
        if name == "digits" or (folder / dataset.folder).is_dir()
    ]
