"""The devices are shared fairly: the real claim, many people, simulated time."""

import statistics

import pytest

from core.database.engine import Database
from tests.simulation.fairness import Arrival, arrivals, play, report, used_s


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
