"""A backup that is made while a run trains, and restored where nothing of it was."""

from __future__ import annotations

import sys

import pytest

from core import backups, queries
from core.database.engine import Database
from core.storage.folder import Folder
from tests.faults import checker
from tests.faults.conftest import (
    STEADY_DIGITS,
    VARIANT,
    Program,
    has_snapshot,
)
from tests.services import wait_until


@pytest.mark.parametrize(
    "database_kind", ["postgresql", pytest.param("sqlite", marks=VARIANT)], indirect=True
)
def test_a_run_that_trained_during_a_backup_goes_on_where_it_is_restored_to_the_same_bytes(
    start_worker, submit, look, database, storage, settings, data_folder, tmp_path, references
):
    first = start_worker()
    job = submit(STEADY_DIGITS | {"epochs": 50})
    wait_until(has_snapshot(look, job), "there is a snapshot")
    made = backups.make(database, storage, tmp_path / "backup")
    first.kill()

    address, elsewhere = f"sqlite:///{tmp_path / 'new' / 'trainyard.db'}", tmp_path / "elsewhere"
    backups.restore(tmp_path / "backup", address, Folder(elsewhere))
    chosen = settings.model_copy(
        update={
            "home": tmp_path / "new",
            "database_url": address,
            "storage_url": elsewhere.as_uri(),
            "data": data_folder,
            "worker_name": "restored",
        }
    )
    worker = Program([sys.executable, "-m", "worker"], chosen, tmp_path / "restored.log")
    worker.start()
    with Database(address) as restored:

        def state():
            with restored.reading() as session:
                return queries.job(session, job.id)[0].state

        try:
            assert state() == "running", "as it was when the backup was made"
            wait_until(lambda: state() == "succeeded", "it has come to its end", 240)
        finally:
            worker.end()
        with restored.reading() as session:
            lost, *_, done = (row for row, _ in queries.attempts(session, job.id, 10).items)
        assert (lost.outcome, done.outcome) == ("lost", "succeeded")
        assert done.first_step > 0, "from its snapshot"
        assert made.manifest.lacking == []
        assert checker.problems(restored, Folder(elsewhere), references) == []
