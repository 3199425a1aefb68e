"""Datasets in memory, how they are divided, and the order in which an epoch goes through them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.builtin import DATASETS
from core.errors import DataUnavailable
from tests.worker.training.archives import idx
from worker.training import random
from worker.training.data import datasets
from worker.training.data.datasets import Images


def test_the_digits_have_the_sizes_that_are_stated(data_folder):
    train, test = datasets.load("digits", data_folder)

    assert (len(train), len(test)) == (1437, 360)
    assert train.pixels.shape == (1437, 1, 8, 8)
    assert set(train.labels.tolist()) == set(range(10))


def test_a_batch_is_floats_from_0_to_1_with_their_labels(data_folder):
    train, _ = datasets.load("digits", data_folder)

    images, labels = train.batch(torch.tensor([5, 2]))

    assert images.dtype == torch.float32
    assert 0 <= images.min() < images.max() <= 1
    torch.testing.assert_close(images, train.pixels[[5, 2]].float() / 16)
    assert labels.tolist() == train.labels[[5, 2]].tolist()


def test_mean_and_std_of_the_catalog_are_those_of_the_digits(data_folder):
    train, _ = datasets.load("digits", data_folder)
    pixels = train.pixels.double() / train.largest_pixel

    assert DATASETS["digits"].mean == pytest.approx([pixels.mean().item()], abs=1e-6)
    assert DATASETS["digits"].std == pytest.approx([pixels.std().item()], abs=1e-5)


def test_an_idx_file_is_read_in_its_shape(tmp_path):
    values = np.arange(24).reshape(2, 3, 4)
    (tmp_path / "file").write_bytes(idx(values))

    assert np.array_equal(datasets.read_idx(tmp_path / "file"), values)


def test_what_is_mapped_can_be_changed_without_a_change_to_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx(np.arange(24)))

    datasets.read_idx(path)[:] = 0

    assert path.read_bytes() == idx(np.arange(24))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ID",
        idx(np.arange(24))[:6],
        idx(np.arange(24))[:-1],
        idx(np.arange(24)) + b"1",
        bytes([0, 0, 13]) + idx(np.arange(24))[3:],  # of floats
    ],
)
def test_what_is_no_idx_file_of_bytes_or_not_whole_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(ValueError, match=r"^file is "):
        datasets.read_idx(tmp_path / "file")


TRAIN, TEST = 12, 10


def lay(folder, name, **replaced):
    """A small dataset in the data folder; `replaced` gives single files other contents."""
    dataset = DATASETS[name]
    place = folder / dataset.folder
    place.mkdir(parents=True)
    in_idx = name in datasets.IN_IDX_FILES
    for half, count in (("train", TRAIN), ("test", TEST)):
        shape = (count, dataset.size, dataset.size)
        if not in_idx:
            shape = (count, dataset.channels, *shape[1:])
        contents = {
            f"{half}_images": np.arange(np.prod(shape), dtype=np.int64).reshape(shape) % 256,
            f"{half}_labels": np.arange(count) % len(dataset.classes),
        } | {file: values for file, values in replaced.items() if file.startswith(half)}
        for file, values in contents.items():
            path = place / file.replace("_", "-")
            if in_idx:
                kind = "idx3" if file.endswith("images") else "idx1"
                name_of_file = f"{path.name.replace('test', 't10k')}-{kind}-ubyte"
                path.with_name(name_of_file).write_bytes(idx(values))
            else:
                np.save(path.with_suffix(".npy"), values.astype(np.uint8))
    return place


@pytest.fixture
def _small(monkeypatch):
    for name, dataset in list(DATASETS.items()):
        monkeypatch.setitem(DATASETS, name, replace(dataset, train_count=TRAIN, test_count=TEST))


small = pytest.mark.usefixtures("_small")


@small
@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_is_mapped_in_its_shape(tmp_path, name):
    lay(tmp_path, name)
    facts = DATASETS[name]

    for images, count in zip(datasets.load(name, tmp_path), (TRAIN, TEST), strict=True):
        assert images.pixels.shape == (count, facts.channels, facts.size, facts.size)
        assert images.pixels.dtype == torch.uint8
        assert images.labels.dtype == torch.int64
        assert images.pixels.flatten()[:300].tolist() == [number % 256 for number in range(300)]
        assert images.labels.tolist() == [number % len(facts.classes) for number in range(count)]


def test_a_dataset_that_is_not_there_is_asked_for_with_the_command(tmp_path):
    with pytest.raises(DataUnavailable, match="trainyard data fetch kmnist"):
        datasets.load("kmnist", tmp_path)


@small
@pytest.mark.parametrize("name", ["kmnist", "emnist_letters", "cifar10"])
@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"train_images": np.zeros((3, 28, 28))}, "the train images are uint8 (3, 28, 28)"),
        ({"test_labels": np.zeros(3)}, "the test labels are uint8 (3,)"),
        ({"test_labels": np.full(TEST, 77)}, "the test labels go from 77 to 77"),
    ],
)
def test_files_that_hold_something_else_are_called_damaged(tmp_path, name, replaced, words):
    place = lay(tmp_path, name, **replaced)

    with pytest.raises(DataUnavailable) as caught:
        datasets.load(name, tmp_path)

    for part in (str(place), "are damaged", words, f"trainyard data fetch {name}"):
        assert part in str(caught.value)


@small
@pytest.mark.parametrize("content", [b"", b"something else", None])
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_file_that_is_damaged_or_missing_is_called_so(tmp_path, name, content):
    place = lay(tmp_path, name)
    path = min(place.iterdir())
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataUnavailable, match="are damaged"):
        datasets.load(name, tmp_path)


@small
def test_an_array_of_objects_is_not_unpickled(tmp_path):
    place = lay(tmp_path, "cifar10")
    np.save(place / "train-labels.npy", np.array([{}] * TRAIN), allow_pickle=True)

    with pytest.raises(DataUnavailable, match="are damaged"):
        datasets.load("cifar10", tmp_path)


def numbered(labels):
    """Images that can be distinguished: each one's pixels are its number."""
    numbers = torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1)
    return Images(numbers.expand(-1, 1, 2, 2), torch.tensor(labels, dtype=torch.int64), 255)


def numbers_in(images):
    return images.pixels[:, 0, 0, 0].tolist()


@given(
    labels=st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3]), min_size=1, max_size=200),
    validation=st.floats(0, 0.5),
    seed=st.integers(0, 2**31 - 1),
)
def test_a_split_is_exact_stratified_and_keeps_the_order(labels, validation, seed):
    images = numbered(labels)

    train, kept_apart = datasets.split(
        images, subset=None, validation=validation, seed=seed, classes=4
    )

    count = round(len(labels) * validation)
    assert (kept_apart is None) == (count == 0)
    chosen = numbers_in(kept_apart) if kept_apart else []
    assert len(chosen) == count
    assert chosen == sorted(chosen)
    assert numbers_in(train) == sorted(set(range(len(labels))) - set(chosen))
    for label in range(4):
        fair = count * labels.count(label) / len(labels)
        assert abs([labels[number] for number in chosen].count(label) - fair) < 1
    for part in filter(None, (train, kept_apart)):
        assert part.labels.tolist() == [labels[number] for number in numbers_in(part)]


def test_a_split_is_a_function_of_the_seed():
    images = numbered([0, 1] * 100)

    def chosen(seed):
        _, kept_apart = datasets.split(images, subset=None, validation=0.2, seed=seed, classes=2)
        return numbers_in(kept_apart)

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def test_a_subset_is_the_first_images_and_what_is_kept_apart_is_of_them():
    images = numbered([0, 1] * 100)

    train, kept_apart = datasets.split(images, subset=50, validation=0.2, seed=0, classes=2)

    assert sorted(numbers_in(train) + numbers_in(kept_apart)) == list(range(50))
    assert torch.bincount(kept_apart.labels).tolist() == [5, 5]


@pytest.mark.parametrize(("subset", "count"), [(None, 1437), (100, 100), (9999, 1437)])
def test_without_a_split_the_images_stay_mapped_from_the_file(data_folder, subset, count):
    images, _ = datasets.load("digits", data_folder)

    train, kept_apart = datasets.split(images, subset=subset, validation=0, seed=0, classes=10)

    assert kept_apart is None
    assert len(train) == count
    assert train.pixels.data_ptr() == images.pixels.data_ptr()
    assert train.labels.data_ptr() == images.labels.data_ptr()


def test_the_order_is_a_function_of_seed_and_epoch():
    assert torch.equal(random.order(1, 2, 100), random.order(1, 2, 100))
    assert not torch.equal(random.order(1, 2, 100), random.order(1, 3, 100))
    assert not torch.equal(random.order(1, 2, 100), random.order(2, 2, 100))
    assert sorted(random.order(1, 2, 100).tolist()) == list(range(100))
