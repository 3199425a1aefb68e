"""The lease of an attempt: who no longer holds it can renew, end and publish nothing."""

import pytest
from sqlalchemy import select

from core.database.models import Artifact
from core.errors import LeaseLost
from core.jobs import endings
from core.jobs.endings import Failure, Publication
from core.jobs.recorder import Recorder
from core.messages import plain
from core.storage.blobs import Blob
from tests.core.jobs.conftest import claim, expire, look, submit


def test_a_renewed_lease_is_not_taken_back(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    expire(database, job.id)
    assert Recorder(database, lease, 30).flush() == "run"

    assert endings.reap(database, 30) == []


def test_a_stale_lease_cannot_be_renewed(database, claimant):
    submit(database)
    stale = claim(database, claimant)
    endings.end(database, stale, "drained")

    with pytest.raises(LeaseLost):
        Recorder(database, stale, 30).flush()


def test_a_stale_lease_can_end_nothing_and_publish_nothing(database, claimant):
    job = submit(database)
    stale = claim(database, claimant)
    expire(database, job.id)
    endings.reap(database, 30)
    fresh = claim(database, claimant)

    for attempt in (
        lambda: endings.succeed(
            database, stale, "b" * 64, [Publication(Blob("a", 1), 1, "pt", "x")]
        ),
        lambda: endings.end(database, stale, "failed", Failure("x", plain("y"))),
    ):
        with pytest.raises(LeaseLost):
            attempt()

    assert look(database, job.id).progress.lease_token == fresh.token
    with database.reading() as session:
        assert session.scalars(select(Artifact)).all() == []
