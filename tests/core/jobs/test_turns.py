"""The line that is foretold is the one of the claims to come."""

import math
from typing import NamedTuple

from core.jobs import turns
from core.jobs.turns import Place, Prospects


class Job(NamedTuple):
    place: int
    id: int
    lane_id: int


PLACES = {1: Place("default", "Ada", 1), 2: Place("default", "Bo", 1)}


def line(jobs, ranks=None, to_come=None, free=0, work_s=100.0):
    prospects = Prospects(ranks or {}, to_come or {}, free)
    ordered = sorted(jobs, key=lambda job: job[:2])
    return [job.id for job in turns.merged(ordered, PLACES, prospects, lambda _: work_s)]


def of(lane_id, *ids, place=0):
    return [Job(place, number, lane_id) for number in ids]


def test_owners_take_turns_by_what_their_runs_will_use():
    assert line(of(1, 1, 2, 3) + of(2, 4, 5)) == [1, 4, 2, 5, 3]


def test_whoever_has_used_more_comes_when_the_others_have_too():
    assert line(of(1, 1, 2) + of(2, 3, 4, 5), ranks={"Ada": 150.0}) == [3, 4, 1, 5, 2]


def test_priority_comes_before_turns():
    assert line(of(1, 1, 2) + of(2, 7, place=-1), ranks={"Bo": 1e6}) == [7, 1, 2]


def test_what_runs_counts_until_its_end_for_what_begins_later():
    assert line(of(1, 1, 2) + of(2, 3), to_come={"Ada": 500.0}) == [3, 1, 2]
    assert line(of(1, 1, 2) + of(2, 3), to_come={"Ada": 500.0}, free=1) == [1, 3, 2]


def test_where_nothing_is_known_of_their_length_owners_take_turns():
    assert line(of(1, 1, 2) + of(2, 3, 4), work_s=math.inf) == [1, 3, 2, 4]


def test_an_older_run_before_which_a_later_one_goes_is_passed():
    jobs = [*of(2, 7), *of(1, 1, 2)]

    assert turns.passed(jobs, PLACES) == {1, 2}
    assert turns.passed(of(1, 1) + of(2, 7), PLACES) == set()
