"""What a run says in its log says what a person needs to know."""

import torch

from core.spec.presets import resolve
from worker.training.run import log_messages
from worker.training.run.snapshot_file import Measured, Progress


def test_it_is_said_whether_the_precision_was_left_to_the_engine():
    open_, asked = (
        log_messages.started(
            resolve("quick", changes), torch.device("cpu"), "fp32", threads=2, processes=1
        )
        for changes in ({}, {"compute": {"precision": "fp32"}})
    )

    assert open_.startswith("Training on CPU in fp32 (auto), ")
    assert asked.startswith("Training on CPU in fp32, ")


def test_several_devices_are_counted():
    spec = resolve("quick", {})

    assert log_messages.started(spec, torch.device("cpu"), "fp32", threads=2, processes=2).endswith(
        ", 2 devices."
    )


def test_a_resumed_run_says_what_was_done_already():
    assert "Resumed after epoch 2," in log_messages.resumed(Progress(epochs=2))
    assert "Resumed after batch 7 of epoch 3," in log_messages.resumed(Progress(epochs=2, batch=7))


def test_an_epoch_speaks_of_validation_where_there_is_some():
    without = Measured(epoch=3, train_loss=0.5, test_loss=0.25, test_accuracy=0.9876)
    with_some = Measured(3, 0.5, 0.125, 0.875, 0.25, 0.9876)

    assert log_messages.measured(without, 10) == (
        "epoch 3/10 done: average loss 0.5000, test loss 0.2500, test accuracy 98.76%"
    )
    assert "validation loss 0.1250, validation accuracy 87.50%" in log_messages.measured(
        with_some, 10
    )


def test_a_divergence_names_the_place_the_rate_and_what_is_left():
    nothing, a_point = (log_messages.diverged(2, 5, 0.30, saved).text for saved in (None, 0))

    for text in (nothing, a_point):
        assert "epoch 2, batch 5, where the schedule had the learning rate at 0.3" in text
    assert "had made no snapshot" in nothing
    assert "that after 0 batches" in a_point
