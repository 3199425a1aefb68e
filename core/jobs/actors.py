"""Who does something to a job, and whether they may."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from core.database.models import Job
from core.errors import Forbidden
from core.messages import message

ActorKind = Literal["user", "worker", "system"]
Action = Literal[
    "submit",
    "cancel",
    "pause",
    "resume",
    "retry",
    "resume_worker",
    "drain_worker",
    "delete",
    "restore",
    "clean",
    "edit",
    "limit",
]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a worker, or Trainyard itself."""

    kind: ActorKind
    id: str
    name: str

    def as_json(self) -> dict[str, Any]:
        """The actor as the history keeps it."""
        return asdict(self)


LOCAL_OWNER = Actor("user", "local", "owner")
"""Whoever reaches this installation: there are no accounts yet, and everybody is its owner."""

REAPER = Actor("system", "reaper", "Trainyard")
"""What takes jobs back from workers that are lost."""

CLEANER = Actor("system", "cleaner", "Trainyard")
"""What removes what the settings say is kept no longer."""


def of_worker(worker_id: int, name: str) -> Actor:
    """A worker as an actor."""
    return Actor("worker", str(worker_id), name)


def may(actor: Actor, action: Action, job: Job | None = None) -> bool:
    """Whether an actor may do something to a job or a worker, or submit a job.

    Every permission is decided here. Today each person owns every job; what workers and Trainyard
    itself do to a job follows from its lease, not from a permission.
    """
    del job
    return action in _PERMITTED[actor.kind]


_PERMITTED: dict[ActorKind, frozenset[Action]] = {
    "user": frozenset(get_args(Action)),
    "worker": frozenset(),
    "system": frozenset({"clean"}),
}


def refuse_unless_allowed(actor: Actor, action: Action, job: Job) -> None:
    """Raise `Forbidden` where an actor may not do something to a job."""
    if not may(actor, action, job):
        reason = message("actor.may_not", name=actor.name, action=action, job_id=job.id)
        raise Forbidden(reason)
