"""Learning-rate schedules, compared with torch's own where it has them."""

import itertools
import math

import pytest
import torch
from torch.optim import lr_scheduler

from core.spec.hyperparameters import Constant, Cosine, OneCycle, Plateau, Step
from core.spec.rates import Span, factor, sampled
from worker.training.optim.schedule import PlateauWatch

SPAN = Span(steps=100, batches=10)


def shares(choice, span=SPAN, reductions=0):
    return [factor(choice, span, step, reductions) for step in range(span.steps)]


def torchs(make, steps=SPAN.steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = make(optimizer)
    used = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        used.append(optimizer.param_groups[0]["lr"])
    return used


def test_a_constant_schedule_changes_nothing():
    assert shares(Constant()) == [1.0] * 100


def test_a_step_schedule_is_torchs():
    expected = torchs(lambda optimizer: lr_scheduler.StepLR(optimizer, 30, 0.5))

    assert shares(Step(every=3, factor=0.5)) == pytest.approx(expected)


def test_a_cosine_schedule_is_torchs():
    expected = torchs(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 100, 0.2))

    assert shares(Cosine(floor=0.2)) == pytest.approx(expected)


@pytest.mark.parametrize(("shape", "torchs_name"), [("cosine", "cos"), ("linear", "linear")])
@pytest.mark.parametrize("warmup", [0.1, 0.3, 0.8])
def test_a_one_cycle_schedule_is_torchs(shape, torchs_name, warmup):
    expected = torchs(
        lambda optimizer: lr_scheduler.OneCycleLR(
            optimizer, 1.0, 100, pct_start=warmup, anneal_strategy=torchs_name
        )
    )

    assert shares(OneCycle(warmup=warmup, shape=shape)) == pytest.approx(expected)


@pytest.mark.parametrize("choice", [OneCycle(), OneCycle(shape="linear"), Cosine(warmup=0.5)])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_schedules_work_for_very_short_runs(choice, steps):
    used = shares(choice, Span(steps, steps))

    assert all(0 <= each <= 1 for each in used)
    assert max(used) > 0


@pytest.mark.parametrize("choice", [Constant, Step, Cosine, Plateau])
def test_a_warm_up_rises_linearly_from_zero_on_any_schedule(choice):
    used = shares(choice(warmup=0.2))

    rises = [after - before for before, after in itertools.pairwise(used[:20])]
    assert rises == pytest.approx([used[0]] * 19)
    assert used[19] < used[20] == 1.0


def test_a_plateau_lowers_by_its_factor_each_time():
    assert factor(Plateau(factor=0.5), SPAN, 50, reductions=3) == 0.125


def test_a_plateau_is_found_when_the_loss_gets_no_better_for_its_patience():
    watch = PlateauWatch(patience=2)

    assert [watch.see(loss) for loss in (3.0, 2.0, 2.0, 2.1, 1.9, 2.0, 2.0, 2.0, 2.0)] == [
        *(False, False, False, True),
        *(False, False, True, False, True),
    ]
    assert watch.best == 1.9


def test_a_loss_that_is_no_number_is_no_better_one():
    watch = PlateauWatch(patience=1, best=1.0)

    assert watch.see(math.nan)


@pytest.mark.parametrize(
    "choice", [Constant(warmup=0.2), Step(every=2), Cosine(), OneCycle(), Plateau()]
)
def test_a_sampled_schedule_has_both_ends_and_its_values_are_those_of_the_run(choice):
    span = Span(steps=1000, batches=100)

    drawn = sampled(choice, span, 50)

    assert (drawn[0][0], drawn[-1][0]) == (0, 999)
    assert len(drawn) < 80
    assert all(value == factor(choice, span, step) for step, value in drawn)


def test_a_step_down_is_sampled_as_a_step():
    drawn = dict(sampled(Step(every=2, factor=0.5), Span(steps=1000, batches=100), 10))

    assert (drawn[199], drawn[200]) == (1.0, 0.5)


def test_the_shortest_run_can_be_sampled():
    assert sampled(Constant(), Span(steps=1, batches=1), 50) == [(0, 1.0)]
