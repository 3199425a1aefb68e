"""A team of threads: results by number, whoever computes them, and errors that are not lost."""

import threading

import pytest
import torch

from worker.training.team import Team


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_are_in_the_order_of_their_numbers(threads):
    with Team(threads) as team:
        assert team.map(lambda number: number**2, 7) == [0, 1, 4, 9, 16, 25, 36]


def test_helpers_work_at_once():
    meeting = threading.Barrier(3, timeout=60)

    with Team(3) as team:
        names = team.map(lambda _: (meeting.wait(), threading.current_thread().name)[1], 3)

    assert len(set(names)) == 3


def test_a_piece_is_left_to_nobody_who_has_no_core():
    """The caller does all pieces alone while its helper hangs in another one."""
    go_on, began = threading.Event(), threading.Event()
    by_caller = []

    def piece(number):
        if threading.current_thread().name.startswith("helper"):
            began.set()
            assert go_on.wait(60)
        else:
            assert began.wait(60)
            by_caller.append(number)
            if len(by_caller) == 4:
                go_on.set()
        return number

    with Team(2) as team:
        assert team.map(piece, 5) == [0, 1, 2, 3, 4]


def test_the_first_error_is_raised_once_all_pieces_are_done():
    done = []

    def piece(number):
        done.append(number)
        if number in (1, 2):
            raise ValueError(number)

    with Team(2) as team, pytest.raises(ValueError, match="1"):
        team.map(piece, 4)

    assert sorted(done) == [0, 1, 2, 3]


def test_a_team_works_again_after_an_error():
    with Team(2) as team:
        with pytest.raises(ZeroDivisionError):
            team.map(lambda number: 1 // number, 2)

        assert team.map(lambda number: number, 3) == [0, 1, 2]


def test_helpers_are_gone_after_the_end():
    before = threading.active_count()

    team = Team(4)
    assert threading.active_count() == before + 3
    team.close()

    assert threading.active_count() == before
    assert team.map(lambda number: number, 2) == [0, 1]


@pytest.fixture(autouse=True)
def _threads_of_torch():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
