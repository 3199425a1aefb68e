"""What people call a job and write about it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core import queries
from core.database.models import JobEvent, JobTag
from core.errors import Conflict, Forbidden, NotFound
from core.jobs import deletion, editing, lifecycle
from core.jobs.actors import of_worker
from core.jobs.recorder import Recorder
from core.queries import Selection
from tests.core.jobs.conftest import ADA, claim, submit
from tests.reported import epoch_end, started


def edits_of(database, job_id):
    with database.reading() as session:
        rows = session.scalars(select(JobEvent).where(JobEvent.job_id == job_id))
        return [event.payload for event in rows if event.kind == "edited"]


def test_a_job_is_renamed_tagged_and_annotated_and_each_is_told(database):
    job = submit(database)

    changed = editing.edit(database, job.id, ADA, name="ß two", tags=["b", "a", "b"], notes="Why?")

    assert (changed.name, changed.tags, changed.notes) == ("ß two", ["b", "a"], "Why?")
    [payload] = edits_of(database, job.id)
    assert payload == {"fields": ["name", "tags", "notes"], "former_name": job.name}


def test_it_is_found_by_its_new_name_and_tags_alone(database):
    job = submit(database)
    editing.edit(database, job.id, ADA, name="STRASSE", tags=["old"])
    editing.edit(database, job.id, ADA, name="Straße", tags=["new"])

    def found(**chosen):
        with database.reading() as session:
            return [row.id for row, _ in queries.jobs(session, Selection(**chosen)).items]

    assert found(text="strasse") == found(tag="new") == [job.id]
    assert found(tag="old") == []
    with database.reading() as session:
        assert session.scalars(select(JobTag.tag)).all() == ["new"]


def test_what_is_the_same_already_is_no_event_and_no_change(database):
    job = submit(database)
    before = editing.edit(database, job.id, ADA, notes="x").revision

    after = editing.edit(database, job.id, ADA, name=job.name, tags=[], notes="x").revision

    assert after == before
    assert len(edits_of(database, job.id)) == 1


def test_who_sees_a_job_is_changed_and_told(database):
    job = submit(database)

    for private in (True, True, False):
        changed = editing.edit(database, job.id, ADA, private=private)
        assert changed.is_private is private

    assert edits_of(database, job.id) == [{"fields": ["private"]}] * 2


def test_a_running_job_goes_on(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    editing.edit(database, job.id, ADA, name="another", notes="while it runs")
    recorder = Recorder(database, lease, 60)

    for report in (started(), epoch_end()):
        recorder.record(report)

    assert recorder.flush() is not None
    with database.reading() as session:
        row, _ = queries.job(session, job.id)
    assert (row.name, row.state, row.progress.epoch) == ("another", "running", 1)


def test_an_ended_job_may_be_edited_and_a_deleted_one_not(database):
    job = submit(database)
    lifecycle.cancel(database, job.id, ADA)
    assert editing.edit(database, job.id, ADA, notes="a failure to learn from").notes

    deletion.delete(database, job.id, ADA, 60)
    with pytest.raises(Conflict):
        editing.edit(database, job.id, ADA, notes="too late")


def test_only_people_edit_and_only_what_there_is(database):
    job = submit(database)

    with pytest.raises(Forbidden):
        editing.edit(database, job.id, of_worker(1, "w"), name="x")
    with pytest.raises(NotFound):
        editing.edit(database, 99, ADA, name="x")
