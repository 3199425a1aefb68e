"""The context of a run: its spec, its folders, its device, and who takes its reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from core.protocol.orders import Stop
from core.protocol.pulse import Pulse
from core.protocol.reports import Report
from core.spec.spec import TrainingSpec
from worker.training.run.distributed import Peers, SingleProcess
from worker.training.run.precision import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The inputs of a run. They do not change while it trains."""

    spec: TrainingSpec
    data: Path
    """Folder of the datasets."""
    scratch: Path
    """Folder for the finished files and the snapshots."""
    device: torch.device
    threads: int = field(default_factory=torch.get_num_threads)
    """The threads that it may compute with on a CPU."""
    precision: Precision | None = None
    """The precision that the run began in, where its spec says `auto`; None: it begins now."""
    initial_weights: Path | None = None
    """The `.pt` of a run whose weights are loaded; None: random ones, or those of a snapshot."""
    initial_sha256: str | None = None
    """SHA-256 of that file, after a resume too; None: the run began with random weights."""
    report: Callable[[Report], None]
    """Takes each report of rank 0; must not be slow."""
    report_every_step: bool = False
    """Whether each batch is a metric sample; they are sent when one would be sent anyway."""
    stop_requested: Callable[[], Stop | None] = lambda: None
    """Whether, and how, rank 0 is to stop; called before each batch."""
    pulse: Pulse = field(default_factory=Pulse)
    """Beats at each batch, and tells what is done: whoever waits knows a hang by it."""
    peers: Peers = field(default_factory=SingleProcess)
    """The processes that train this run together. Rank 0 alone reports, saves and decides."""

    @property
    def is_rank_0(self) -> bool:
        """Whether this process is the one that reports, saves and decides."""
        return self.peers.rank == 0
