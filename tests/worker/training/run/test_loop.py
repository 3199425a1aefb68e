"""The training loop: what it reports, and that a run is a function of its spec."""

import json
from pathlib import Path

import pytest
import torch

from core.datasets.builtin import DATASETS
from core.messages import message
from core.protocol.pulse import Pulse
from core.protocol.reports import (
    EpochEnd,
    Evaluated,
    Finished,
    Line,
    Saved,
    Shrunk,
    Started,
    StepMetrics,
    StepMetricsBatch,
)
from core.spec.presets import resolve
from worker.training.data import datasets
from worker.training.model.network import build
from worker.training.optim import losses
from worker.training.optim.losses import measure
from worker.training.outputs.evaluation import predict
from worker.training.run import loop, step
from worker.training.run.context import RunContext
from worker.training.run.divergence import Diverged
from worker.training.run.loop import StopRequested

# each step multiplies every weight by 1 - 10 * 1
DIVERGING = {"optimizer": {"kind": "sgd", "learning_rate": 10.0, "weight_decay": 1.0}, "epochs": 9}
SMALL = {"dataset": "digits", "model": {"channels": [4]}, "batch_size": 64, "epochs": 2}


def run(changes, data, scratch, stop_requested=lambda: None, **context):
    reports = []
    spec = resolve("tutorial", SMALL | changes)
    loop.run(
        RunContext(
            spec=spec,
            data=data,
            scratch=scratch,
            device=torch.device("cpu"),
            report=reports.append,
            stop_requested=stop_requested,
            **context,
        )
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


class ListeningPulse(Pulse):
    """A pulse that remembers what was told."""

    def __init__(self):
        super().__init__()
        self.phases = []

    def enter(self, phase):
        self.phases.append(phase)
        super().enter(phase)


def test_a_run_tells_what_it_is_doing_and_beats_at_every_batch(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EPOCHS_EVERY_S", 0.0)
    pulse = ListeningPulse()

    run({}, data_folder, tmp_path, pulse=pulse)

    an_epoch = ["training", "evaluating", "saving", "evaluating"]
    assert pulse.phases == [*an_epoch, *an_epoch, "exporting"]
    assert pulse.read().number > 2 * 23 + len(pulse.phases)


def test_the_first_batch_is_reported_at_once_then_every_hundredth(
    data_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 3600)

    reports = run({"batch_size": 6, "epochs": 1}, data_folder, tmp_path)

    assert [sample.batch for sample in of(StepMetrics, reports)] == [1, 100, 200, 240]
    lines = [line.text for line in of(Line, reports)]
    assert [line.partition(" loss")[0] for line in lines if " batch " in line] == [
        "epoch 1/1 batch 100/240",
        "epoch 1/1 batch 200/240",
    ]


def test_a_slow_run_is_reported_once_a_second_and_oftener_if_so_set(
    data_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0)

    samples = of(StepMetrics, run({}, data_folder, tmp_path))

    assert [sample.step for sample in samples] == list(range(1, 47))


def test_each_step_can_be_reported_in_as_many_reports_as_before(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 3600)
    changes = {"batch_size": 6, "epochs": 2, "schedule": {"kind": "one_cycle"}}

    sampled = run(changes, data_folder, tmp_path)
    whole = run(changes, data_folder, tmp_path, report_every_step=True)

    means, batches = of(StepMetrics, sampled), of(StepMetricsBatch, whole)
    assert [batch.step for batch in batches][:3] == [
        [1],
        list(range(2, 101)),
        list(range(101, 201)),
    ]
    assert [step for batch in batches for step in batch.step] == list(range(1, 481))
    assert [batch.last.step for batch in batches] == [mean.step for mean in means]
    assert [batch.last.learning_rate for batch in batches] == [mean.learning_rate for mean in means]
    assert len({rate for batch in batches for rate in batch.learning_rate}) > 400
    assert sum(batches[1].train_loss) / 99 == pytest.approx(means[1].train_loss)
    assert whole[-1].weights_sha256 == sampled[-1].weights_sha256
    assert of(StepMetrics, whole) == []


def test_the_epochs_loss_is_the_mean_over_its_images(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0)

    reports = run({"epochs": 1}, data_folder, tmp_path)

    samples = of(StepMetrics, reports)
    sizes = [64] * 22 + [1437 - 22 * 64]
    mean = sum(r.train_loss * size for r, size in zip(samples, sizes, strict=True)) / 1437
    assert of(EpochEnd, reports)[0].train_loss == pytest.approx(mean)


def test_a_sample_that_an_epoch_cuts_short_is_the_mean_of_as_many_batches_as_the_one_before(
    data_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "REPORT_EVERY_BATCHES", 11)  # of 23: one is left at the end
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 1e9)

    each = of(StepMetricsBatch, run({"epochs": 1}, data_folder, tmp_path, report_every_step=True))
    means = of(StepMetrics, run({"epochs": 1}, data_folder, tmp_path))

    losses = [loss for batch in each for loss in batch.train_loss]
    sizes = [64] * 22 + [1437 - 22 * 64]
    newest = list(zip(losses, sizes, strict=True))[-11:]
    mean = sum(loss * size for loss, size in newest) / sum(size for _, size in newest)
    assert [sample.batch for sample in means] == [1, 11, 22, 23]
    assert means[-1].train_loss == pytest.approx(mean)
    assert len(losses) == 23


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

    with pytest.raises(StopRequested):
        run({}, data_folder, tmp_path, stop_requested=lambda: next(asked))

    with pytest.raises(StopIteration):
        next(asked)


def test_a_loss_that_is_no_number_ends_the_run(data_folder, tmp_path):
    with pytest.raises(
        Diverged, match=r"epoch .*, batch .*, where the schedule had the learning rate at 10"
    ):
        run(DIVERGING, data_folder, tmp_path)


def test_the_batch_at_which_a_loss_was_no_number_any_more_is_named(
    data_folder, tmp_path, monkeypatch
):
    take = step.Stepper.take

    def broken_from_the_fifth(self, batch, epoch, number, steps, *, measure):
        loss, norm = take(self, batch, epoch, number, steps, measure=measure)
        return (loss * torch.nan if steps >= 4 else loss), norm

    monkeypatch.setattr(step.Stepper, "take", broken_from_the_fifth)
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 3600)
    schedule = {"kind": "step", "every": 1, "factor": 0.5, "warmup": 0.5}

    with pytest.raises(
        Diverged, match=r"epoch 1, batch 5, where the schedule had the learning rate at 0\.0208"
    ):
        run({"schedule": schedule}, data_folder, tmp_path)


def test_weights_that_are_no_numbers_are_never_saved(data_folder, tmp_path, monkeypatch):
    """The loss of a batch is computed before its step, which may be the one that breaks."""
    monkeypatch.setattr(loop, "SAVE_EPOCHS_EVERY_S", 0.0)
    take = step.Stepper.take

    def broken_step(self, batch, epoch, number, steps, *, measure):
        result = take(self, batch, epoch, number, steps, measure=measure)
        if steps == 30:
            self._weights[0].data.fill_(torch.nan)
        return result

    monkeypatch.setattr(step.Stepper, "take", broken_step)
    reports, asked = [], iter([None] * 32 + ["save"])

    with pytest.raises(Diverged, match="last good snapshot is that after 23 batches"):
        loop.run(
            RunContext(
                spec=resolve("tutorial", SMALL),
                data=data_folder,
                scratch=tmp_path,
                device=torch.device("cpu"),
                report=reports.append,
                stop_requested=lambda: next(asked),
            )
        )

    assert [saved.step for saved in of(Saved, reports)] == [23]


def test_the_checkpoint_loads_with_plain_torch_and_is_as_good_as_it_says(data_folder, tmp_path):
    finished = run({}, data_folder, tmp_path)[-1]

    loaded = torch.load(finished.files[0].path, weights_only=True)
    network = build(resolve("tutorial", SMALL).model, DATASETS["digits"])
    network.load_state_dict(loaded["state_dict"])
    _, test_images = datasets.load("digits", data_folder)
    scores = predict(network, test_images)
    accuracy = measure("cross_entropy", scores, test_images.labels)[1]
    assert accuracy == loaded["metrics"]["test_accuracy"]


def test_an_epoch_tells_what_was_measured(data_folder, tmp_path):
    [end] = of(EpochEnd, run({"epochs": 1}, data_folder, tmp_path))

    assert end.validation_loss is None
    assert end.validation_accuracy is None
    assert end.gradient_norm > 0
    assert end.memory_bytes > 50_000_000
    assert end.images_per_s == pytest.approx(1437 / end.seconds)


def test_a_validation_split_is_kept_from_training_and_measured(data_folder, tmp_path):
    reports = run({"data": {"validation": 0.2}, "epochs": 1}, data_folder, tmp_path)

    assert of(Started, reports)[0].batches == -(-(1437 - 287) // 64)
    [end] = of(EpochEnd, reports)
    assert 0 <= end.validation_accuracy <= 1
    # a multiple of a 287th
    assert end.validation_accuracy * 287 == pytest.approx(round(end.validation_accuracy * 287))


def test_a_subset_is_a_quick_trial(data_folder, tmp_path):
    reports = run({"data": {"subset": 128}, "epochs": 1}, data_folder, tmp_path)

    assert of(Started, reports)[0].batches == 2


def test_the_last_word_on_the_test_set_agrees_with_the_last_epoch(data_folder, tmp_path):
    reports = run({}, data_folder, tmp_path)

    [evaluated] = of(Evaluated, reports)
    end = of(EpochEnd, reports)[-1]
    assert evaluated.content["accuracy"] == end.test_accuracy
    assert evaluated.content["loss"] == pytest.approx(end.test_loss, rel=1e-5)


def learning(**changes):
    return {
        "data": {"validation": 0.2},
        "optimizer": {"kind": "adamw", "learning_rate": 0.01},
        "epochs": 12,
    } | changes


def test_a_run_ends_when_its_patience_is_at_its_end_and_publishes_the_best(
    data_folder, tmp_path, monkeypatch
):
    validation = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    original = losses.measure

    def recorded(kind, scores, labels):
        loss, accuracy = original(kind, scores, labels)
        return (next(validation) if len(labels) == 287 else loss), accuracy

    monkeypatch.setattr(losses, "measure", recorded)
    changes = learning(stopping={"patience": 3}, publishing={"weights": "best"})

    reports = run(changes, data_folder, tmp_path)

    finished, ends = reports[-1], of(EpochEnd, reports)
    assert len(ends) == 5
    assert finished.epoch == 2
    assert finished.reason == message("stop.no_improvement", epochs=3)
    [evaluated] = of(Evaluated, reports)
    assert evaluated.content["accuracy"] == ends[1].test_accuracy
    assert "Published are the weights of epoch 2" in of(Line, reports)[-1].text
    [name] = [file.path for file in finished.files if file.format == "card.json"]
    card = json.loads(Path(name).read_text())
    assert card["metrics"]["test_accuracy"] == ends[1].test_accuracy
    assert card["training"]["last_epoch"]["test_accuracy"] == ends[4].test_accuracy


def test_a_run_ends_at_its_target(data_folder, tmp_path):
    reports = run(learning(stopping={"target_accuracy": 0.6}), data_folder, tmp_path)

    ends = of(EpochEnd, reports)
    assert len(ends) < 12
    assert ends[-1].validation_accuracy >= 0.6
    assert all(end.validation_accuracy < 0.6 for end in ends[:-1])
    assert reports[-1].reason.code == "stop.target_reached"


def test_a_run_ends_in_mid_epoch_when_its_time_is_up(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)

    reports = run({"stopping": {"time_limit_s": 1e-6}}, data_folder, tmp_path)

    [end] = of(EpochEnd, reports)
    assert (end.epoch, end.batch) == (1, 1)
    assert end.train_loss == of(StepMetrics, reports)[0].train_loss
    assert reports[-1].reason.code == "stop.time_limit"


def test_a_plateau_lowers_the_learning_rate(data_folder, tmp_path, monkeypatch):
    original = losses.measure
    monkeypatch.setattr(
        losses,
        "measure",
        lambda *given: (1.0, original(*given)[1]),
    )
    changes = learning(schedule={"kind": "plateau", "patience": 2, "factor": 0.5}, epochs=6)

    ends = of(EpochEnd, run(changes, data_folder, tmp_path))

    assert [end.learning_rate for end in ends] == [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025]


def test_too_little_memory_is_logged_and_the_run_continues(data_folder, tmp_path, monkeypatch):
    room = 20
    whole = step.Stepper._backward

    def in_little_memory(self, part):
        if len(part.labels) > room:
            raise torch.OutOfMemoryError
        return whole(self, part)

    expected = of(EpochEnd, run({}, data_folder, tmp_path))
    monkeypatch.setattr(step.Stepper, "_backward", in_little_memory)

    reports = run({}, data_folder, tmp_path)

    assert [each.micro_batch for each in of(Shrunk, reports)] == [32, 16]
    warnings = [line.text for line in of(Line, reports) if line.level == "warning"]
    assert "micro-batches of at most 16 images" in warnings[-1]
    ends = of(EpochEnd, reports)
    assert ends[-1].train_loss == pytest.approx(expected[-1].train_loss, rel=1e-4)


def test_what_auto_has_chosen_is_logged(data_folder, tmp_path):
    reports = run({"epochs": 1}, data_folder, tmp_path)

    assert of(Started, reports)[0].precision == "fp32"
    assert "fp32 (auto)" in of(Line, reports)[0].text


@pytest.mark.parametrize(
    "changes",
    [
        {"regularization": {"ema": 0.9}},
        {"regularization": {"mix": "cutmix", "label_smoothing": 0.1, "gradient_clip": 1.0}},
        {"augmentation": {"kind": "handwriting", "shift": 1}},
        {"compute": {"precision": "bf16"}},
        {"loss": "multi_margin"},
        {"model": {"kind": "resnet", "width": 4}},
        {"model": {"kind": "mlp"}},
        {"data": {"normalize": True, "placement": "stream"}},
        {"micro_batches": 3},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_run_learns_with_every_knob(data_folder, tmp_path, changes):
    base = {"optimizer": {"kind": "adamw", "learning_rate": 0.01}, "epochs": 6}

    ends = of(EpochEnd, run(base | changes, data_folder, tmp_path))

    assert ends[-1].train_loss < ends[0].train_loss
    assert ends[-1].test_accuracy > 0.5


@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd", "momentum": 0.9},
        {"kind": "adam"},
        {"kind": "adamw"},
        {"kind": "rmsprop"},
        {"kind": "muon"},
    ],
)
@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "one_cycle", "plateau"])
def test_every_optimizer_learns_with_every_schedule(data_folder, tmp_path, optimizer, schedule):
    optimizer = {"learning_rate": 0.01} | optimizer
    changes = {"optimizer": optimizer, "schedule": {"kind": schedule}, "epochs": 4}

    ends = of(EpochEnd, run(changes, data_folder, tmp_path))

    assert ends[-1].train_loss < ends[0].train_loss
    assert ends[-1].test_accuracy > 0.3
