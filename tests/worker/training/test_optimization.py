"""Optimizers and schedules do what the spec says."""

import pytest
import torch
from torch import nn

from core import spec
from worker.training.optimization import build_optimizer, build_schedule


def parameter():
    return nn.Parameter(torch.ones(3))


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
    ],
)
def test_an_optimizer_has_the_settings_of_its_spec(choice, kind, options):
    optimizer = build_optimizer(choice, [parameter()])

    assert type(optimizer) is kind
    assert {key: optimizer.param_groups[0][key] for key in options} == options


def test_plain_sgd_moves_by_learning_rate_times_gradient():
    weights = parameter()
    optimizer = build_optimizer(spec.SGD(learning_rate=0.1), [weights])
    weights.grad = torch.tensor([1.0, 2.0, -1.0])

    optimizer.step()

    torch.testing.assert_close(weights.detach(), torch.tensor([0.9, 0.8, 1.1]))


def rates(choice, steps):
    optimizer = build_optimizer(spec.SGD(learning_rate=0.5), [parameter()])
    schedule = build_schedule(choice, optimizer, steps)
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return used


def test_a_constant_schedule_changes_nothing():
    assert rates(spec.Constant(), 5) == [0.5] * 5


def test_one_cycle_rises_to_the_learning_rate_and_falls_to_almost_nothing():
    used = rates(spec.OneCycle(warmup=0.3), 100)

    assert used[0] < 0.05
    assert max(used) == pytest.approx(0.5, rel=0.01)
    assert 25 <= used.index(max(used)) <= 35
    assert used[-1] < 0.005


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_works_for_very_short_runs(steps):
    assert len(rates(spec.OneCycle(), steps)) == steps
