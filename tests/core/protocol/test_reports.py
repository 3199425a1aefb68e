"""Reports travel as JSON lines, and nothing else passes for one."""

import pytest
from pydantic import ValidationError

from core.messages import message
from core.protocol import reports
from core.protocol.reports import (
    Failed,
    File,
    Finished,
    Line,
    Shrunk,
    StepMetrics,
    StepMetricsBatch,
    Stopped,
)
from tests import reported

NUMBERS = {"train_loss": 0.5, "learning_rate": 0.1, "images_per_s": 9.5, "eta_s": 1.0}
COLUMNS = {
    "step": [3, 4],
    "epoch": [1, 1],
    "batch": [3, 4],
    "train_loss": [0.5, 0.25],
    "learning_rate": [0.1, 0.1],
    "images_per_s": [9.5, 1e9],
    "eta_s": 1.0,
}
PLACE = {"step": 3, "epoch": 1, "batch": 3}


@pytest.mark.parametrize(
    "report",
    [
        reported.started(),
        StepMetrics(**PLACE, **NUMBERS),
        StepMetricsBatch(**COLUMNS),
        reported.epoch_end(),
        reported.epoch_end(validation_loss=0.5, validation_accuracy=0.5),
        reported.evaluated(),
        Shrunk(micro_batch=32),
        Line(text='quote " and\nnew line \0'),
        Finished(epoch=1, weights_sha256="a", files=[File(format="pt", path="p", filename="f")]),
        Failed(error_kind="ValueError", reason=message("run.error", type="ValueError", detail="")),
        Failed(
            error_kind="crash",
            reason=message("run.failed_on_rank", rank=1, reason=message("process.ended_unknown")),
        ),
        Finished(
            epoch=1,
            reason=message("stop.no_improvement", epochs=3),
            weights_sha256="a",
            files=[],
        ),
        Stopped(),
    ],
    ids=lambda report: report.kind,
)
def test_a_report_survives_its_line(report):
    line = report.model_dump_json().encode()

    assert b"\n" not in line
    assert reports.parse(line) == report


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"x", b"[]", b"{}", b'{"kind": "party"}', b'{"kind": "stopped", "x": 1}', b"\xff"),
        *(
            b'{"kind": "failed", "error_kind": "x", "reason": %s}' % reason
            for reason in (b'"no"', b"{}", b'{"code": "text"}', b"[1]", b'{"code": 1, "params": 1}')
        ),
    ],
)
def test_a_line_that_is_no_report_is_refused(line):
    with pytest.raises(ValidationError):
        reports.parse(line)


@pytest.mark.parametrize(
    "change",
    [
        {"step": [3]},
        {"epoch": []},
        {name: [] for name in COLUMNS if name != "eta_s"},
        {"train_loss": [0.5, float("nan")]},
        {"images_per_s": [1.0, float("inf")]},
    ],
)
def test_a_batch_without_samples_or_with_columns_of_two_lengths_is_refused(change):
    with pytest.raises(ValidationError):
        StepMetricsBatch(**COLUMNS | change)


def test_a_batch_ends_with_its_newest_sample():
    last = StepMetricsBatch(**COLUMNS).last

    assert (last.step, last.batch, last.train_loss, last.eta_s) == (4, 4, 0.25, 1.0)
