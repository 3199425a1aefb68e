"""A run that was stopped and resumed ends as the undisturbed run: to the last bit."""

import contextlib
import itertools
from pathlib import Path

import pytest
import torch

from core.protocol.reports import EpochEnd, Finished, Line, Saved, Shrunk, Started
from core.spec.presets import resolve
from worker.training.data import datasets
from worker.training.run import loop, setup, snapshot_file, step
from worker.training.run.context import RunContext
from worker.training.run.loop import StopRequested
from worker.training.run.sharding import Sharding
from worker.training.run.snapshot_file import Progress, Unusable

SHARDING = Sharding(1, 1)
EPOCHS, BATCHES = 3, 23
BASE = {
    "dataset": "digits",
    "model": {"channels": [4], "dropout": 0.3, "batch_norm": True},
    "batch_size": 64,
    "epochs": EPOCHS,
    "seed": 7,
}
OPTIMIZERS = {
    "sgd": {"kind": "sgd"},
    "momentum": {"kind": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "adam": {"kind": "adam"},
    "adamw": {"kind": "adamw"},
    "rmsprop": {"kind": "rmsprop", "momentum": 0.5},
    "muon": {"kind": "muon"},
}
SCHEDULES = {
    "constant": {"kind": "constant", "warmup": 0.2},
    "step": {"kind": "step", "every": 1},
    "cosine": {"kind": "cosine"},
    "one_cycle": {"kind": "one_cycle"},
    "plateau": {"kind": "plateau", "patience": 1},
}
KNOBS = {
    "handwriting": {"augmentation": {"kind": "handwriting", "erase": 0.2}},
    "clothes": {"augmentation": {"kind": "clothes"}},
    "photos": {"augmentation": {"kind": "photos", "color": 0}},
    "mixup": {"regularization": {"mix": "mixup"}},
    "cutmix": {"regularization": {"mix": "cutmix"}},
    "soft labels and clipping": {"regularization": {"label_smoothing": 0.1, "gradient_clip": 0.5}},
    "ema": {"regularization": {"ema": 0.9}},
    "micro_batches": {"micro_batches": 3},
    "margin": {"loss": "multi_margin"},
    "fp32": {"compute": {"precision": "fp32"}},
    "bf16": {"compute": {"precision": "bf16"}},
    "stream": {"data": {"placement": "stream"}},
    "validation and subset": {"data": {"validation": 0.2, "subset": 1400, "normalize": True}},
    "best": {"data": {"validation": 0.2}, "publishing": {"weights": "best"}},
    "stride": {"model": {"channels": [4, 8], "stem": "stride"}},
    "resnet": {"model": {"kind": "resnet", "width": 4}},
    "mlp": {"model": {"kind": "mlp", "dropout": 0.2}},
}


@pytest.fixture
def run(data_folder, tmp_path):
    """Trains, and saves and stops before the given numbers of batches; gives all reports."""
    numbers = itertools.count()

    def train_once(spec, stop_before, resume_from, initial_weights=None):
        scratch = tmp_path / str(next(numbers))
        scratch.mkdir()
        reports, asked = [], itertools.count()
        with contextlib.suppress(StopRequested):
            loop.run(
                RunContext(
                    spec=spec,
                    data=data_folder,
                    scratch=scratch,
                    device=torch.device("cpu"),
                    initial_weights=None if resume_from else initial_weights,
                    report=reports.append,
                    stop_requested=lambda: "save" if next(asked) == stop_before else None,
                ),
                resume_from=resume_from,
            )
        return reports

    def train_in_parts(changes, stops=(), initial_weights=None):
        spec = resolve("tutorial", BASE | changes)
        parts, resume_from = [], None
        for stop_before in (*stops, None):
            reports = train_once(spec, stop_before, resume_from, initial_weights)
            parts.append(reports)
            if saved := of(Saved, reports):
                resume_from = saved[-1].path
        return parts

    return train_in_parts


def of(kind, reports):
    return [report for report in reports if isinstance(report, kind)]


def measured(parts):
    """What the epochs' rows hold of the training itself: not how fast it was."""
    ends = of(EpochEnd, itertools.chain(*parts))
    return [
        (
            *(e.epoch, e.step, e.train_loss, e.validation_loss, e.validation_accuracy),
            *(e.test_loss, e.test_accuracy, e.learning_rate, e.gradient_norm),
        )
        for e in ends
    ]


def weights(parts):
    [finished] = of(Finished, parts[-1])
    return finished.weights_sha256


def test_a_run_that_began_with_the_weights_of_another_resumes_without_them(run, tmp_path):
    [before] = of(Finished, run({"seed": 3, "epochs": 1})[-1])
    path = next(Path(file.path) for file in before.files if file.format == "pt")

    undisturbed = run({}, initial_weights=path)
    resumed = run({}, stops=(10, 30), initial_weights=path)

    assert weights(resumed) == weights(undisturbed)
    assert measured(resumed) == measured(undisturbed)
    assert weights(run({})) != weights(undisturbed)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_run_ends_with_the_same_bytes_and_rows(run, optimizer, schedule):
    spec = {"optimizer": OPTIMIZERS[optimizer], "schedule": SCHEDULES[schedule]}
    undisturbed = run(spec)

    stopped_twice = run(spec, stops=(10, 30))

    assert weights(stopped_twice) == weights(undisturbed)
    assert measured(stopped_twice) == measured(undisturbed)
    assert [row[0] for row in measured(stopped_twice)] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("knob", KNOBS)
def test_a_resumed_run_is_exact_with_every_knob(run, knob):
    # stopped within the second epoch and the third, or at the end of the last where they are short
    undisturbed = run(KNOBS[knob])

    stopped_twice = run(KNOBS[knob], stops=(27, 12))

    assert len(stopped_twice) == 3
    assert weights(stopped_twice) == weights(undisturbed)
    assert measured(stopped_twice) == measured(undisturbed)


def test_patience_is_counted_over_a_stop(run):
    changes = {
        "data": {"validation": 0.2},
        "optimizer": {"kind": "sgd", "learning_rate": 1e-9},
        "stopping": {"patience": 1},
        "publishing": {"weights": "best"},
        "epochs": 8,
    }
    undisturbed = run(changes)

    stopped = run(changes, stops=(25,))

    [mine], [theirs] = of(Finished, stopped[-1]), of(Finished, undisturbed[-1])
    assert mine.reason == theirs.reason
    assert mine.epoch == theirs.epoch
    assert mine.weights_sha256 == theirs.weights_sha256


def test_a_memory_that_was_too_small_is_remembered_over_a_stop(run, monkeypatch):
    whole = step.Stepper._backward

    def in_little_memory(self, part):
        if len(part.labels) > 20:
            raise torch.OutOfMemoryError
        return whole(self, part)

    monkeypatch.setattr(step.Stepper, "_backward", in_little_memory)
    undisturbed = run({"model": {"channels": [4]}})

    first, second = run({"model": {"channels": [4]}}, stops=(10,))

    assert len(of(Shrunk, first)) == 2
    assert [each.micro_batch for each in of(Shrunk, second)] == [16]  # the page must not forget it
    assert weights([second]) == weights(undisturbed)


# an epoch asks before each of its 23 batches and once before the only batch of the evaluation
@pytest.mark.parametrize(
    "asking", [0, 1, 22, BATCHES, BATCHES + 1, BATCHES + 2, EPOCHS * (BATCHES + 1) - 1]
)
def test_it_does_not_matter_where_a_run_is_stopped(run, asking):
    undisturbed = run({})

    stopped = run({}, stops=(asking,))

    assert weights(stopped) == weights(undisturbed)
    assert measured(stopped) == measured(undisturbed)


def test_a_run_that_is_stopped_before_every_batch_resumes_all_the_same(run):
    undisturbed = run({"epochs": 1})

    stopped = run({"epochs": 1}, stops=[1] * BATCHES)

    assert weights(stopped) == weights(undisturbed)
    assert measured(stopped) == measured(undisturbed)


def test_the_run_logs_from_where_it_resumes(run):
    _, resumed = run({}, stops=(BATCHES + 1 + 10,))

    started = of(Started, resumed)[0]
    assert (started.epoch, started.step) == (1, BATCHES + 10)
    assert "batch 10 of epoch 2" in of(Line, resumed)[0].text


def test_a_point_that_the_run_saved_by_itself_serves_as_well(run, monkeypatch):
    undisturbed = run({})
    monkeypatch.setattr(loop, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(loop, "SAVE_EPOCHS_EVERY_S", 0.0)
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)

    stopped = run({}, stops=(BATCHES + 5,))

    assert len(of(Saved, stopped[0])) >= BATCHES
    assert weights(stopped) == weights(undisturbed)
    assert measured(stopped) == measured(undisturbed)


@pytest.mark.parametrize("stop", [BATCHES, BATCHES + 1])
def test_one_batch_is_saved_once_however_many_reasons_there_are(run, monkeypatch, stop):
    """By the minute, after the epoch, and because it is asked to stop there."""
    monkeypatch.setattr(loop, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(loop, "SAVE_EPOCHS_EVERY_S", 0.0)
    undisturbed = run({})

    stopped = run({}, stops=(stop,))

    steps = [saved.step for saved in of(Saved, stopped[0])]
    assert steps == sorted(set(steps))
    assert steps[-1] == BATCHES
    assert weights(stopped) == weights(undisturbed)
    # an evaluation may be done again; the recorder then discards the first one
    assert list({row[0]: row for row in measured(stopped)}.values()) == measured(undisturbed)


def test_the_seconds_of_an_epoch_are_those_of_all_its_parts(run, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY_S", 0.0)

    _, resumed = run({"epochs": 1}, stops=(BATCHES,))

    [end] = of(EpochEnd, resumed)
    assert end.seconds > 0.005
    assert end.images_per_s == pytest.approx(1437 / end.seconds)


WIDE = {"batch_size": 128, "model": {"kind": "cnn", "channels": [64, 128], "kernel_size": 3}}
"""Work enough for several shards."""


def test_a_run_in_shards_resumes_on_any_number_of_threads(run, monkeypatch):
    changes = WIDE | {"epochs": 2}
    torch.set_num_threads(2)
    undisturbed = run(changes)
    started = of(Started, undisturbed[0])[0]
    assert (started.threads, started.shards) == (2, 4)
    counts = iter([1, 3])
    monkeypatch.setattr(datasets, "load", with_threads(datasets.load, lambda: next(counts)))
    original = setup.Sharding
    monkeypatch.setattr(
        setup, "Sharding", lambda shards, _: original(shards, torch.get_num_threads())
    )

    assert weights(run(changes, stops=(7,))) == weights(undisturbed)


def test_a_run_without_shards_resumes_with_the_threads_it_began_with(run, monkeypatch):
    """A snapshot of an earlier release, or of a compiled network."""
    shards = iter([None, None, 1])
    monkeypatch.setattr(setup, "_shards", lambda _: next(shards))
    torch.set_num_threads(2)
    undisturbed = weights(run({}))
    original = snapshot_file.SnapshotFile.restore

    def restored(*arguments):
        original(*arguments)
        assert torch.get_num_threads() == 2

    monkeypatch.setattr(snapshot_file.SnapshotFile, "restore", restored)

    assert weights(run({}, stops=(10,))) == undisturbed


def with_threads(load, threads):
    def loaded(*arguments):
        torch.set_num_threads(threads())
        return load(*arguments)

    return loaded


def test_two_equal_points_are_different_files(run):
    first, second = (of(Saved, run({}, stops=(5,))[0])[0] for _ in range(2))

    assert Path(first.path).read_bytes() != Path(second.path).read_bytes()


def test_a_full_disk_is_logged_and_the_run_continues(run, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot_file, "write", no_room)
    monkeypatch.setattr(loop, "SAVE_EPOCHS_EVERY_S", 0.0)

    [reports] = run({})

    assert of(Finished, reports)
    assert not of(Saved, reports)
    warnings = [r.text for r in reports if getattr(r, "level", "") == "warning"]
    assert len(warnings) == EPOCHS
    assert "No space left" in warnings[0]


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def half_written(_contents, file):
        file.write(b"half")
        raise RuntimeError("unexpected pos 4")

    monkeypatch.setattr(torch, "save", half_written)
    monkeypatch.setattr(snapshot_file, "_contents", lambda *_: {})

    with pytest.raises(OSError, match="unexpected pos"):
        snapshot_file.write(
            tmp_path / "resume-1.pt",
            resolve("tutorial", BASE),
            "fp32",
            SHARDING,
            {},
            Progress(),
            None,
        )

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "cannot read"),
        ({"format_version": 1}, "cannot read"),
        ({"spec": {"epochs": 77}}, "another run"),
        ({"spec": {"a field that is gone": 1}}, "another run"),
        ({"precision": "bf16"}, "another kind of device"),
    ],
)
def test_a_point_of_another_version_or_run_is_refused(run, tmp_path, change, message):
    path = of(Saved, run({}, stops=(5,))[0])[0].path
    torch.save(torch.load(path, weights_only=True) | change, path)

    with pytest.raises(Unusable, match=message):
        snapshot_file.SnapshotFile(path, resolve("tutorial", BASE), "fp32")


def _fields(spec, path=()):
    """The paths of every field of a spec, those that decide which others there are left out."""
    for name, value in spec.items():
        if isinstance(value, dict):
            yield from _fields(value, (*path, name))
        elif name != "kind":
            yield (*path, name)


@pytest.mark.parametrize("path", list(_fields(resolve("tutorial", {}).model_dump())), ids=".".join)
def test_a_field_that_a_later_release_adds_leaves_snapshots_usable(tmp_path, path):
    """The snapshot's spec lacks it, the run's has it with its default."""
    spec = resolve(None, {"dataset": "digits"})
    file = tmp_path / "snapshot.pt"
    snapshot_file.write(
        file,
        spec,
        "fp32",
        SHARDING,
        {},
        Progress(),
        snapshot_file.SnapshotExtras(torch.zeros(0), None),
    )
    contents = torch.load(file, weights_only=True)
    section = contents["spec"]
    for name in path[:-1]:
        section = section[name]
    has_default = section.pop(path[-1]) == _default(path)
    torch.save(contents, file)

    if has_default:
        snapshot_file.SnapshotFile(file, spec, "fp32")
    else:
        with pytest.raises(Unusable, match="another run"):
            snapshot_file.SnapshotFile(file, spec, "fp32")


def _default(path):
    value = resolve(None, {}).model_dump(mode="json")
    for name in path:
        value = value[name]
    return value


def test_a_snapshot_of_the_first_release_is_read(run, tmp_path):
    path = of(Saved, run({"micro_batches": 2}, stops=(5,))[0])[0].path
    contents = torch.load(path, weights_only=True)
    old = dict(contents["spec"])
    old["accumulation"] = old.pop("micro_batches")
    torch.save(contents | {"format_version": 3, "spec": old}, path)

    snapshot = snapshot_file.SnapshotFile(
        path, resolve("tutorial", BASE | {"micro_batches": 2}), "fp32"
    )

    assert snapshot.progress.step == 5
