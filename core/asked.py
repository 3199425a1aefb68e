"""What pages ask of workers: a row that is named by what is asked for, and that one worker takes.

Two tables are filled so: those of `core.previews` and of `core.derived`. Their rows have a `key`,
the `request`, and when it was asked for and taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from core import workers
from core.database.clock import now
from core.database.engine import Database
from core.database.models import DerivedFile, Preview

Request = dict[str, Any]
"""What is asked for, as JSON; it names the `dataset` that it needs."""
Table = type[Preview] | type[DerivedFile]

LEFT_TO_OTHERS_S = 1.0
"""How long a worker without the dataset waits in any case, before it says that nobody has it."""


def key_of(request: Request) -> str:
    """The name of what is asked for: equal requests have equal ones."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def datasets_elsewhere(database: Database, worker_id: int) -> set[str] | None:
    """The datasets of the other workers that do what pages ask for.

    Args:
        database: where the workers are.
        worker_id: the one that looks.

    Returns:
        None where that one does nothing for pages, because it is drained.
    """
    with database.reading() as session:
        serving = {worker.id: worker.gauges for worker in workers.serving(session)}
    if serving.pop(worker_id, None) is None:
        return None
    return {name for gauges in serving.values() for name in gauges.get("datasets", ())}


def take(
    database: Database,
    table: Table,
    datasets: Collection[str],
    elsewhere: Collection[str],
    *first: ColumnElement[Any],
    anywhere: ColumnElement[bool] | None = None,
) -> tuple[str, Request] | None:
    """Take the oldest that nobody has taken yet. Two workers never take the same.

    Args:
        database: where to look.
        table: of what is asked for.
        datasets: those that the worker has. It takes what needs another only to say that it cannot
            be had.
        elsewhere: those that other workers have: what needs them is left to these, however long
            they are busy.
        first: by what they are ordered before their age.
        anywhere: what needs no images, though it names their dataset.

    Returns:
        Its key and what is asked for, or None where there is none.
    """
    dataset = table.request["dataset"].as_string()
    is_nowhere = and_(dataset.not_in(elsewhere), table.asked_at < now(-LEFT_TO_OTHERS_S))
    suits = or_(dataset.in_(datasets), is_nowhere, *(() if anywhere is None else (anywhere,)))
    oldest = (
        select(table.key)
        .where(table.taken_at.is_(None), suits)
        .order_by(*first, table.asked_at, table.key)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    with database.writing() as session:
        taken = session.execute(
            update(table)
            .where(table.key == oldest, table.taken_at.is_(None))
            .values(taken_at=now())
            .returning(table.key, table.request)
            .execution_options(synchronize_session=False)
        ).one_or_none()
    return (taken.key, taken.request) if taken else None


def end(
    database: Database, table: Table, key: str, is_open: ColumnElement[bool], values: Request
) -> None:
    """Write down how it ended, while it is open.

    What is there stays: a worker that was thought gone may come late, and without it.
    """
    with database.writing() as session:
        session.execute(
            update(table)
            .where(table.key == key, is_open)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def forget_all_but_the_newest_that_wait(session: Session, table: Table, most: int) -> None:
    """Whoever asks for very many keeps nobody else waiting for long."""
    waiting = select(table.key).where(table.taken_at.is_(None))
    newest = waiting.order_by(table.asked_at.desc(), table.key).limit(most)
    session.execute(
        delete(table)
        .where(table.taken_at.is_(None), table.key.not_in(newest))
        .execution_options(synchronize_session=False)
    )
