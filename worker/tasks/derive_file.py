"""Computes the files that pages ask for from weights and datasets, beside the slots of the jobs.

Each by a process of its own on the CPU, with one thread and a low priority, one at a time. It reads
blobs and datasets and writes a blob of its own: no run notices.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from core import derived
from core.asked import Request
from core.errors import NotFound
from core.messages import Message, message
from core.protocol.orders import DeriveOrder
from core.storage.blobs import Blob, digest
from worker.context import WorkerContext
from worker.processes.trainer import Trainer
from worker.tasks import beside
from worker.tasks.beside import BesideTheSlots, NotDone


class DerivedFiles(BesideTheSlots[Blob]):
    """The derived files that one worker computes, one at a time, in one thread."""

    def __init__(self, context: WorkerContext) -> None:
        super().__init__(context, "derived", derived)

    def _make(self, request: Request) -> Blob:
        with self._process(message("derived.try_again")) as trainer:
            order = DeriveOrder(
                kind=request["kind"],
                dataset=request["dataset"],
                data=self._context.settings.data_folder,
                weights=request.get("weights"),
                source=self._source(request, trainer),
                target=trainer.scratch / "derived",
            )
            trainer.give(order)
            self._wait_for(
                trainer,
                derived.TIME_LIMIT_S,
                too_slow=message("derived.too_slow", limit_s=derived.TIME_LIMIT_S),
                stopped=message("derived.worker_stopped"),
            )
            ended = message("derived.process_ended")
            return self._context.storage.put(beside.left(order.target, trainer, ended))

    def _failed(self) -> Message:
        return message("derived.worker_failed")

    def _source(self, request: Request, trainer: Trainer) -> Path | None:
        """The weights that a file is made of, copied from the blob store."""
        if "sha256" not in request:
            return None
        blob = Blob(request["sha256"], request["size"])
        trainer.scratch.mkdir(parents=True, exist_ok=True)
        path = trainer.scratch / "weights.pt"
        try:
            with self._context.storage.open(blob) as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        except NotFound as error:
            raise NotDone(message("derived.source_gone")) from error
        if digest(path) != blob:
            raise NotDone(message("derived.source_gone"))
        return path
