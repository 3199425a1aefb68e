"""A process that tells people of their runs is killed while it does."""

from __future__ import annotations

import sys
import threading

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.notifications import webhooks
from tests.core.jobs.conftest import submit
from tests.core.notifications.conftest import deliveries, make_due, receiver
from tests.faults.conftest import Program
from tests.services import wait_until

__all__ = ["receiver"]


@pytest.fixture
def start_deliveries(settings, tmp_path):
    """Starts a process that delivers; each is ended."""
    chosen, started = settings.model_copy(update={"webhook_hosts": ("127.0.0.1",)}), []

    def start():
        command = [sys.executable, "-m", "cli.main", "db", "maintain"]
        started.append(Program(command, chosen, tmp_path / "deliveries.log").start())
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_what_a_killed_process_was_telling_is_told_again_with_the_same_id(
    database, receiver, start_deliveries
):
    hook = webhooks.add(
        database, LOCAL_OWNER.name, receiver.address, "standard", ["ended"], allowed=["127.0.0.1"]
    )
    receiver.waits_for = threading.Event()
    first = start_deliveries()
    for _ in range(3):
        lifecycle.cancel(database, submit(database).id, LOCAL_OWNER)
    wait_until(lambda: receiver.got, "the first is on its way")
    first.kill()
    first.wait()

    [taken, *others] = deliveries(database)
    assert (taken.state, taken.tries) == ("waiting", 1), "nobody has written down what came of it"
    assert [(each.state, each.tries) for each in others] == [("waiting", 0)] * 2
    receiver.waits_for.set()
    make_due(database)  # the lease is over
    start_deliveries()

    def all_arrived():
        return {each.state for each in deliveries(database)} == {"delivered"}

    wait_until(all_arrived, "all are delivered")
    arrived = [headers["webhook-id"] for _, headers, _ in receiver.got]
    wanted = [taken.event_id, *(each.event_id for each in deliveries(database))]
    assert (arrived[0], sorted(arrived)) == (taken.event_id, sorted(wanted))
    for _, headers, body in receiver.got:
        Verifier(hook.secret).verify(body, headers)
