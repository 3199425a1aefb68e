"""The runs of the list that something is asked of: those that were chosen, or all that match.

Where all are asked for, the address has what the list is filtered by, and the question that comes
before the act names every run that this means: what is answered is exactly what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request

from core import queries
from core.database.models import Job
from core.errors import InvalidInput
from core.jobs.actors import Action, may
from core.messages import message
from webui import actions
from webui.api.requests import args_of, selection
from webui.context import current

MATCHING = "matching"
"""In the address: what the list is filtered by of which all runs are chosen."""
MOST_COMPARED = 50
"""Runs that stand beside each other."""
LONGEST_NUMBER = 18
"""Digits of a number that a database can hold."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Some runs that are there, newest first."""

    jobs: Sequence[Job]
    """Those on which whoever asks may act."""
    others: int = 0
    """How many besides are somebody else's."""
    is_cut: bool = False
    """Whether more match than are asked of at once; then these are the first of the list."""


def choice(action: Action) -> Choice:
    """The runs that the address names, in one way or the other."""
    parts = current()
    query = request.args.get(MATCHING)
    with parts.database.reading() as session:
        if query is None:
            ids, is_cut = numbers("run"), False
        else:
            asked = selection(args_of(query))
            ids = queries.first_ids(session, asked, actions.MOST_AT_ONCE + 1)
            is_cut = len(ids) > actions.MOST_AT_ONCE
        found = queries.jobs_by_id(session, ids[: actions.MOST_AT_ONCE], parts.seen_by)
    own = [job for job in found if may(parts.actor, action, job)]
    own.sort(key=lambda job: job.id, reverse=True)
    return Choice(own, len(found) - len(own), is_cut)


def numbers(name: str, texts: Sequence[str] | None = None) -> list[int]:
    """The numbers of runs among some texts, else among what the request has of a name."""
    texts = request.values.getlist(name) if texts is None else texts
    return [
        int(text)
        for text in texts
        if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    ]


def some(name: str, texts: Sequence[str] | None = None) -> list[int]:
    """`numbers`, where there must be some.

    Raises:
        InvalidInput: no run was chosen.
    """
    found = numbers(name, texts)
    if not found:
        raise InvalidInput.one(name, message("input.no_run_chosen"))
    return found
