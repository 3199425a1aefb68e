"""The estimate of a run's memory grows with what needs it."""

import pytest

from core.datasets.builtin import DATASETS
from core.spec import memory, presets


def estimated(**changes):
    spec = presets.resolve("tutorial", changes)
    return memory.training_bytes(spec, DATASETS[spec.dataset])


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 256},
        {"optimizer": {"kind": "adam"}},
        {"regularization": {"ema": 0.99}},
        {"model": {"batch_norm": True}},
        {"model": {"kind": "resnet18"}},
    ],
)
def test_what_needs_more_memory_is_estimated_to_need_more(changes):
    assert estimated(**changes) > estimated()


def test_micro_batches_and_devices_need_less():
    assert estimated(micro_batches=4) < estimated()
    assert estimated(devices=2, batch_size=64) < estimated()
