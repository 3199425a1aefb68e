"""Several actions at once on PostgreSQL, call by call, in an order that follows from a seed.

Each action runs in a thread of its own and stops before every call to the database. Whoever is
chosen makes one call. One that waits for a row's lock is left waiting, and the others continue. So
transactions meet in orders that no load would bring about, and a deadlock shows as an error.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import event

from core.database.engine import Database
from core.errors import Conflict, LeaseLost, NotFound

LOCKED_AFTER_S = 0.05
"""A call that takes longer waits for a lock; on a crowded machine it may also only be slow, which
makes another order and nothing worse."""

Outcome = object | Exception


class _Actor(threading.Thread):
    """An action, which makes one call whenever it may."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self.outcome: Outcome = None
        self.has_ended = False
        self._action = action
        self._may_call = threading.Semaphore(0)
        self.stands = threading.Event()
        """Whether it is before its next call, or at its end."""

    def run(self) -> None:
        try:
            self.wait_for_turn()
            self.outcome = self._action()
        except Exception as error:  # noqa: BLE001  (`interleave` raises it again)
            self.outcome = error
        self.has_ended = True
        self.stands.set()

    def wait_for_turn(self) -> None:
        """Stop until this action may make its next call."""
        self.stands.set()
        self._may_call.acquire()

    def step(self) -> None:
        """Let it make a call, and wait until it has or is found waiting for a lock."""
        self.stands.clear()
        self._may_call.release()
        self.stands.wait(LOCKED_AFTER_S)


def interleave(
    database: Database, actions: Mapping[str, Callable[[], object]], chance: random.Random
) -> dict[str, Outcome]:
    """Do some actions at once.

    Returns:
        What each returned, or `Conflict`, `NotFound` or `LeaseLost`, with which a queue may answer.

    Raises:
        Exception: whatever else one of them raised.
    """
    actors = [_Actor(name, action) for name, action in actions.items()]
    engine, commit = database.engine, database.engine.dialect.do_commit

    def before_call(*_: Any) -> None:
        actor = threading.current_thread()
        if isinstance(actor, _Actor):
            actor.wait_for_turn()

    def do_commit(connection: Any) -> None:
        before_call()
        commit(connection)

    event.listen(engine, "do_execute", before_call)
    engine.dialect.do_commit = do_commit
    try:
        for actor in actors:
            actor.start()
            actor.stands.wait()
        _let_them_act(actors, chance)
    finally:
        event.remove(engine, "do_execute", before_call)
        del engine.dialect.do_commit
    for actor in actors:
        if isinstance(actor.outcome, Exception) and not isinstance(
            actor.outcome, Conflict | NotFound | LeaseLost
        ):
            raise actor.outcome
    return {actor.name: actor.outcome for actor in actors}


def _let_them_act(actors: list[_Actor], chance: random.Random) -> None:
    while left := [actor for actor in actors if not actor.has_ended]:
        standing = [actor for actor in left if actor.stands.is_set()]
        if standing:
            chance.choice(standing).step()
        else:
            left[0].stands.wait(LOCKED_AFTER_S)
    for actor in actors:
        actor.join()
