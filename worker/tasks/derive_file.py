"""Computes the files that pages ask for from weights and datasets, beside the slots of the jobs.

Each by a process of its own on the CPU, with one thread and a low priority, one at a time. It reads
blobs and datasets and writes a blob of its own: no run notices.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from core import derived, logs
from core.derived import Request
from core.errors import NotFound, Unavailable
from core.messages import message
from core.protocol.orders import DeriveOrder
from core.storage.blobs import Blob, digest
from worker.processes.trainer import Trainer
from worker.processes.zygote import ZygoteGone
from worker.tasks.beside import BESIDE_THE_SLOTS, BesideTheSlots, NotDone

LOOK_EVERY_S = 10.0
LOOK_AGAIN_AFTER_S = derived.LEFT_TO_OTHERS_S + 0.1

log = logs.get_logger(__name__)


class DerivedFiles(BesideTheSlots):
    """The derived files that one worker computes, one at a time, in one thread."""

    name = "derived"

    def _pause_s(self, *, is_asked: bool) -> float:
        return LOOK_AGAIN_AFTER_S if is_asked else LOOK_EVERY_S

    def _do_next(self) -> bool:
        taken = derived.take(self._context.database, self._datasets())
        if taken is not None:
            self._compute(*taken)
        return taken is not None

    def _sweep(self) -> None:
        derived.sweep(self._context.database)

    def _compute(self, key: str, asked: Request) -> None:
        database = self._context.database
        try:
            blob = self._stored(asked)
        except (NotDone, Unavailable) as error:
            log.warning("file_not_derived", derived=key[:8], reason=str(error))
            derived.fail(database, key, error.reason)
        except Exception:  # whatever it is, who waits for the file gets an answer
            log.exception("derived_failed", derived=key[:8])
            derived.fail(database, key, message("derived.worker_failed"))
        else:
            derived.finish(database, key, blob)

    def _stored(self, asked: Request) -> Blob:
        try:
            trainer = self._context.spares.fork(BESIDE_THE_SLOTS)
        except ZygoteGone as error:
            raise NotDone(message("derived.try_again")) from error
        with trainer:
            order = DeriveOrder(
                kind=asked["kind"],
                dataset=asked["dataset"],
                data=self._context.settings.data_folder,
                weights=asked.get("weights"),
                source=self._source(asked, trainer),
                target=trainer.scratch / "derived",
            )
            trainer.give(order)
            self._wait_for(
                trainer,
                derived.TIME_LIMIT_S,
                too_slow=message("derived.too_slow", limit_s=derived.TIME_LIMIT_S),
                stopped=message("derived.worker_stopped"),
            )
            if not order.target.exists():
                log.warning("derived_process_ended", output=trainer.output_tail())
                raise NotDone(message("derived.process_ended"))
            return self._context.storage.put(order.target)

    def _source(self, asked: Request, trainer: Trainer) -> Path | None:
        """The weights that a file is made of, copied from the blob store."""
        if "sha256" not in asked:
            return None
        blob = Blob(asked["sha256"], asked["size"])
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
