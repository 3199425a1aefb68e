"""A run ends early by its validation split and its time, never by the test set."""

import pytest

from core.messages import message
from core.spec.presets import resolve
from worker.training.run.snapshot_file import Measured, Progress
from worker.training.run.stopping import why_stop


def spec(**stopping):
    return resolve("tutorial", {"data": {"validation": 0.1}, "stopping": stopping})


def place(epoch=5, best=5, accuracy=0.5, test_accuracy=1.0):
    last = Measured(
        epoch, validation_loss=1.0, validation_accuracy=accuracy, test_accuracy=test_accuracy
    )
    return Progress(last=last, best=Measured(best, validation_loss=0.9))


def test_a_run_without_limits_is_not_stopped():
    assert why_stop(spec(), place(), time_is_up=False) is None


@pytest.mark.parametrize(("best", "ends"), [(5, False), (3, False), (2, True)])
def test_patience_counts_the_epochs_since_the_best(best, ends):
    why = why_stop(spec(patience=3), place(best=best), time_is_up=False)

    assert why == (message("stop.no_improvement", epochs=3) if ends else None)


def test_a_target_is_reached_on_the_validation_split():
    assert why_stop(spec(target_accuracy=0.9), place(accuracy=0.89), time_is_up=False) is None
    stop = why_stop(spec(target_accuracy=0.9), place(accuracy=0.905), time_is_up=False)
    assert stop == message("stop.target_reached", accuracy=0.905)
    assert "90.50%" in stop.text


def test_the_end_of_its_time_ends_a_run():
    stop = why_stop(spec(time_limit_s=12.5), place(), time_is_up=True)
    assert "time limit of 12.5 s reached" in stop.text
