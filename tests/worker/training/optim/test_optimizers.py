"""Optimizers do what the spec says."""

import copy

import pytest
import torch
from torch import nn

from core.spec import hyperparameters as spec
from worker.training.optim.optimizers import build_optimization


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4, 3))


def with_gradients(made):
    made(torch.ones(2, 2, 4, 4)).square().sum().backward()
    return made


@pytest.mark.parametrize(
    ("choice", "kind", "options"),
    [
        (
            spec.SGD(learning_rate=0.2, momentum=0.9, nesterov=True, weight_decay=0.01),
            torch.optim.SGD,
            {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        ),
        (
            spec.Adam(learning_rate=0.02, weight_decay=0.1),
            torch.optim.Adam,
            {"lr": 0.02, "weight_decay": 0.1},
        ),
        (
            spec.AdamW(learning_rate=0.03, weight_decay=0.2),
            torch.optim.AdamW,
            {"lr": 0.03, "weight_decay": 0.2},
        ),
        (
            spec.RMSprop(learning_rate=0.03, momentum=0.1, alpha=0.9, weight_decay=0.2),
            torch.optim.RMSprop,
            {"lr": 0.03, "momentum": 0.1, "alpha": 0.9, "weight_decay": 0.2},
        ),
    ],
)
def test_an_optimizer_has_the_settings_of_its_spec(choice, kind, options):
    [optimizer] = build_optimization(choice, network()).optimizers

    assert type(optimizer) is kind
    assert {key: optimizer.param_groups[0][key] for key in options} == options


def test_plain_sgd_moves_by_learning_rate_times_gradient():
    made = nn.Linear(3, 1, bias=False)
    nn.init.ones_(made.weight)
    optimization = build_optimization(spec.SGD(learning_rate=0.1), made)
    made.weight.grad = torch.tensor([[1.0, 2.0, -1.0]])

    optimization.optimizers[0].step()

    torch.testing.assert_close(made.weight.detach(), torch.tensor([[0.9, 0.8, 1.1]]))


def test_a_share_is_of_the_learning_rate_of_each_part():
    optimization = build_optimization(
        spec.Muon(learning_rate=0.02, adamw_learning_rate=0.004), network()
    )

    optimization.set_lr_factor(0.5)

    assert [each.param_groups[0]["lr"] for each in optimization.optimizers] == [0.01, 0.002]
    assert optimization.learning_rate == 0.01


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_steps_convolutions_as_torch_steps_the_same_numbers_in_a_matrix(layout):
    made = network().to(memory_format=layout)
    kernel = made[0].weight
    matrix = nn.Parameter(kernel.detach().clone().contiguous().view(4, -1))
    with_gradients(made)
    matrix.grad = kernel.grad.contiguous().view(4, -1).clone()
    muon, _ = build_optimization(spec.Muon(learning_rate=0.1), made).optimizers
    reference = torch.optim.Muon([matrix], lr=0.1, momentum=0.95, nesterov=True, weight_decay=0.0)

    muon.step()
    reference.step()

    # torch makes the step orthogonal in bfloat16, where the order of the columns shows a little
    torch.testing.assert_close(
        kernel.detach().contiguous().view(4, -1), matrix.detach(), atol=2e-3, rtol=2e-2
    )


def test_muon_leaves_biases_and_the_last_layer_to_adamw():
    made = network()
    muon, rest = build_optimization(spec.Muon(), made).optimizers

    assert sum(p.numel() for p in muon.param_groups[0]["params"]) == made[0].weight.numel()
    assert {id(p) for p in rest.param_groups[0]["params"]} == {
        id(p) for p in (made[0].bias, made[3].weight, made[3].bias)
    }


def test_muon_with_one_matrix_only_is_adamw():
    [only] = build_optimization(spec.Muon(), nn.Linear(3, 2)).optimizers

    assert type(only) is torch.optim.AdamW


@pytest.mark.parametrize(
    "choice",
    [spec.SGD(momentum=0.9), spec.Adam(), spec.AdamW(), spec.RMSprop(momentum=0.5), spec.Muon()],
)
def test_an_optimization_resumes_from_its_state(choice):
    made = network()
    optimization = build_optimization(choice, made)

    def steps(network, optimization, count):
        for _ in range(count):
            optimization.zero_grad()
            with_gradients(network)
            for optimizer in optimization.optimizers:
                optimizer.step()

    steps(made, optimization, 2)
    other = copy.deepcopy(made)
    resumed = build_optimization(choice, other)
    resumed.load_state_dict(copy.deepcopy(optimization.state_dict()))
    steps(made, optimization, 2)
    steps(other, resumed, 2)

    for mine, theirs in zip(made.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)
