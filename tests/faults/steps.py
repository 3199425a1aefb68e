"""A process that is killed at its n-th step, for every n: between bytes and row, and within both.

`python -m tests.faults.steps ADDRESS STORE SCENARIO` reads numbers, a line each. For each it forks
a process that does one thing of a run and kills itself (SIGKILL) before its step of that number: a
change of a file, or a commit (what a transaction does before that leaves nothing). It answers how
that process ended: with 0 where it has fewer steps. An import takes longer than what is tried.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event

from core import workers
from core.database.engine import Database
from core.jobs import claim, deletion, endings, lifecycle, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.endings import Publication
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.retention.maintenance import maintain
from core.retention.policy import Policy
from core.spec import presets
from core.storage.folder import Folder
from core.workers import WorkerFacts

CHANGES = {"os.rename", "os.remove", "os.utime", "os.mkdir", "os.link"}
POLICY = Policy(unnamed_s=0.0)


def store_snapshots(database: Database, storage: Folder, file: Path) -> Callable[[], None]:
    """A snapshot that is stored, discarded, and swept."""
    lease = _claimed(database)

    def act() -> None:
        recorder = Recorder(database, lease, 600)
        file.write_text(f"snapshot {lease.job_id}")
        recorder.secure(SnapshotRef(1, 10, storage.put(file)))
        recorder.flush()
        with database.writing() as session:
            snapshots.discard(session, lease.job_id)
        while snapshots.sweep(database, storage):
            pass

    return act


def publish(database: Database, storage: Folder, file: Path) -> Callable[[], None]:
    """Two artifacts, one of which every run has, and the end of the run."""
    lease = _claimed(database)

    def act() -> None:
        publications = []
        for name in ("the same for all", f"artifact {lease.job_id}"):
            file.write_text(name)
            publications.append(Publication(storage.put(file), 1, "pt", "m.pt"))
        endings.succeed(database, lease, "c" * 64, publications)

    return act


def remove(database: Database, storage: Folder, file: Path) -> Callable[[], None]:
    """A run with a snapshot and artifacts that is deleted, and purged at once."""
    lease = _claimed(database)
    recorder = Recorder(database, lease, 600)
    file.write_text(f"snapshot {lease.job_id}")
    recorder.secure(SnapshotRef(1, 10, storage.put(file)))
    recorder.flush()
    file.write_text(f"artifact {lease.job_id}")
    endings.succeed(database, lease, "c" * 64, [Publication(storage.put(file), 1, "pt", "m.pt")])

    def act() -> None:
        deletion.delete(database, lease.job_id, LOCAL_OWNER, 0.0)
        while maintain(database, storage, POLICY):
            pass

    return act


SCENARIOS = {"store_snapshots": store_snapshots, "publish": publish, "remove": remove}


def _claimed(database: Database) -> Any:
    lifecycle.submit(database, LOCAL_OWNER, name="run", spec=presets.resolve("quick", {}))
    worker_id = workers.register(database, WorkerFacts("w", 1, "0", ["default"], [], 1))
    lease = claim.claim(database, Claimant(worker_id, ["default"]), 600)
    assert lease is not None
    return lease


def _die_at(number: int, database: Database, folder: Path) -> None:
    """Kill this process before its step of that number."""
    left = [number]

    def step() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def count_files(name: str, arguments: tuple[Any, ...]) -> None:
        is_write = name == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_WRONLY
        if (is_write or name in CHANGES) and str(folder) in str(arguments[0]):
            step()

    sys.addaudithook(count_files)

    @event.listens_for(database.engine, "commit")
    def count_commits(connection: Any) -> None:
        if connection.get_execution_options().get("trainyard_writes"):
            step()


def _run(address: str, folder: Path, scenario: str, number: int) -> None:
    storage = Folder(folder)
    with Database(address) as database:
        act = SCENARIOS[scenario](database, storage, folder.with_name("file"))
        _die_at(number, database, folder)
        act()


def main() -> None:
    """Answer each number with how the process ended that was to die there."""
    address, folder, scenario = sys.argv[1:]
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                _run(address, Path(folder), scenario, int(line))
            except BaseException:  # noqa: BLE001  (whatever it is, the fork must end here)
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
