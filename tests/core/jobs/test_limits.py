"""What each person may use: refused with the number, held up with the number, by whom it is set."""

import pytest

from core.database.clock import now
from core.database.models import Artifact
from core.errors import Conflict, Forbidden
from core.jobs import lifecycle, limits, sharing
from core.jobs.actors import LOCAL_OWNER, of_worker
from core.jobs.sharing import Limits
from tests.core.jobs.conftest import claim, submit
from tests.core.jobs.waiting import explain, start_worker

OWNER = LOCAL_OWNER.name


def put(database, owner=OWNER, **limited):
    limits.put(database, LOCAL_OWNER, owner, Limits(**limited))


def of(database, owner=OWNER):
    with database.reading() as session:
        return limits.of_owner(session, owner)


def test_a_limit_of_ones_own_is_before_that_of_everybody(database):
    put(database, sharing.EVERYBODY, most_running=4, most_queued=100)
    put(database, most_running=8)

    assert of(database) == Limits(most_running=8, most_queued=100)
    assert of(database, "Bo") == Limits(most_running=4, most_queued=100)
    put(database)
    assert of(database) == of(database, "Bo")


def test_without_limits_there_are_none(database):
    assert of(database) == Limits()


def test_only_people_who_may_set_limits(database):
    with pytest.raises(Forbidden, match="w may not change what people may use"):
        limits.put(database, of_worker(1, "w"), OWNER, Limits(1))


def test_more_than_may_wait_is_refused_with_the_number(database):
    put(database, most_queued=2)
    first = submit(database)
    submit(database)

    with pytest.raises(Conflict) as refused:
        submit(database)

    assert str(refused.value) == (
        "owner may have 2 runs in the queue, and has 2 there: wait until some have started, or "
        "cancel some."
    )
    lifecycle.pause(database, first.id, LOCAL_OWNER)
    submit(database)
    with pytest.raises(Conflict):
        lifecycle.resume(database, first.id, LOCAL_OWNER)


def test_files_beyond_the_limit_refuse_new_runs(database, claimant):
    job = submit(database)
    claim(database, claimant)
    with database.writing() as session:
        about = {"kind": "checkpoint", "format": "pt", "filename": "w.pt", "sha256": "0" * 64}
        session.add(
            Artifact(job_id=job.id, attempt=1, epoch=1, size=3_000_000, created_at=now(), **about)
        )
    put(database, storage_bytes=2_000_000)

    with pytest.raises(Conflict, match=r"take 3\.0 MB, and may take 2\.0 MB"):
        submit(database)


def test_a_run_that_waits_for_a_limit_says_so_with_the_number(database):
    claimant = start_worker(database, slots=2)
    put(database, most_running=1)
    submit(database)
    claim(database, claimant)

    status = explain(database, submit(database))

    assert status == (None, "at most 1 run of owner may run at once", None, False)
