"""Blobs that no row names: found, left alone for a while, deleted; and those of rows never."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.models import Artifact, UnnamedBlob
from core.errors import Unavailable
from core.jobs import unnamed
from core.storage.folder import Folder
from tests.core.jobs.conftest import submit

AGE_S = 3600.0


@pytest.fixture
def put(storage, tmp_path):
    """Puts a file of its own into the blob store."""

    def put(text):
        (tmp_path / "file").write_text(text)
        return storage.put(tmp_path / "file")

    return put


def name_it(database, blob):
    """Write the row down that names a blob."""
    job_id = submit(database).id
    row = {"attempt": 1, "epoch": 1, "kind": "checkpoint", "format": "pt", "filename": "m.pt"}
    with database.writing() as session:
        size = {"size": blob.size, "sha256": blob.sha256}
        session.add(Artifact(job_id=job_id, **row, **size, created_at=now()))


def walk(database, storage, age_s=AGE_S):
    position = unnamed.walk(database, storage, "", age_s)
    while position:
        position = unnamed.walk(database, storage, position, age_s)


def remembered(database):
    with database.reading() as session:
        return {row.name: row for row in session.scalars(select(UnnamedBlob))}


def pass_time(database):
    """Let all that is remembered be due."""
    with database.writing() as session:
        session.execute(update(UnnamedBlob).values(due_at=now()))


def there(storage):
    return {path.name for path in storage.folder.rglob("*") if path.is_file()}


def test_what_no_row_names_is_deleted_after_a_while_and_what_one_names_never(
    database, storage, put
):
    named, stray = put("named"), put("stray")
    name_it(database, named)
    walk(database, storage)

    assert unnamed.delete_due(database, storage) == 0
    assert there(storage) == {named.sha256, stray.sha256}
    assert remembered(database).keys() == {stray.sha256}

    pass_time(database)
    assert unnamed.delete_due(database, storage) == 1
    assert there(storage) == {named.sha256}
    assert remembered(database) == {}


def test_a_walk_goes_through_the_store_in_pieces(database, storage, put, monkeypatch):
    monkeypatch.setattr(unnamed, "WALKED_AT_ONCE", 3)
    blobs = {put(str(number)).sha256 for number in range(10)}

    positions = [unnamed.walk(database, storage, "", AGE_S)]
    while positions[-1]:
        positions.append(unnamed.walk(database, storage, positions[-1], AGE_S))

    assert len(positions) == 4
    assert remembered(database).keys() == blobs


def test_what_is_found_again_waits_no_longer_for_it(database, storage, put):
    stray = put("stray").sha256
    walk(database, storage)
    before = remembered(database)[stray]

    walk(database, storage)

    assert remembered(database)[stray].due_at == before.due_at


def test_a_blob_whose_row_comes_late_stays(database, storage, put):
    blob = put("early")
    walk(database, storage, age_s=0.0)
    name_it(database, blob)

    unnamed.delete_due(database, storage)

    assert there(storage) == {blob.sha256}
    assert remembered(database) == {}


def test_a_blob_that_got_its_name_since_is_forgotten_by_the_next_walk(database, storage, put):
    blob = put("early")
    walk(database, storage)
    name_it(database, blob)

    walk(database, storage)

    assert remembered(database) == {}


def test_a_blob_that_is_put_again_waits_for_its_row_again(database, storage, put):
    """Another run publishes the same bytes: its row is on its way."""
    blob = put("the same")
    walk(database, storage, age_s=0.0)
    assert put("the same") == blob

    unnamed.delete_due(database, storage)

    assert there(storage) == {blob.sha256}
    left = remembered(database)[blob.sha256]
    assert left.version == storage.look(blob.sha256).version
    pass_time(database)
    unnamed.delete_due(database, storage)
    assert there(storage) == set()


def test_the_rest_of_a_copy_that_was_cut_off_goes_too(database, storage, put):
    blob = put("whole")
    name_it(database, blob)
    part = storage.folder / blob.sha256[:2] / f"{blob.sha256}.0123.part"
    part.write_text("ha")
    (storage.folder / "ab").mkdir(exist_ok=True)
    (storage.folder / "ab" / "notes.txt").write_text("of a person")

    walk(database, storage, age_s=0.0)
    unnamed.delete_due(database, storage)

    assert there(storage) == {blob.sha256, "notes.txt"}


def test_a_failure_is_counted_and_tried_again_later_and_later(database, storage, put, tmp_path):
    stray = put("stray").sha256
    walk(database, storage, age_s=0.0)
    (tmp_path / "in the way").write_text("a file")
    pauses = []

    for tries in (1, 2, 3):
        pass_time(database)
        assert unnamed.delete_due(database, Folder(tmp_path / "in the way")) == 0
        left = remembered(database)[stray]
        assert left.tries == tries
        with database.reading() as session:
            pauses.append((left.due_at - session.scalars(select(now())).one()).total_seconds())

    assert pauses[0] < pauses[1] < pauses[2]
    assert unnamed.delete_due(database, storage) == 0  # not due
    pass_time(database)
    assert unnamed.delete_due(database, storage) == 1
    assert there(storage) == set()


def test_a_store_that_is_away_is_asked_a_few_times_and_not_for_every_blob(database, storage, put):
    for number in range(10):
        put(str(number))
    walk(database, storage, age_s=0.0)
    asked = []

    class Away(Folder):
        def look(self, name):
            asked.append(name)
            raise Unavailable("the store is away")

    unnamed.delete_due(database, Away(storage.folder))

    assert len(asked) == unnamed.FAILURES_IN_A_ROW
