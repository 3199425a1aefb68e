"""Reports travel as JSON lines, and nothing else passes for one."""

import pytest
from pydantic import ValidationError

from core import reports
from core.reports import EpochEnd, Failed, File, Finished, Line, Reading, Started, Stopped

NUMBERS = {"train_loss": 0.5, "learning_rate": 0.1, "images_per_s": 9.5, "eta_s": 1.0}
PLACE = {"step": 3, "epoch": 1, "batch": 3}


@pytest.mark.parametrize(
    "report",
    [
        Started(device="CPU", threads=1, epochs=2, batches=10),
        Reading(**PLACE, **NUMBERS),
        EpochEnd(**PLACE, **NUMBERS, test_loss=0.4, test_accuracy=0.9, seconds=2.0),
        Line(text='quote " and\nnew line \0'),
        Finished(epoch=1, weights_sha256="a", files=[File(format="pt", path="p", filename="f")]),
        Failed(error="ValueError", message="no"),
        Stopped(),
    ],
    ids=lambda report: report.kind,
)
def test_a_report_survives_its_line(report):
    line = report.model_dump_json().encode()

    assert b"\n" not in line
    assert reports.parse(line) == report


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"kind": "party"}', b'{"kind": "stopped", "x": 1}', b"\xff"]
)
def test_a_line_that_is_no_report_is_refused(line):
    with pytest.raises(ValidationError):
        reports.parse(line)
