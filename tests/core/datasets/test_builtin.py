"""The built-in datasets: what is said of each fits together."""

from typing import get_args

import pytest

from core.datasets.builtin import DATASETS, DatasetName


@pytest.fixture(params=DATASETS)
def dataset(request):
    return DATASETS[request.param]


def test_every_name_that_a_spec_may_give_has_an_entry_and_every_entry_a_name():
    assert set(DATASETS) == set(get_args(DatasetName))
    assert all(name == dataset.name for name, dataset in DATASETS.items())


def test_each_channel_has_a_mean_and_a_std_of_scaled_pixels(dataset):
    assert len(dataset.mean) == len(dataset.std) == dataset.channels
    assert all(0 < mean < 1 for mean in dataset.mean)
    # no values from 0 to 1 lie further from their mean
    pairs = zip(dataset.mean, dataset.std, strict=True)
    assert all(0 < std < (mean * (1 - mean)) ** 0.5 for mean, std in pairs)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mnist", 10),
        ("fashion_mnist", 10),
        ("kmnist", 10),
        ("emnist_balanced", 47),
        ("emnist_letters", 26),
        ("cifar10", 10),
        ("digits", 10),
    ],
)
def test_every_class_has_a_name_of_its_own(name, count):
    assert len(set(DATASETS[name].classes)) == len(DATASETS[name].classes) == count


def test_small_letters_of_emnist_balanced_are_classes_only_where_they_look_different():
    classes = DATASETS["emnist_balanced"].classes

    assert "".join(classes) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"


def test_no_dataset_lies_in_the_folder_of_another():
    folders = [f"{dataset.folder}/" for dataset in DATASETS.values()]

    for folder in folders:
        assert [other for other in folders if other.startswith(folder)] == [folder]


def test_each_says_what_it_is_under_what_licence_and_where_it_is_from(dataset):
    assert dataset.title
    assert dataset.description.endswith(".")
    assert dataset.license
    assert dataset.source.startswith("http")


@pytest.mark.parametrize("name", ["emnist_balanced", "emnist_letters", "cifar10"])
def test_a_large_download_is_announced(name):
    assert "download is" in DATASETS[name].description
