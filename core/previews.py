"""Previews: images as a run would see them, asked for by a form and drawn by a worker.

The web has neither torch nor the datasets. So what is asked for is a row, a worker that takes it
draws it, and the picture comes back in the same row. Nothing depends on it: a preview that is lost
is asked for again.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from core import asked
from core.asked import Request
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Preview
from core.messages import Message
from core.spec import facts
from core.spec.spec import TrainingSpec

FORGOTTEN_AFTER_S = 30.0
"""A preview that was taken so long ago is free again: its worker has exited or hangs, since drawing
one takes much less, or is given up."""

KEPT_FOR_S = 24 * 3600.0
MOST_WAITING = 50
MOST_KEPT = 500

PARTS = facts.PREVIEW_PARTS


def request(spec: TrainingSpec) -> Request:
    """What is to be drawn for a spec: these parts of it, whole and checked."""
    return spec.model_dump(mode="json", include=set(PARTS))


def ask(database: Database, wanted: Request) -> str:
    """Ask for a preview. The caller announces it once this has returned.

    What is there, or is being drawn, stays; what has failed or was forgotten is drawn again.

    Returns:
        Its key.
    """
    key = asked.key_of(wanted)
    try:
        with database.writing() as session:
            if session.scalar(select(Preview.key).where(Preview.key == key)) is None:
                session.execute(insert(Preview).values(key=key, request=wanted, asked_at=now()))
                asked.forget_all_but_the_newest_that_wait(session, Preview, MOST_WAITING)
            else:
                session.execute(
                    update(Preview)
                    .where(Preview.key == key, _is_to_be_tried_again())
                    .values(asked_at=now(), taken_at=None, error=None)
                    .execution_options(synchronize_session=False)
                )
    except IntegrityError:
        pass  # it was asked for at the same time
    return key


def find(database: Database, key: str) -> Preview | None:
    """A preview as it is now, or None where nobody asked for it, or too long ago."""
    with database.reading() as session:
        return session.get(Preview, key)


def take(
    database: Database, datasets: Collection[str], elsewhere: Collection[str] = ()
) -> tuple[str, Request] | None:
    """Take the oldest preview that nobody has taken yet. Two workers never take the same.

    Args:
        database: where to look.
        datasets: those that the worker has.
        elsewhere: those that other workers have: what needs them is left to these.

    Returns:
        Its key and what is to be drawn, or None where there is none.
    """
    return asked.take(database, Preview, datasets, elsewhere)


def finish(database: Database, key: str, image: bytes) -> None:
    """Write down what was drawn: a PNG."""
    _end(database, key, image=image, error=None)


def fail(database: Database, key: str, reason: Message) -> None:
    """Write down why a preview could not be drawn."""
    _end(database, key, image=None, error=reason)


def sweep(database: Database) -> None:
    """Delete what was asked for long ago, and what is more than enough. Any worker may."""
    newest = select(Preview.key).order_by(Preview.asked_at.desc(), Preview.key).limit(MOST_KEPT)
    with database.writing() as session:
        session.execute(
            delete(Preview)
            .where(or_(Preview.asked_at < now(-KEPT_FOR_S), Preview.key.not_in(newest)))
            .execution_options(synchronize_session=False)
        )


def _is_to_be_tried_again() -> ColumnElement[bool]:
    forgotten = Preview.taken_at < now(-FORGOTTEN_AFTER_S)
    return Preview.image.is_(None) & or_(Preview.error.is_not(None), forgotten)


def _end(database: Database, key: str, *, image: bytes | None, error: Message | None) -> None:
    asked.end(database, Preview, key, Preview.image.is_(None), {"image": image, "error": error})
