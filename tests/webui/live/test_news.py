"""The news of a run: what each look brings to a viewer."""

from __future__ import annotations

from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.endings import Publication
from core.jobs.recorder import Recorder
from core.protocol.reports import Line
from core.spec import presets
from tests import reported
from tests.webui.live.conftest import STARTED, Viewer, epoch_end, reading, write
from webui.live.news import news, present
from webui.live.position import Position


def test_a_viewer_gets_everything_from_the_start_and_then_only_what_is_new(database, recorder):
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, reading(1), Line(text="one"))
    viewer.look()
    write(recorder, reading(2), epoch_end(1), Line(text="two"))
    viewer.look().look()

    assert (viewer.steps, viewer.epochs, viewer.lines) == ([1, 2], [1], ["one", "two"])


def test_without_news_no_event_is_sent(database, recorder):
    viewer = Viewer(database, recorder.lease.job_id).look()
    viewer.names.clear()

    assert viewer.look().names == []


def last_job(database, job_id, position=Position()):  # noqa: B008  (it never changes)
    return next(each.data for each in news(database, job_id, position) if each.name == "job")


def test_a_job_that_waits_is_sent_with_the_reason(database, recorder):
    first = lifecycle.submit(database, LOCAL_OWNER, name="waits", spec=presets.resolve("quick", {}))
    job = last_job(database, first.id)
    assert job["queue_status"]["reason"] == "next in line on 1 CPU slot"
    assert job["queue_status"]["position"] == 1
    lifecycle.pause(database, first.id, Actor("user", "u", "ada", "administrator"))

    job = last_job(database, first.id)

    assert (job["state"], job["queue_status"]["reason"]) == ("paused", "paused by ada")


def test_a_running_job_is_sent_with_its_last_heartbeat(database, recorder):
    before = last_job(database, recorder.lease.job_id)["last_heartbeat_at"]
    write(recorder, STARTED)

    assert last_job(database, recorder.lease.job_id)["last_heartbeat_at"] > before


def test_more_rows_than_one_poll_reads_all_arrive(database, recorder, monkeypatch):
    monkeypatch.setattr("webui.live.news.ROWS_AT_ONCE", 3)
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, *[reading(step) for step in range(1, 11)])
    for _ in range(5):
        viewer.look()

    assert viewer.steps == list(range(1, 11))


def test_a_new_attempt_takes_back_what_it_begins_again(database, recorder, claimant):
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, reading(1), epoch_end(1), Line(text="first"))
    viewer.look()
    endings.end(database, recorder.lease, "drained")
    viewer.look()
    again = Recorder(database, claim.claim(database, claimant, 30), 30)
    viewer.look()
    assert viewer.steps == [1]  # nothing is taken back before training begins again
    write(again, STARTED, reading(5), Line(text="second"))
    viewer.look()

    assert (viewer.steps, viewer.epochs, viewer.lines) == ([5], [], ["first", "second"])


def test_an_evaluation_is_announced_once(database, recorder, claimant):
    viewer = Viewer(database, recorder.lease.job_id)
    write(recorder, STARTED, epoch_end(1))
    viewer.look()
    assert "evaluation" not in viewer.names
    write(recorder, reported.evaluated())
    viewer.look()
    write(recorder, Line(text="later"))
    viewer.look()
    assert viewer.names.count("evaluation") == 1
    assert viewer.names.index("evaluation") < len(viewer.names) - 1  # the job comes after it

    endings.end(database, recorder.lease, "drained")
    again = Recorder(database, claim.claim(database, claimant, 30), 30)
    write(again, STARTED, reported.evaluated())
    viewer.look()
    assert viewer.names.count("evaluation") == 2


def test_who_has_seen_everything_is_at_the_present(database, recorder, claimant, storage, tmp_path):
    job_id = recorder.lease.job_id

    def assert_present():
        viewer = Viewer(database, job_id).look()
        assert present(database, job_id) == (viewer.position, viewer.names[-1] == "end")

    assert_present()
    write(recorder, STARTED, reading(1), epoch_end(1), Line(text="one"))
    assert_present()
    write(recorder, reported.evaluated(), Line(text="two"))
    assert_present()
    lifecycle.pause(database, job_id, LOCAL_OWNER)
    endings.end(database, recorder.lease, "paused")
    lifecycle.resume(database, job_id, LOCAL_OWNER)
    lease = claim.claim(database, claimant, 30)
    again = Recorder(database, lease, 30)
    assert_present()
    write(again, STARTED)
    assert_present()
    write(again, reading(1), Line(text="three"))
    (tmp_path / "m.pt").write_bytes(b"weights")
    published = Publication(storage.put(tmp_path / "m.pt"), 1, "pt", "m.pt")
    endings.succeed(database, lease, "c" * 64, [published])
    assert_present()


def test_a_viewer_who_saw_all_there_was_at_a_revision_is_where_everybody_is(database, recorder):
    slow, quick = (Viewer(database, recorder.lease.job_id) for _ in range(2))
    for step in range(1, 4):
        write(recorder, *([STARTED] if step == 1 else []), reading(step), Line(text="x"))
        quick.look()

    assert slow.look().position == quick.position
