"""What everything of ours on Redis begins with: its database may be shared with other programs.

Another Celery application names its queues as it likes, `default` too, and would lose its messages
to our workers. Earlier releases had no prefix: what waits under their names is a few notifications,
which carry nothing, so an upgrade leaves them where they are.
"""

from __future__ import annotations

PREFIX = "trainyard:"


def of_queue(queue: str) -> str:
    """The key of the list in which the notifications of a queue wait."""
    return PREFIX + queue
