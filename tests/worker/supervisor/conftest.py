"""What the tests of the supervision share."""

import pytest


class Clock:
    """A clock that a test sets; it can stand in a module in place of `time` too."""

    now = 100.0

    def __call__(self):
        return self.now

    monotonic = __call__


@pytest.fixture
def clock():
    return Clock()
