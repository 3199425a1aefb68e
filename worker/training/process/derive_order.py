"""The order to compute a file for a page: the file, or a report of why there is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from core.datasets.builtin import DATASETS
from core.errors import DataUnavailable
from core.messages import message
from core.protocol.orders import DeriveOrder
from core.protocol.reports import Report
from core.spec.spec import TrainingSpec
from worker.training.data import datasets, download
from worker.training.data.datasets import Images
from worker.training.outputs import exports, feature_maps, insight, test_images
from worker.training.process.run_order import explain
from worker.training.run import snapshot_file

NICENESS = 10
"""Runs come first: nobody is hurt where a page waits a little longer."""

Network = tuple[nn.Module, TrainingSpec]


def run(order: DeriveOrder, report: Callable[[Report], None]) -> None:
    """Compute the file of an order, or report why not."""
    os.nice(NICENESS)
    torch.set_num_threads(1)  # runs need the others
    try:
        content = _content(order)
        part = order.target.with_suffix(".part")
        part.write_bytes(content)
        part.rename(order.target)
    except Exception as error:  # noqa: BLE001  (the boundary: every failure becomes a report)
        report(explain(error))


def _content(order: DeriveOrder) -> bytes:
    if order.source is None or order.weights is None:
        return test_images.packed(_test_set(order))
    network, spec = _network(order.source, order.weights)
    if order.kind == "network":
        return feature_maps.export(network, spec)
    return insight.compute(network, spec, _test_set(order))


def _network(source: Path, weights: Literal["published", "snapshot"]) -> Network:
    """The network of a file, with its weights, in evaluation mode."""
    if weights == "snapshot":
        spec, state = snapshot_file.evaluated_weights(source)
    else:
        content = torch.load(source, map_location="cpu", weights_only=True)
        spec, state = exports.spec_of(content["spec"]), content["state_dict"]
    network = exports.rebuild(spec.model_dump(mode="json"))
    network.load_state_dict(state)
    return network, spec


def _test_set(order: DeriveOrder) -> Images:
    """The test images of a dataset that is here.

    Raises:
        DataUnavailable: the dataset is not here, or damaged.
    """
    if order.dataset == "digits":  # they lie in a Python package: nothing is fetched
        download.ensure(order.dataset, order.data, lambda _text: None)
    if not datasets.is_present(order.dataset, order.data):
        title = DATASETS[order.dataset].title
        raise DataUnavailable(message("data.not_on_worker", dataset=title))
    return datasets.load(order.dataset, order.data)[1]
