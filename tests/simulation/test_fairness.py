"""The devices are shared fairly: the real claim, many people, simulated time."""

import statistics

import pytest

from core.database.engine import Database
from core.jobs.preemption import SETTLED_S
from tests.simulation.fairness import (
    BEAT_EVERY_S,
    LOAD_S,
    SAVE_S,
    URGENT,
    Arrival,
    arrivals,
    play,
    report,
    report_of_urgent,
    used_s,
)


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: the claim is the same, and `make fairness` plays on either."""
    return "sqlite"


def of(ended, person):
    return [each for each in ended if each.arrival.person == person]


def test_the_second_persons_first_run_starts_within_one_runs_time(database: Database):
    """One person submits many runs first, another five."""
    coming = [Arrival(0, "first", 60.0 + number) for number in range(60)]
    coming += [Arrival(10.0, "second", 60.0)] * 5

    ended = play(database, coming, [1, 1])

    waits = [each.wait_s for each in of(ended, "second")]
    assert len(waits) == 5
    assert waits[0] <= 61.0
    assert waits[-1] <= 5 * 61.0


def test_a_large_run_starts_though_small_ones_come_for_ever(database: Database):
    coming = [Arrival(number * 5.0, "small", 30.0) for number in range(40)]
    coming += [Arrival(20.0, "large", 60.0, devices=2)]

    ended = play(database, coming, [2, 2])

    [large] = of(ended, "large")
    assert large.wait_s <= 2 * 30.0
    behind = [each for each in of(ended, "small") if each.arrival.at_s > 20.0]
    assert min(each.started_s for each in behind) < large.started_s


def test_nobody_starves_and_whoever_uses_little_waits_little(database: Database):
    coming = arrivals(seed=1, people=8, runs=120, slots=5)

    ended = play(database, coming, [2, 1, 1, 1])

    assert len(ended) == len(coming)
    people = {each.arrival.person for each in ended}
    most = max(people, key=lambda person: used_s(of(ended, person)))
    of_most = statistics.median(each.wait_s for each in of(ended, most))
    of_others = statistics.median(each.wait_s for each in ended if each.arrival.person != most)
    assert of_others <= of_most
    assert len(list(report(ended))) == len(people) + 1


def test_what_is_urgent_takes_a_place_and_costs_the_other_a_snapshot(database: Database):
    """It waits for a snapshot; the one that gave way does all that it has to do, and no more."""
    coming = [Arrival(0, "patient", 3000.0)] * 2
    coming += [Arrival(500.0 * number, "urgent", 60.0, priority=URGENT) for number in range(1, 5)]

    ended = play(database, coming, [1, 1], preempts=True)

    waits = [each.wait_s for each in of(ended, "urgent")]
    assert max(waits) <= BEAT_EVERY_S + SAVE_S
    patient = of(ended, "patient")
    assert sum(each.pauses for each in patient) == 4
    for each in patient:
        assert each.done_s == 3000.0 + each.pauses * (SAVE_S + 60.0 + LOAD_S)
    assert len(list(report_of_urgent(ended))) == 2


def test_what_has_given_way_is_left_alone_for_a_while(database: Database):
    """One urgent run after the other does not keep the patient one from getting anywhere."""
    coming = [Arrival(0, "patient", 600.0)]
    coming += [Arrival(100.0 * number, "urgent", 30.0, priority=URGENT) for number in range(1, 8)]

    ended = play(database, coming, [1], preempts=True)

    [patient] = of(ended, "patient")
    assert 1 <= patient.pauses <= 600.0 / SETTLED_S + 1
    assert max(each.wait_s for each in of(ended, "urgent")) <= SETTLED_S
