"""A pulse is read by another process while it beats."""

from __future__ import annotations

import os

from core.protocol.pulse import PHASES, SIZE, Beat, Pulse


def test_a_pulse_is_seen_on_the_other_side():
    descriptor = os.memfd_create("pulse")
    os.ftruncate(descriptor, SIZE)
    ours, theirs = Pulse.shared(descriptor), Pulse.shared(descriptor)
    os.close(descriptor)
    assert ours.read() == Beat("starting", 0)

    theirs.enter("training")
    theirs.beat()

    assert ours.read() == Beat("training", 2)


def test_what_is_done_for_a_while_is_told_and_then_what_was_done_before():
    pulse = Pulse()
    pulse.enter("training")
    with pulse.within("saving"):
        assert pulse.read().phase == "saving"

    assert pulse.read() == Beat("training", 3)


def test_each_phase_can_be_told():
    pulse = Pulse()
    for phase in PHASES:
        pulse.enter(phase)

        assert pulse.read().phase == phase
