"""The order to draw a preview: the picture's file, or a report of why there is none."""

from __future__ import annotations

from collections.abc import Callable

import torch

from core.protocol.orders import PreviewOrder
from core.protocol.reports import Report
from worker.training.outputs import preview_image
from worker.training.process.run_order import explain


def run(order: PreviewOrder, report: Callable[[Report], None]) -> None:
    """Draw the preview of an order, or report why not."""
    torch.set_num_threads(1)  # runs need the others
    try:
        picture = preview_image.draw(order.dataset, order.augmentation, order.seed, order.data)
        part = order.picture.with_suffix(".part")
        part.write_bytes(picture)
        part.rename(order.picture)
    except Exception as error:  # noqa: BLE001  (the boundary: every failure becomes a report)
        report(explain(error))
