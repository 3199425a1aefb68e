"""Weights of another run, loaded into a network of the same kind."""

from __future__ import annotations

import pytest
import torch

from core.datasets.builtin import DATASETS
from core.spec.hyperparameters import CNN, MLP, ResNet
from worker.training.model import initial, network
from worker.training.model.network import portable_weights

MODELS = [CNN(channels=(4, 8), batch_norm=True, dropout=0.2), MLP(hidden=(8,)), ResNet(width=4)]


@pytest.fixture
def saved(tmp_path):
    """Writes the weights of a network as a run publishes them."""

    def write(built):
        path = tmp_path / "weights.pt"
        torch.save({"state_dict": portable_weights(built)}, path)
        return path

    return write


def built(model, dataset="mnist", seed=0, *, normalize=False):
    torch.manual_seed(seed)
    return network.build(model, DATASETS[dataset], normalize=normalize)


def own(state, name):
    return next(each for key, each in state.items() if key.removeprefix("network.") == name)


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.kind)
def test_all_weights_are_those_of_the_file(saved, model):
    source, target = built(model), built(model, seed=1)

    initial.load(target, saved(source))

    for name, each in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], each), name


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.kind)
@pytest.mark.parametrize("normalizes", [(True, False), (False, True), (True, True)])
def test_a_network_keeps_its_own_normalization(saved, model, normalizes):
    source = built(model, normalize=normalizes[0])
    target = built(model, "fashion_mnist", seed=1, normalize=normalizes[1])
    before = {name: each.clone() for name, each in target.state_dict().items()}

    initial.load(target, saved(source))

    for name, each in target.state_dict().items():
        if name.startswith("normalize."):
            assert torch.equal(each, before[name])
        else:
            assert torch.equal(each, own(source.state_dict(), name.removeprefix("network.")))


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.kind)
def test_where_the_classes_are_others_the_last_layer_stays_as_it_began(saved, model):
    source, target = built(model), built(model, "emnist_letters", seed=1)
    before = {name: each.clone() for name, each in target.state_dict().items()}

    initial.load(target, saved(source))

    last = list(before)[-1].rpartition(".")[0]
    for name, each in target.state_dict().items():
        of = before if name.startswith(f"{last}.") else source.state_dict()
        assert torch.equal(each, of[name]), name


@pytest.mark.parametrize("other", [CNN(channels=(4, 9)), CNN(channels=(4,)), MLP(hidden=(8,))])
def test_weights_of_another_network_are_refused_and_none_is_loaded(saved, other):
    target = built(CNN(channels=(4, 8)), seed=1)
    before = {name: each.clone() for name, each in target.state_dict().items()}

    with pytest.raises(initial.Misfit):
        initial.load(target, saved(built(other)))

    assert all(torch.equal(each, before[name]) for name, each in target.state_dict().items())
