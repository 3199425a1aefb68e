"""Data sets in memory, and the order in which an epoch goes through them."""

import numpy as np
import pytest
import torch

from core.catalogue import DATASETS
from core.errors import DataUnavailable
from worker.training import datasets, random
from worker.training.evaluation import evaluate


def test_the_digits_have_the_sizes_of_the_catalogue(data_folder):
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


def write_idx(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">i4").tobytes()
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def test_an_idx_file_is_read_in_its_shape(tmp_path):
    values = np.arange(24).reshape(2, 3, 4)
    write_idx(tmp_path / "file", values)

    assert np.array_equal(datasets.read_idx(tmp_path / "file"), values)


def test_a_short_idx_file_is_called_damaged(tmp_path):
    write_idx(tmp_path / "file", np.arange(24).reshape(2, 3, 4))
    (tmp_path / "file").write_bytes((tmp_path / "file").read_bytes()[:-1])

    with pytest.raises(DataUnavailable, match="damaged"):
        datasets.read_idx(tmp_path / "file")


def test_a_data_set_of_the_wrong_size_is_called_damaged(tmp_path):
    raw = tmp_path / DATASETS["mnist"].folder
    for part in ("train", "t10k"):
        write_idx(raw / f"{part}-images-idx3-ubyte", np.zeros((3, 28, 28)))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.zeros(3))

    with pytest.raises(DataUnavailable, match="hold 3 and 3 images"):
        datasets.load("mnist", tmp_path)


def test_the_order_is_a_function_of_seed_and_epoch():
    assert torch.equal(random.order(1, 2, 100), random.order(1, 2, 100))
    assert not torch.equal(random.order(1, 2, 100), random.order(1, 3, 100))
    assert not torch.equal(random.order(1, 2, 100), random.order(2, 2, 100))
    assert sorted(random.order(1, 2, 100).tolist()) == list(range(100))


def test_evaluation_is_the_plain_mean_and_leaves_the_network_as_it_was(data_folder):
    _, images = datasets.load("digits", data_folder)
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Dropout(0.9), torch.nn.Linear(64, 10)
    )
    network.train()

    loss, accuracy = evaluate(network, images)

    assert network.training
    network.eval()
    pixels, labels = images.batch(torch.arange(len(images)))
    scores = network(pixels)
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(scores, labels).item(), rel=1e-5)
    assert accuracy == (scores.argmax(1) == labels).double().mean().item()
