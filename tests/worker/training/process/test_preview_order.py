"""An order to draw a preview ends with a picture, or with a report of why there is none."""

from __future__ import annotations

from PIL import Image

from core.protocol.orders import PreviewOrder
from core.protocol.reports import Failed
from core.spec.hyperparameters import NoAugmentation
from worker.training.process import preview_order


def order(data, scratch, **changes):
    asked = {"dataset": "digits", "augmentation": NoAugmentation(), "seed": 0} | changes
    return PreviewOrder(**asked, data=data, picture=scratch / "preview.png")


def test_an_order_leaves_a_picture_and_no_word(data_folder, tmp_path):
    reports = []

    preview_order.run(order(data_folder, tmp_path), reports.append)

    assert reports == []
    assert [path.name for path in tmp_path.iterdir()] == ["preview.png"]
    with Image.open(tmp_path / "preview.png") as picture:
        assert picture.format == "PNG"


def test_an_order_that_cannot_be_carried_out_says_why(tmp_path):
    reports = []

    preview_order.run(order(tmp_path, tmp_path, dataset="mnist"), reports.append)

    [report] = reports
    assert isinstance(report, Failed)
    assert report.reason.text.startswith("MNIST is not on this worker yet")
    assert not (tmp_path / "preview.png").exists()
