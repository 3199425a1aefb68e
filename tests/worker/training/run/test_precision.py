"""The precision of a run."""

import pytest
import torch

from core.spec.hyperparameters import Compute
from worker.training.run.precision import autocast, choose

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "chosen"), [("auto", "fp32"), ("fp32", "fp32"), ("bf16", "bf16")]
)
def test_a_cpu_computes_in_fp32_unless_asked_otherwise(asked, chosen):
    assert choose(Compute(precision=asked), CPU) == chosen


@pytest.mark.parametrize(("precision", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_computed_in_the_precision(precision, kind):
    ones = torch.ones(2, 2)

    with autocast(precision, CPU):
        product = ones @ ones

    assert product.dtype == kind


def test_a_run_that_resumes_computes_in_what_it_began_in_where_its_spec_leaves_that_open():
    assert choose(Compute(precision="auto"), CPU, "bf16") == "bf16"
    assert choose(Compute(precision="fp32"), CPU, "bf16") == "fp32"
