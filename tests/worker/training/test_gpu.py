"""What only a GPU can show. On a machine without one these tests are not run."""

import contextlib
import gc

import pytest
import torch

from core.datasets.builtin import DATASETS
from core.protocol.reports import EpochEnd, Finished, Saved, Started
from core.spec.presets import resolve
from worker.training.data.batches import Batches, OnDevice, Streamed
from worker.training.data.datasets import load
from worker.training.model import network
from worker.training.model.network import portable_weights
from worker.training.run import loop
from worker.training.run.context import RunContext
from worker.training.run.loop import StopRequested

pytestmark = pytest.mark.gpu
BASE = {
    "dataset": "digits",
    "model": {"channels": [8], "batch_norm": True, "dropout": 0.1},
    "optimizer": {"kind": "adamw", "learning_rate": 0.01},
    "device": "cuda",
    "epochs": 5,
}


@pytest.fixture
def run(gpu, data_folder, tmp_path):
    def run(changes=None, stop_before=None, resume_from=None, initial_weights=None):
        reports, asked = [], iter(range(1_000_000))
        with contextlib.suppress(StopRequested):
            loop.run(
                RunContext(
                    spec=resolve("tutorial", BASE | (changes or {})),
                    data=data_folder,
                    scratch=tmp_path,
                    device=gpu,
                    report=reports.append,
                    stop_requested=lambda: "save" if next(asked) == stop_before else None,
                    initial_weights=initial_weights,
                    initial_sha256=initial_weights and "0" * 64,
                ),
                resume_from=resume_from,
            )
        return reports

    return run


def of(kind, reports):
    return [report for report in reports if isinstance(report, kind)]


@pytest.mark.parametrize(
    ("optimizer", "precision"),
    [
        (optimizer, precision)
        for optimizer in ("sgd", "adamw", "rmsprop", "muon")
        for precision in ("auto", "fp32", "bf16", "fp16")
        if (optimizer, precision) != ("muon", "fp16")  # a spec of both is refused
    ],
)
def test_a_run_learns_in_every_precision(run, precision, optimizer):
    changes = {
        "compute": {"precision": precision},
        "optimizer": {"kind": optimizer, "learning_rate": 0.01},
    }

    ends = of(EpochEnd, run(changes))

    assert ends[-1].train_loss < ends[0].train_loss
    assert ends[-1].memory_bytes > 0


def test_auto_is_bf16_where_the_gpu_has_it(run):
    expected = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"

    assert of(Started, run({"epochs": 1}))[0].precision == expected


EXACT = {
    "cnn": {},
    "momentum in bf16": {
        "compute": {"precision": "bf16"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9},
        "schedule": {"kind": "one_cycle"},
    },
    "fp16": {"compute": {"precision": "fp16"}},
    "clipped": {"regularization": {"gradient_clip": 1.0, "ema": 0.9}},
    "mixed and augmented": {
        "augmentation": {"kind": "handwriting", "rotation": 10, "shift": 1},
        "regularization": {"mix": "cutmix"},
    },
    "streamed": {"data": {"placement": "stream"}},
    "muon": {"optimizer": {"kind": "muon"}, "compute": {"precision": "bf16"}},
    "resnet": {"model": {"kind": "resnet", "depth": 8, "width": 16}, "epochs": 2},
}


@pytest.mark.parametrize("changes", EXACT.values(), ids=EXACT)
def test_a_resumed_run_ends_with_the_bytes_of_the_undisturbed_one(run, changes):
    changes = {"compute": {"precision": "fp32"}, "epochs": 3} | changes
    undisturbed = of(Finished, run(changes))

    stopped = run(changes, stop_before=40)
    resumed = run(changes, resume_from=of(Saved, stopped)[-1].path)

    assert of(Finished, resumed)[0].weights_sha256 == undisturbed[0].weights_sha256


def test_a_run_that_begins_with_weights_of_another_resumes_to_the_same_bytes(run, tmp_path):
    trained = network.build(resolve("tutorial", BASE).model, DATASETS["digits"])
    weights = tmp_path / "initial.pt"
    torch.save({"state_dict": portable_weights(trained)}, weights)
    changes = {"compute": {"precision": "fp32"}, "epochs": 3}
    undisturbed = of(Finished, run(changes, initial_weights=weights))

    stopped = run(changes, stop_before=40, initial_weights=weights)
    resumed = run(changes, resume_from=of(Saved, stopped)[-1].path)

    assert of(Finished, resumed)[0].weights_sha256 == undisturbed[0].weights_sha256
    assert undisturbed[0].weights_sha256 != of(Finished, run(changes))[0].weights_sha256


def test_a_resumed_run_that_is_compiled_ends_where_the_undisturbed_one_did(run):
    changes = {"compute": {"precision": "fp32", "compile": True}}
    undisturbed = of(EpochEnd, run(changes))

    stopped = run(changes, stop_before=60)
    resumed = run(changes, resume_from=of(Saved, stopped)[-1].path)

    assert of(Finished, resumed)
    # kernels that torch makes may add up in another order
    assert of(EpochEnd, resumed)[-1].train_loss == pytest.approx(
        undisturbed[-1].train_loss, rel=0.05
    )


def test_streamed_batches_are_those_on_the_device(gpu, data_folder):
    train, _ = load("digits", data_folder)
    on_device, streamed = (
        Batches(resolve("tutorial", BASE | {"data": {"placement": placement}}), train, gpu)
        for placement in ("auto", "stream")
    )
    assert isinstance(on_device._source, OnDevice)
    assert isinstance(streamed._source, Streamed)

    for mine, theirs in zip(on_device.epoch(1, 0), streamed.epoch(1, 0), strict=True):
        assert theirs.images.device.type == "cuda"
        assert torch.equal(mine.images, theirs.images)


def test_a_full_memory_makes_the_parts_smaller(run, gpu):
    """All but a little of the memory is held by somebody else."""
    gc.collect()
    torch.cuda.empty_cache()
    allowed = torch.cuda.memory_reserved(gpu) + 200 * 2**20
    torch.cuda.set_per_process_memory_fraction(
        allowed / torch.cuda.get_device_properties(gpu).total_memory
    )
    try:
        changes = {"model": {"kind": "resnet", "depth": 20, "width": 64}, "batch_size": 1024}
        reports = run(changes | {"epochs": 1})
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

    assert any(report.kind == "shrunk" for report in reports)
    assert of(Finished, reports)
