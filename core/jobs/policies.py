"""What holds for a queue: whether runs of a higher priority in it may preempt others.

Nothing is allowed of which nobody has said so.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, bindparam, exists, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.dialects import insert_or
from core.database.models import Lane, QueuePolicy
from core.errors import Forbidden
from core.jobs.actors import Actor, may
from core.messages import message
from core.workers import serving


def put(session: Session, actor: Actor, queue: str, *, preempts: bool) -> bool:
    """Say whether runs of a higher priority may preempt others in a queue.

    Returns:
        Whether it was otherwise until now.

    Raises:
        Forbidden: the actor may not.
    """
    if not may(actor, "limit"):
        raise Forbidden(message("actor.may_not_allow_preemption", name=actor.name))
    before = session.get(QueuePolicy, queue)
    if preempts == (before is not None and before.preempts):
        return False
    values = {"preempts": preempts, "changed_at": now(), "changed_by": actor.name}
    new = insert_or(session, QueuePolicy).values(queue=queue, **values)
    session.execute(new.on_conflict_do_update(index_elements=["queue"], set_=values))
    return True


def every(session: Session) -> list[QueuePolicy]:
    """The policies of all queues that anybody has used, serves, or has said something of."""
    known = {row.queue: row for row in session.scalars(select(QueuePolicy))}
    queues = {*known, *session.scalars(select(Lane.queue).distinct())}
    for worker in serving(session):
        queues.update(worker.queues)
    return [
        known.get(queue) or QueuePolicy(queue=queue, preempts=False) for queue in sorted(queues)
    ]


def preempting(session: Session) -> frozenset[str]:
    """The queues in which runs of a higher priority may preempt others."""
    return frozenset(session.scalars(select(QueuePolicy.queue).where(QueuePolicy.preempts)))


def some_preempts(queues: str) -> ColumnElement[bool]:
    """Whether that is allowed in one of the queues that a parameter of this name lists."""
    named = QueuePolicy.queue.in_(bindparam(queues, expanding=True))
    return exists(select(QueuePolicy.queue).where(named, QueuePolicy.preempts))
