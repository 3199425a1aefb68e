"""What the parts of one worker process share: the services, the slots, and whether it drains."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from core.database.engine import Database
from core.hosts import HeldLock
from core.jobs.claim import Claimant
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.storage.blobs import Storage
from core.workers import WorkerFacts
from worker.gauges import Gauges
from worker.processes.pipe import WakeupPipes
from worker.processes.spares import Spares
from worker.slots import Slots
from worker.starts import Starts


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """One worker process."""

    settings: Settings
    database: Database
    storage: Storage
    notifier: Notifier
    wakeups: Wakeups
    slots: Slots
    spares: Spares
    claimant: Claimant
    facts: WorkerFacts | None = None
    """What it has registered."""
    lock: HeldLock | None = None
    """By which others of this host see that this worker, and its trainers, have ended."""
    gauges: Gauges | None = None
    """How busy the host is; None: nobody reads it."""
    pipes: WakeupPipes = field(default_factory=WakeupPipes)
    starts: Starts = field(default_factory=Starts)
    draining: threading.Event = field(default_factory=threading.Event)

    def drain(self) -> None:
        """Stop claiming, and let every running job go back to the queue."""
        self.draining.set()
        self.pipes.wake_all()
