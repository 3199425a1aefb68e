"""Runs that nobody disturbs: the same loop, in this process, without worker, queue or database."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch

from core.protocol.reports import EpochEnd, Finished, Report
from core.spec import spec as specs
from tests.faults.checker import Reference
from worker.training.run import loop
from worker.training.run.context import RunContext


class References:
    """What runs end with, each spec trained once."""

    def __init__(self, data: Path, threads: int) -> None:
        """Take the data folder, and the threads that the workers compute with."""
        self._data = data
        self._threads = threads
        self._of = cache(self._train)

    def __call__(self, spec: dict[str, Any]) -> Reference:
        """What an undisturbed run of a spec ends with."""
        return self._of(json.dumps(spec, sort_keys=True))

    def _train(self, spec: str) -> Reference:
        reports: list[Report] = []
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                loop.run(
                    RunContext(
                        spec=specs.parse(json.loads(spec)),
                        data=self._data,
                        scratch=Path(scratch),
                        device=torch.device("cpu"),
                        report=reports.append,
                    )
                )
        finally:
            torch.set_num_threads(before)
        [finished] = [report for report in reports if isinstance(report, Finished)]
        return Reference(
            finished.weights_sha256,
            tuple(
                (end.epoch, end.train_loss, end.test_loss, end.test_accuracy, end.learning_rate)
                for end in reports
                if isinstance(end, EpochEnd)
            ),
        )
