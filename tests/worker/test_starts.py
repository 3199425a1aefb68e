"""Whose fault it is that a training process ends before it trains."""

from worker.starts import Starts


def test_a_run_that_ends_early_again_and_again_is_its_own_fault():
    starts = Starts()

    assert not any(starts.ended_early(1) for _ in range(3))


def test_one_run_after_the_other_is_the_workers():
    starts = Starts()

    assert [starts.ended_early(job_id) for job_id in (1, 2, 2, 1)] == [False, True, True, True]


def test_a_run_that_trains_shows_that_they_can():
    starts = Starts()
    starts.ended_early(1)

    starts.began()

    assert not starts.ended_early(2)
