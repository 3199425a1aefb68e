"""Pipes that wake supervisors."""

from __future__ import annotations

from worker.processes.pipe import WakeupPipe, WakeupPipes
from worker.processes.trainer import readable


def is_readable(pipe):
    return bool(readable([pipe.descriptor], 0))


def test_a_pipe_is_readable_until_it_is_cleared():
    pipe = WakeupPipe()
    assert not is_readable(pipe)

    pipe.set()
    pipe.poke()

    assert is_readable(pipe)
    assert pipe.clear()
    assert not is_readable(pipe)
    pipe.close()


def test_a_poke_asks_nothing_of_the_database():
    pipe = WakeupPipe()
    pipe.poke()

    assert is_readable(pipe)
    assert not pipe.clear()
    assert not pipe.clear()
    pipe.close()


def test_a_pipe_that_nobody_reads_never_blocks():
    pipe = WakeupPipe()

    for _ in range(100_000):
        pipe.set()

    assert is_readable(pipe)
    pipe.close()


def test_every_supervisor_of_a_job_is_woken_and_no_other():
    pipes = WakeupPipes()
    with pipes.watching(1) as one, pipes.watching(1) as same, pipes.watching(2) as other:
        pipes.wake(1)

        assert [is_readable(pipe) for pipe in (one, same, other)] == [True, True, False]
        pipes.wake_all()
        assert is_readable(other)


def test_the_end_of_a_supervisor_ends_its_pipe():
    pipes = WakeupPipes()
    with pipes.watching(1):
        pass

    pipes.wake(1)
    pipes.wake_all()

    assert pipes._pipes == []
