"""Jobs that begin with the weights that a run has published."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core import queries
from core.database.models import InitialWeights
from core.errors import InvalidInput
from core.jobs import deletion, endings, initial, lifecycle, unnamed
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.endings import Publication
from core.jobs.initial import Initial
from core.spec import presets
from core.storage.folder import Folder
from tests.core.jobs.conftest import claim, submit

BYTES = b"weights"
DIGITS = {"dataset": "digits"}


@pytest.fixture
def storage(tmp_path):
    return Folder(tmp_path / "storage")


@pytest.fixture
def published(database, claimant, storage, tmp_path):
    """Makes a run that has published its weights."""

    def make(**options):
        job = submit(database, **options)
        (tmp_path / "m.pt").write_bytes(BYTES)
        files = [Publication(storage.put(tmp_path / "m.pt"), 3, "pt", "m.pt")]
        endings.succeed(database, claim(database, claimant), "b" * 64, files)
        return job

    return make


def begun_with(database, job):
    with database.reading() as session:
        return initial.of(session, job.id)


def test_a_job_begins_with_the_weights_that_a_run_has_published(database, published, storage):
    source = published()

    job = submit(database, weights_from=source.id)
    plain = submit(database)

    found = begun_with(database, job)
    assert (found.source_id, found.epoch, found.blob.size) == (source.id, 3, len(BYTES))
    with storage.open(found.blob) as file:
        assert file.read() == BYTES
    assert begun_with(database, plain) is None
    with database.reading() as session:
        assert queries.weights_source(session, job.id).id == source.id
        assert [each.id for each in queries.weights_users(session, source.id)] == [job.id]
        assert initial.sources(session, [job.id, plain.id]) == {job.id: source.id}


def test_so_does_each_of_several_jobs(database, published):
    source = published()
    spec = presets.resolve("quick", DIGITS)
    wanted = [lifecycle.Wanted("a", spec, weights_from=source.id), lifecycle.Wanted("b", spec)]

    seeded = lifecycle.submit_for_seeds(
        database, LOCAL_OWNER, name="x", spec=spec, seeds=[1, 2], weights_from=source.id
    )
    together = lifecycle.submit_many(database, LOCAL_OWNER, wanted)

    found = [begun_with(database, job) for job in (*seeded, *together)]
    assert [each is not None for each in found] == [True, True, True, False]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"model": {"channels": [4]}}, "model.channels"),
        ({"model": {"kind": "mlp"}}, "model.kind"),
        ({"dataset": "cifar10"}, "dataset"),
    ],
)
def test_weights_of_another_network_are_refused_by_what_differs(
    database, published, changes, fields
):
    source = published()
    spec = presets.resolve("quick", DIGITS | changes)

    with pytest.raises(InvalidInput) as refused:
        lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec, weights_from=source.id)

    [error] = refused.value.errors
    assert error.field == "weights_from"
    assert fields in error.message


def test_another_normalization_is_no_other_network(database, published):
    source = published()
    spec = presets.resolve("quick", DIGITS | {"data": {"normalize": True}})

    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=spec, weights_from=source.id)

    assert begun_with(database, job).source_id == source.id


def test_there_must_be_such_weights_for_whoever_submits(database, published):
    private, deleted, unfinished = published(private=True), published(), submit(database)
    lifecycle.cancel(database, unfinished.id, LOCAL_OWNER)
    deletion.delete(database, deleted.id, LOCAL_OWNER, 3600)
    eve = Actor("user", "8", "eve", "member")
    spec = presets.resolve("quick", DIGITS)

    for actor, number in [
        *((LOCAL_OWNER, each) for each in (unfinished.id, deleted.id, 10**6, 2**62)),
        (eve, private.id),
    ]:
        with pytest.raises(InvalidInput, match="no run"):
            lifecycle.submit(database, actor, name="x", spec=spec, weights_from=number)
    assert submit(database, weights_from=private.id)


def test_the_weights_stay_as_long_as_a_job_that_begins_with_them(database, published, storage):
    source = published()
    job = submit(database, weights_from=source.id)
    found = begun_with(database, job)

    def purge(each):
        deletion.delete(database, each.id, LOCAL_OWNER, 0.0)
        assert deletion.purge(database) == 1
        while unnamed.delete_due(database, storage):
            pass

    purge(source)
    assert begun_with(database, job) == Initial(source.id, 3, found.blob)
    with storage.open(found.blob) as file:
        assert file.read() == BYTES
    with database.reading() as session:
        assert queries.weights_source(session, job.id) is None

    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    purge(job)
    with database.reading() as session:
        assert session.scalars(select(InitialWeights)).all() == []
        # nobody can have put it again within the hour in which a row may come
        assert session.scalars(select(unnamed.UnnamedBlob.name)).all() == [found.blob.sha256]
