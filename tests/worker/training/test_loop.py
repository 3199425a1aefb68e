"""The training loop: what it reports, and that a run is a function of its spec."""

import pytest
import torch

from core.catalogue import DATASETS
from core.presets import resolve
from core.reports import EpochEnd, Finished, Line, Reading, Started
from worker.training import datasets, loop
from worker.training.evaluation import evaluate
from worker.training.loop import Diverged, StopAsked, train
from worker.training.network import build

# each step multiplies every weight by 1 - 10 * 1
DIVERGING = {"optimizer": {"kind": "sgd", "learning_rate": 10.0, "weight_decay": 1.0}, "epochs": 9}
SMALL = {"dataset": "digits", "model": {"channels": [4]}, "batch_size": 64, "epochs": 2}


def run(changes, data, scratch, stop_asked=lambda: None):
    reports = []
    spec = resolve("tutorial", SMALL | changes)
    train(
        spec,
        data=data,
        scratch=scratch,
        device=torch.device("cpu"),
        report=reports.append,
        stop_asked=stop_asked,
    )
    return reports


def of(kind, reports):
    return [report for report in reports if isinstance(report, kind)]


def test_a_run_tells_first_that_it_began_and_last_that_it_is_done(data_folder, tmp_path):
    reports = run({}, data_folder, tmp_path)

    assert isinstance(reports[0], Started)
    assert (reports[0].epochs, reports[0].batches) == (2, 23)
    assert isinstance(reports[-1], Finished)
    assert [end.epoch for end in of(EpochEnd, reports)] == [1, 2]


def test_the_first_batch_is_reported_at_once_then_every_hundredth(
    data_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 3600)

    reports = run({"batch_size": 6, "epochs": 1}, data_folder, tmp_path)

    assert [reading.batch for reading in of(Reading, reports)] == [1, 100, 200, 240]
    lines = [line.text for line in of(Line, reports)]
    assert [line.partition(" loss")[0] for line in lines[:2]] == [
        "epoch 1/1 batch 100/240",
        "epoch 1/1 batch 200/240",
    ]


def test_a_slow_run_is_reported_once_a_second_and_oftener_if_so_set(
    data_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0)

    readings = of(Reading, run({}, data_folder, tmp_path))

    assert [reading.step for reading in readings] == list(range(1, 47))


def test_the_epochs_loss_is_the_mean_over_its_images(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0)

    reports = run({"epochs": 1}, data_folder, tmp_path)

    readings = of(Reading, reports)
    sizes = [64] * 22 + [1437 - 22 * 64]
    mean = sum(r.train_loss * size for r, size in zip(readings, sizes, strict=True)) / 1437
    assert of(EpochEnd, reports)[0].train_loss == pytest.approx(mean)


def test_the_same_spec_gives_the_same_bytes(data_folder, tmp_path):
    spec = {"model": {"dropout": 0.5, "batch_norm": True}, "schedule": {"kind": "one_cycle"}}

    first, second = (run(spec, data_folder, tmp_path)[-1] for _ in range(2))

    assert first.weights_sha256 == second.weights_sha256


def test_another_seed_gives_other_weights(data_folder, tmp_path):
    first, second = (run({"seed": seed}, data_folder, tmp_path)[-1] for seed in (0, 1))

    assert first.weights_sha256 != second.weights_sha256


def test_how_often_a_run_reports_does_not_change_what_it_computes(
    data_folder, tmp_path, monkeypatch
):
    quiet = run({}, data_folder, tmp_path)[-1]
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0)
    chatty = run({}, data_folder, tmp_path)[-1]

    assert quiet.weights_sha256 == chatty.weights_sha256


def test_a_run_stops_before_the_next_batch_when_asked(data_folder, tmp_path):
    asked = iter([None] * 3 + ["stop"])

    with pytest.raises(StopAsked):
        run({}, data_folder, tmp_path, stop_asked=lambda: next(asked))

    with pytest.raises(StopIteration):
        next(asked)


def test_a_loss_that_is_no_number_ends_the_run(data_folder, tmp_path):
    with pytest.raises(Diverged, match=r"epoch .*, batch .*, at learning rate 10"):
        run(DIVERGING, data_folder, tmp_path)


def test_the_checkpoint_loads_with_plain_torch_and_is_as_good_as_it_says(data_folder, tmp_path):
    finished = run({}, data_folder, tmp_path)[-1]

    loaded = torch.load(finished.files[0].path, weights_only=True)
    network = build(resolve("tutorial", SMALL).model, DATASETS["digits"])
    network.load_state_dict(loaded["state_dict"])
    _, test_images = datasets.load("digits", data_folder)
    assert evaluate(network, test_images)[1] == loaded["metrics"]["test_accuracy"]


@pytest.mark.parametrize(
    "optimizer", [{"kind": "sgd", "momentum": 0.9}, {"kind": "adam"}, {"kind": "adamw"}]
)
@pytest.mark.parametrize("schedule", [{"kind": "constant"}, {"kind": "one_cycle"}])
def test_every_optimizer_learns_with_every_schedule(data_folder, tmp_path, optimizer, schedule):
    changes = {"optimizer": {"learning_rate": 0.01} | optimizer, "schedule": schedule, "epochs": 4}

    ends = of(EpochEnd, run(changes, data_folder, tmp_path))

    assert ends[-1].train_loss < ends[0].train_loss
    assert ends[-1].test_accuracy > 0.3
