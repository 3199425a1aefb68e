"""Two processes that train one run, over gloo on the CPU: the same run as a single process."""

import multiprocessing
import pickle
from pathlib import Path

import pytest
import torch

from core.protocol.reports import EpochEnd, Finished, Saved, StepMetrics
from core.spec.presets import resolve
from worker.training.run import loop
from worker.training.run.context import RunContext
from worker.training.run.distributed import ProcessGroup
from worker.training.run.loop import StopRequested

BASE = {
    "dataset": "digits",
    "model": {"channels": [4]},
    "batch_size": 64,
    "epochs": 2,
    "seed": 7,
    "device": "cpu",
    "devices": 2,
}

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload([loop.__name__, "torch._dynamo"])  # torch is imported once


def _be(rank, spec, data, folder, stop_before, resume_from):
    """A process of the run: writes down what it reported."""
    torch.set_num_threads(1)
    reports, asked = [], iter(range(1_000_000))
    scratch = folder / str(rank)
    scratch.mkdir()
    group = ProcessGroup(rank, 2, folder / "rendezvous", torch.device("cpu"))
    ended = "finished"
    try:
        loop.run(
            RunContext(
                spec=spec,
                data=data,
                scratch=scratch,
                device=torch.device("cpu"),
                report=reports.append,
                stop_requested=lambda: "save" if next(asked) == stop_before else None,
                peers=group,
            ),
            resume_from=resume_from,
        )
    except StopRequested:
        ended = "stopped"
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps((ended, reports)))


@pytest.fixture
def run(data_folder, tmp_path_factory):
    def run(changes=None, stop_before=None, resume_from=None):
        """Give what rank 0 reported; when it was stopped, the other is killed as a worker does."""
        folder = tmp_path_factory.mktemp("run")
        spec = resolve("tutorial", BASE | (changes or {}))
        processes = [
            FORKED.Process(
                target=_be, args=(rank, spec, data_folder, folder, stop_before, resume_from)
            )
            for rank in range(2)
        ]
        for process in processes:
            process.start()
        processes[0].join(120)
        if stop_before is None:
            processes[1].join(60)
            assert processes[1].exitcode == 0
            assert pickle.loads((folder / "1.pickle").read_bytes()) == ("finished", [])
        processes[1].kill()
        processes[1].join()
        assert processes[0].exitcode == 0
        return pickle.loads((folder / "0.pickle").read_bytes())[1]

    return run


def of(kind, reports):
    return [report for report in reports if isinstance(report, kind)]


def run_single_process(changes, data_folder, folder):
    reports = []
    network = loop.run(
        RunContext(
            spec=resolve("tutorial", BASE | changes | {"devices": 1}),
            data=data_folder,
            scratch=folder,
            device=torch.device("cpu"),
            report=reports.append,
        )
    )
    return network, reports


def measured(reports):
    return [
        (end.epoch, end.step, end.train_loss, end.test_loss, end.test_accuracy, end.gradient_norm)
        for end in of(EpochEnd, reports)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "augmentation": {"kind": "handwriting"},
            "regularization": {"mix": "mixup", "ema": 0.9, "gradient_clip": 1.0},
            "micro_batches": 2,
            "optimizer": {"kind": "adamw"},
        },
    ],
    ids=["plain", "everything"],
)
def test_two_processes_train_what_one_trains(run, data_folder, tmp_path, changes):
    _, expected = run_single_process(changes, data_folder, tmp_path)

    reports = run(changes)

    for mine, theirs in zip(measured(reports), measured(expected), strict=True):
        assert mine == pytest.approx(theirs, rel=2e-3, abs=2e-3)
    assert [r.step for r in of(StepMetrics, reports)][-1] == 2 * 23


def test_a_stopped_run_of_two_resumes_to_the_same_bytes(run):
    changes = {
        "model": {"channels": [4], "dropout": 0.3, "batch_norm": True},
        "optimizer": {"kind": "sgd", "momentum": 0.9},
        "schedule": {"kind": "plateau", "patience": 1},
        "data": {"validation": 0.1},
        "epochs": 3,
    }
    undisturbed = run(changes)

    stopped = run(changes, stop_before=27)
    [saved] = of(Saved, stopped)
    resumed = run(changes, resume_from=Path(saved.path))

    [mine], [theirs] = of(Finished, resumed), of(Finished, undisturbed)
    assert mine.weights_sha256 == theirs.weights_sha256
    rows = {row[0]: row for row in measured(stopped) + measured(resumed)}
    assert list(rows.values()) == measured(undisturbed)


def test_a_last_batch_that_is_shared_unequally_leaves_batch_norm_no_single_value(run):
    """Of its five images one process has three, in parts of two at most, and the other two."""
    narrow = {"channels": [4] * 6, "kernel_size": 3, "batch_norm": True}

    reports = run(
        {
            "batch_size": 8,
            "micro_batches": 2,
            "epochs": 1,
            "model": narrow,
            "data": {"subset": 109},
        }
    )

    assert isinstance(reports[-1], Finished)
