"""Some of the schedules that `make simulate` runs by the ten thousand."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import select

from core import hosts
from core.database import engine
from core.database.engine import Database
from core.database.models import JobProgress
from core.housekeeping import Housekeeping
from core.jobs import blame, endings, lanes, recorder, rests, snapshots, unnamed
from core.jobs.lease import guarded_update
from core.metrics.writer import MetricWriter
from tests.conftest import sqlite_address
from tests.services import empty_tables
from tests.simulation.faults import FAULT_KINDS
from tests.simulation.rows import Broken
from tests.simulation.schedule import Plan, World
from worker.supervisor import fence

CHUNK = 20


@contextmanager
def world_of(address, folder):
    with Database(address) as database, World(database, folder) as world:
        yield world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world on SQLite."""
    folder = tmp_path_factory.mktemp("simulation")
    engine.upgrade(sqlite_address(folder))
    with world_of(sqlite_address(folder), folder) as made:
        yield made


def run_many(world, seeds):
    for seed in seeds:
        world.run(Plan(seed))


@pytest.mark.parametrize("first", range(0, 40, CHUNK))
def test_nothing_is_lost_or_doubled_whatever_fails(world, first):
    run_many(world, range(first, first + CHUNK))


def test_nothing_is_lost_or_doubled_on_postgresql(postgres_with_tables, tmp_path):
    empty_tables(postgres_with_tables)
    with world_of(postgres_with_tables, tmp_path) as world:
        run_many(world, range(5))


def test_any_call_of_a_schedule_may_fail(world):
    world.run(Plan(3, call=0))
    calls = world.faults.calls

    for call in range(1, calls + 1, 29):
        world.run(Plan(3, call, FAULT_KINDS[call % len(FAULT_KINDS)]))


def test_a_seed_does_the_same_again(world):
    first, second = world.run(Plan(11)), world.run(Plan(11))

    assert first.log == second.log
    assert len(first.log) > 20


def unguarded(session, lease, own, of_progress):
    """A guard that lets everybody through who names a job that runs."""
    found = select(JobProgress.attempt, JobProgress.lease_token)
    row = session.execute(found.where(JobProgress.job_id == lease.job_id)).one()
    own_lease = replace(lease, attempt=row.attempt, token=row.lease_token or "")
    return guarded_update(session, own_lease, own, of_progress)


def worst_first(*arguments, **options):
    return HEADS(*arguments, **options)[::-1]


def nothing(*_arguments, **_options):
    """Does nothing."""


def reap_at_once(housekeeping):
    housekeeping._reaps_after = 0.0


@contextmanager
def take_for_ended(_folder, _name):
    yield True


def name_none(_session, _names):
    return set()


def rest_from_nothing(stored, moment):
    """What is to be tried again is right, and nothing is rested from."""
    return frozenset(), DIVIDE(stored, moment)[1]


HEADS = lanes.heads
DIVIDE = rests.divide

DEFECTS = {
    "the lease is not looked at": (5, [(recorder, "guarded_update", unguarded)]),
    "the worst job is claimed first": (0, [(lanes, "heads", worst_first)]),
    "snapshots beyond a beginning stay": (2, [(snapshots, "discard", nothing)]),
    "an end is not written into the history": (0, [(endings, "_append_events", nothing)]),
    "samples are not read again when an answer was lost": (
        333,
        [(MetricWriter, "forget", nothing)],
    ),
    "a trainer that is cut off continues": (
        4,
        [(fence, "ASK_AFTER", 99.0), (fence, "KILL_AFTER", 99.0)],
    ),
    "after an outage jobs are reaped at once": (
        5,
        [(Housekeeping, "postpone_reaping", reap_at_once)],
    ),
    "live neighbors are taken for dead": (0, [(hosts, "ended", take_for_ended)]),
    "a file with a name is taken for one without": (0, [(unnamed, "_named", name_none)]),
    "a worker that rests works": (11, [(rests, "divide", rest_from_nothing)]),
    "every run may try again": (275, [(rests, "begin_trial", nothing)]),
    "a run is blamed at once": (59, [(blame, "WORKERS", 1)]),
    "a line has the time of its flush": (0, [(recorder, "host_clock", lambda: 0.0)]),
}
"""What is wrong in each, and a seed a little before one that finds it: to look less long."""


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_queue_with_a_defect_does_not_pass(world, monkeypatch, defect):
    first, places = DEFECTS[defect]
    for place, name, wrong in places:
        monkeypatch.setattr(place, name, wrong)

    with pytest.raises(Broken):
        run_many(world, range(first, first + 300))
