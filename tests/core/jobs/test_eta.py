"""When a job that waits will start: the forecast, who shares it, and prospects before a submit."""

from contextlib import contextmanager

import pytest

from core.jobs import claim, eta, lifecycle
from core.jobs import status as queue_status
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import Requirements
from core.spec import presets
from tests.core.jobs.conftest import ADA
from tests.core.jobs.waiting import (
    GPU,
    change,
    counted,
    explain,
    leave_a_finished_run,
    run,
    start_worker,
    submit,
)


def test_the_next_in_line_waits_for_the_run_that_ends_first(database):
    gpus = start_worker(database, devices=[GPU, GPU], slots=2)
    for _ in range(2):
        submit(database)
    run(database, gpus, eta_s=300)
    run(database, gpus, eta_s=40)

    status = explain(database, submit(database))

    assert status.reason == "next in line on 2 GPU slots, about 40 s"
    assert (status.position, status.eta_s) == (1, 40)


def test_the_runs_ahead_take_as_long_as_those_of_their_data_took(database):
    leave_a_finished_run(database, 240, epochs=2)
    leave_a_finished_run(database, 5, dataset="digits")
    claimant = start_worker(database)
    submit(database)
    run(database, claimant, eta_s=60)
    submit(database)
    submit(database, "digits", epochs=12)

    status = explain(database, submit(database))

    assert status.reason == "2 runs ahead on 1 CPU slot, about 4 min"
    assert status.eta_s == pytest.approx(60 + 120 + 60, abs=2)


def test_a_run_that_has_not_said_how_long_takes_a_typical_time(database):
    leave_a_finished_run(database, 50)
    claimant = start_worker(database)
    submit(database)
    claim.claim(database, claimant, 30)

    assert explain(database, submit(database)).eta_s == pytest.approx(50, abs=1)


def test_work_that_a_snapshot_has_secured_is_not_counted_again(database):
    leave_a_finished_run(database, 100)
    claimant = start_worker(database)
    submit(database)
    run(database, claimant, eta_s=10)
    change(database, submit(database, epochs=4), batches=10, secured_step=30)

    assert explain(database, submit(database)).eta_s == pytest.approx(110, abs=1)


def test_the_typical_time_is_the_median_of_the_newest(database, monkeypatch):
    monkeypatch.setattr(eta, "TYPICAL_OF", 3)
    for seconds in (9000, 10, 20, 1000):
        leave_a_finished_run(database, seconds)
    claimant = start_worker(database)
    submit(database)
    claim.claim(database, claimant, 30)

    assert explain(database, submit(database)).eta_s == pytest.approx(20, abs=1)


def test_a_run_that_is_being_stopped_makes_room_soon(database):
    claimant = start_worker(database)
    stopped = submit(database)
    run(database, claimant, eta_s=9000)
    lifecycle.pause(database, stopped.id, LOCAL_OWNER)

    assert explain(database, submit(database)).reason == "next in line on 1 CPU slot, about 1 s"


def test_a_run_that_is_about_to_end_still_holds_its_slot(database):
    claimant = start_worker(database)
    submit(database)
    run(database, claimant, eta_s=0)

    assert explain(database, submit(database)).reason == "next in line on 1 CPU slot, about 1 s"


def test_without_measurements_no_time_is_estimated(database):
    claimant = start_worker(database)
    submit(database)
    claim.claim(database, claimant, 30)
    submit(database)

    status = explain(database, submit(database))

    assert (status.reason, status.eta_s) == ("1 run ahead on 1 CPU slot", None)


@contextmanager
def shared(database):
    eta.share(database)
    yield
    database.info.clear()


def test_those_who_look_within_a_second_share_a_forecast(database, monkeypatch):
    start_worker(database)
    first, second = submit(database), submit(database)
    plays = []
    play = eta.play
    monkeypatch.setattr(eta, "play", lambda session: plays.append(1) or play(session))

    with shared(database):
        answers = [explain(database, first, second) for _ in range(5)]

    assert plays == [1]
    assert answers == [answers[0]] * 5
    assert [status.position for status in answers[0]] == [1, 2]


def test_a_job_that_came_since_is_not_missed_by_a_shared_forecast(database):
    start_worker(database)
    first = submit(database)
    with shared(database):
        assert explain(database, first).position == 1

        assert explain(database, submit(database)).position == 2


def test_jobs_that_came_since_have_their_places_without_another_look(database):
    leave_a_finished_run(database, 60)
    start_worker(database, slots=2)
    first = submit(database)
    with shared(database):
        explain(database, first)
        later = [submit(database), submit(database), submit(database, priority=-1)]

        with database.reading() as session, counted(database) as statements:
            found = [queue_status.explain(session, [job])[job.id] for job in later]
        with database.reading() as session:
            fresh = eta.play(session)

    assert statements == []
    assert [each.position for each in found] == [fresh.places[job.id] for job in later] == [2, 3, 4]
    assert [each.eta_s for each in found] == pytest.approx([fresh.starts[job.id] for job in later])


@pytest.mark.parametrize(
    "options", [{"priority": 1}, {"queue": "night"}, {"devices": 2}, {"actor": ADA}], ids=str
)
def test_a_job_whose_place_depends_on_others_is_looked_for(database, options):
    """It goes first, nobody serves its queue, it needs two slots at once, or another waits too."""
    start_worker(database, slots=2)
    first = submit(database)
    with shared(database):
        explain(database, first)
        options = {"actor": LOCAL_OWNER} | options
        spec = presets.resolve("quick", {"devices": options.pop("devices", 1)})
        job = lifecycle.submit(database, options.pop("actor"), name="x", spec=spec, **options)

        with database.reading() as session, counted(database) as statements:
            found = queue_status.explain(session, [job])[job.id]
        with database.reading() as session:
            fresh = eta.play(session)

    assert statements
    assert found.position == fresh.places.get(job.id)


def test_a_far_job_is_no_reason_to_look_again(database, monkeypatch):
    monkeypatch.setattr(eta, "LOOKED_AT", 2)
    start_worker(database)
    submit(database)
    submit(database)
    plays = []
    play = eta.play
    monkeypatch.setattr(eta, "play", lambda session: plays.append(1) or play(session))

    with shared(database):
        far = [explain(database, submit(database)) for _ in range(3)]

    assert plays == [1]
    assert {status.position for status in far} == {None}


def test_an_old_forecast_is_made_again(database, monkeypatch):
    monkeypatch.setattr(eta, "MAX_AGE_S", 0.0)
    start_worker(database)
    first, second = submit(database), submit(database)
    with shared(database):
        assert explain(database, second).position == 2

        lifecycle.cancel(database, first.id, LOCAL_OWNER)

        assert explain(database, second).position == 1


def prospects(database, **about):
    wanted = Requirements("auto", 1, dataset="mnist")
    asked = {"owner": LOCAL_OWNER.name, "epochs": 1, "priority": 0, "queue": "default"} | about
    with database.reading() as session:
        return eta.prospects(session, wanted, **asked)


def test_the_prospects_of_a_run_are_what_it_has_once_it_is_submitted(database):
    leave_a_finished_run(database, seconds=60)
    worker = start_worker(database, queues=("default", "night"))
    submit(database)
    run(database, worker, eta_s=30)
    submit(database)

    found = prospects(database)
    job = submit(database)

    assert found["default"].fits
    with database.reading() as session:
        status = queue_status.explain(session, [job])[job.id]
    assert (found["default"].position, found["default"].start_s) == (status.position, status.eta_s)
    assert found["night"].position == 1
    assert prospects(database, priority=1)["default"].position == 1


def test_a_queue_that_nobody_serves_has_no_prospects(database):
    start_worker(database)

    assert not prospects(database, queue="night")["night"].fits
    assert prospects(database, queue="night")["default"].start_s == 0
