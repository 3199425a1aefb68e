"""A database with something of everything: runs in several states, one that has measured much."""

from __future__ import annotations

from core import saved_filters, workers
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.endings import Publication
from core.jobs.recorder import Recorder
from core.protocol.reports import Line, StepMetrics
from core.spec import presets
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.reported import epoch_end, started
from webui.context import of


def seed(app) -> None:
    """Fill the database of an application: run 1 has succeeded, 2 runs, 3 to 6 wait."""
    database = of(app).database
    spec = presets.resolve("quick", {})
    for number in range(1, 7):
        lifecycle.submit(database, LOCAL_OWNER, name=f"run {number}", spec=spec, tags=["seed"])
    worker = workers.register(database, WorkerFacts("ada", 1, "0", ["default"], [], 2))
    claimant = Claimant(worker, ["default"])
    lease = claim.claim(database, claimant, 30)
    recorder = Recorder(database, lease, 30)
    recorder.record(started())
    reading = {"epoch": 1, "learning_rate": 0.1, "images_per_s": 9.0, "eta_s": 1.0}
    for step in range(1, 30):
        recorder.record(StepMetrics(step=step, batch=step, train_loss=1 / step, **reading))
    recorder.record(epoch_end())
    recorder.record(Line(text="a line"))
    recorder.flush()
    published = [Publication(Blob("c" * 64, 5), 1, "pt", "mnist-cnn.pt")]
    endings.succeed(database, lease, "c" * 64, published)
    claim.claim(database, claimant, 30)
    lifecycle.cancel(database, 6, LOCAL_OWNER)
    saved_filters.save(database, LOCAL_OWNER.name, "mine", "owner=owner")
