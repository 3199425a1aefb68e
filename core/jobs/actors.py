"""Who does something to a job, and whether they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from core.database.models import Job
from core.errors import Forbidden, NotFound
from core.messages import message
from core.roles import Role, Scope

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
    "manage_people",
    "limit",
]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a worker, or Trainyard itself."""

    kind: ActorKind
    id: str
    name: str
    role: Role = "viewer"
    """Of a person."""
    scope: Scope = "admin"
    """Of the token by which a person asks; who is there in person may all of their role."""

    def as_json(self) -> dict[str, Any]:
        """The actor as the history keeps it."""
        return {"kind": self.kind, "id": self.id, "name": self.name}

    @property
    def is_administrator(self) -> bool:
        """Whether it is a person who may act on what is others'."""
        return self.kind == "user" and self.role == "administrator" and self.scope == "admin"


LOCAL_OWNER = Actor("user", "local", "owner", role="administrator")
"""Whoever reaches an installation without accounts: it listens on its own machine alone."""

REAPER = Actor("system", "reaper", "Trainyard")
"""What takes jobs back from workers that are lost."""

SCHEDULER = Actor("system", "scheduler", "Trainyard")
"""What lets runs give way to those of a higher priority."""

CLEANER = Actor("system", "cleaner", "Trainyard")
"""What removes what the settings say is kept no longer."""


def of_worker(worker_id: int, name: str) -> Actor:
    """A worker as an actor."""
    return Actor("worker", str(worker_id), name)


def may(actor: Actor, action: Action, job: Job | None = None) -> bool:
    """Whether an actor may do something to a job or a worker, or submit a job.

    Every permission is decided here. Members act on their own jobs; administrators on all. What
    workers and Trainyard itself do to a job follows from its lease, not from a permission.
    """
    if actor.kind != "user":
        return action in _OF_KIND[actor.kind]
    return may_on(actor, action, actor.name if job is None else job.owner)


def may_on(actor: Actor, action: Action, owner: str) -> bool:
    """Whether a person may do something to the jobs of an owner: pages ask it of what they show."""
    permitted = action in _OF_ROLE[actor.role] and action in _OF_SCOPE[actor.scope]
    return permitted and (actor.is_administrator or owner == actor.name)


_ON_OWN: frozenset[Action] = frozenset(
    {"submit", "cancel", "pause", "resume", "retry", "delete", "restore", "edit"}
)
_EVERYTHING: frozenset[Action] = frozenset(get_args(Action))

_OF_ROLE: dict[Role, frozenset[Action]] = {
    "viewer": frozenset(),
    "member": _ON_OWN,
    "administrator": _EVERYTHING,
}
_OF_SCOPE: dict[Scope, frozenset[Action]] = {
    "read": frozenset(),
    "submit": _ON_OWN,
    "admin": _EVERYTHING,
}
_OF_KIND: dict[ActorKind, frozenset[Action]] = {
    "worker": frozenset(),
    "system": frozenset({"clean", "manage_people"}),
}


def sees(actor: Actor, job: Job) -> bool:
    """Whether a job is there for an actor: private ones are for their owner and administrators."""
    return not job.is_private or sees_all(actor) or job.owner == actor.name


def sees_all(actor: Actor) -> bool:
    """Whether every job is there for an actor, private ones of others too."""
    return actor.kind != "user" or actor.role == "administrator"


def refuse_unless_allowed(actor: Actor, action: Action, job: Job) -> None:
    """Raise `Forbidden` where an actor may not do something to a job.

    Raises:
        NotFound: for this actor there is no such job.
        Forbidden: it may not.
    """
    if not sees(actor, job):
        raise NotFound(message("run.unknown", job_id=job.id))
    if may(actor, action, job):
        return
    about = {"name": actor.name, "action": action, "job_id": job.id}
    if may(actor, action):
        raise Forbidden(message("actor.not_the_owner", owner=job.owner, **about))
    raise Forbidden(message("actor.may_not", **about))
