"""Workers that people drain: they claim nothing new, and finish what they run.

What is wanted of a worker is in its own row, and the statements of claim and poll ask for it there,
so it counts from the worker's next look on. It is wanted of a name: of each worker that has it now,
and of whichever is started with it later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import LARGEST_KEY, Worker
from core.errors import Forbidden, NotFound
from core.jobs import rests
from core.jobs.actors import Action, Actor, may
from core.messages import message

Wanted = Literal["run", "drain"]


def drain(database: Database, which: str, actor: Actor) -> int:
    """Let the workers of a name claim nothing new; asking again changes nothing.

    Args:
        database: where their rows are.
        which: the number of one, or their name.
        actor: who asks.

    Returns:
        The id of the worker that was named.

    Raises:
        NotFound: there is no such worker.
        Forbidden: the actor may not.
    """
    _refuse(actor, "drain_worker", "actor.may_not_drain_worker")
    with database.writing() as session:
        worker = find(session, which)
        _want(session, worker, "drain", actor)
        return worker.id


def resume(database: Database, which: str, actor: Actor) -> tuple[int, Sequence[str]]:
    """Let the workers of a name claim again, and try again what they rest from.

    The caller notifies them.

    Returns:
        The id of the worker that was named, and the queues that it serves.

    Raises:
        NotFound: there is no such worker.
        Forbidden: the actor may not.
    """
    _refuse(actor, "resume_worker", "actor.may_not_resume_worker")
    with database.writing() as session:
        worker = find(session, which)
        _want(session, worker, "run", actor)
        worker_id, queues = worker.id, worker.queues
        alike = select(Worker).where(_is_alike(worker))
        resting = [each.id for each in session.scalars(alike) if each.rests]
    for each in resting:
        rests.resume(database, each, actor)
    return worker_id, queues


def find(session: Session, which: str) -> Worker:
    """The worker of a number, or the newest of a name.

    Raises:
        NotFound: there is none.
    """
    found = None
    if which.isascii() and which.isdigit() and int(which) <= LARGEST_KEY:
        found = session.get(Worker, int(which))
    if found is None:
        of_name = select(Worker).where(Worker.name == which).order_by(Worker.id.desc())
        found = session.scalar(of_name.limit(1))
    if found is None:
        raise NotFound(message("worker.unknown_name", name=which))
    return found


def _refuse(actor: Actor, action: Action, code: str) -> None:
    if not may(actor, action):
        raise Forbidden(message(code, name=actor.name))


def _is_alike(worker: Worker) -> ColumnElement[bool]:
    """Whether a worker has the name of one: what starts by it takes over from any of these."""
    return Worker.name == worker.name


def _want(session: Session, worker: Worker, wanted: Wanted, actor: Actor) -> None:
    """Write down what is wanted of a worker and its namesakes, where it is something else."""
    session.execute(
        update(Worker)
        .where(_is_alike(worker), Worker.desired != wanted)
        .values(desired=wanted, desired_at=now(), desired_by=actor.name)
        .execution_options(synchronize_session=False)
    )
