"""Files that a worker computes because a page asks for them, and that are kept as a cache.

The web has neither torch nor the datasets. So what is asked for is a row, a worker that takes it
computes the file and stores it as a blob, and the row names that. Everything here can be computed
again: what nobody has asked for lately goes, and nothing depends on it.

The kinds:

- `test_images`: the pixels of a dataset's test images, one image after the other.
- `network`: a network as ONNX with its feature maps, of published weights or of a snapshot.
- `insight`: the filters of a network's first layer, and the test images in two dimensions.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import asked
from core.asked import Request
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Artifact, DerivedFile, Job, Snapshot
from core.jobs import unnamed
from core.messages import Message
from core.storage.blobs import Blob

Kind = Literal["test_images", "network", "insight"]
Weights = Literal["published", "snapshot"]

FORMAT = 1
"""Raised when a file of a kind changes, so that none of an earlier release is shown."""

TIME_LIMIT_S = 180.0
FORGOTTEN_AFTER_S = TIME_LIMIT_S + 60.0
"""A file that was taken so long ago is free again: its worker has exited or hangs."""

NOTED_EVERY_S = 3600.0
"""A file that is used is noted to be, no oftener."""

KEPT_FOR_S = 7 * 24 * 3600.0
MOST_WAITING = 20
MOST_KEPT = 100
MOST_BYTES = 2_000_000_000


def test_images(dataset: str) -> Request:
    """The pixels of a dataset's test images."""
    return {"kind": "test_images", "format": FORMAT, "dataset": dataset}


def network(session: Session, job: Job, weights: Weights) -> Request | None:
    """The network of a run with its feature maps; None where it has no such weights."""
    return _of_weights(session, job, "network", weights)


def insight(session: Session, job: Job) -> Request | None:
    """What a run's published network has learned; None where it has no published weights."""
    return _of_weights(session, job, "insight", "published")


def _of_weights(session: Session, job: Job, kind: Kind, weights: Weights) -> Request | None:
    source = (_snapshot if weights == "snapshot" else _published)(session, job.id)
    if source is None:
        return None
    return {
        "kind": kind,
        "format": FORMAT,
        "dataset": job.dataset,
        "job_id": job.id,
        "weights": weights,
        "epoch": source.epoch,
        "sha256": source.sha256,
        "size": source.size,
    }


def _snapshot(session: Session, job_id: int) -> Snapshot | None:
    return session.scalar(
        select(Snapshot)
        .where(Snapshot.job_id == job_id, Snapshot.discarded_at.is_(None))
        .order_by(Snapshot.step.desc(), Snapshot.attempt.desc())
        .limit(1)
    )


def _published(session: Session, job_id: int) -> Artifact | None:
    return session.scalar(
        select(Artifact)
        .where(Artifact.job_id == job_id, Artifact.format == "pt")
        .order_by(Artifact.id.desc())
        .limit(1)
    )


def ask(database: Database, wanted: Request, *, again: bool = False) -> tuple[DerivedFile, bool]:
    """A file as it is now, which is asked for where it is not there.

    Args:
        database: where it is asked for.
        wanted: as a function of this module returned it.
        again: whether what has failed is tried again.

    Returns:
        Its row, and whether workers have something new to do: the caller announces that.
    """
    key = asked.key_of(wanted)
    row = find(database, key)
    is_new = False
    if row is None:
        is_new = _add(database, key, wanted)
    elif _is_to_be_noted(database, key, again=again):
        is_new = _note(database, key, again=again)
    else:
        return row, False
    found = find(database, key)
    return (row if found is None and row is not None else found or _unasked(key, wanted)), is_new


def _unasked(key: str, wanted: Request) -> DerivedFile:
    """What was asked for and forgotten at once, because others asked for very much."""
    return DerivedFile(key=key, request=wanted, taken_at=None, sha256=None, size=None, error=None)


def _add(database: Database, key: str, wanted: Request) -> bool:
    try:
        with database.writing() as session:
            values = {"key": key, "request": wanted, "job_id": wanted.get("job_id")}
            session.execute(insert(DerivedFile).values(asked_at=now(), **values))
            asked.forget_all_but_the_newest_that_wait(session, DerivedFile, MOST_WAITING)
    except IntegrityError:
        return False  # it was asked for at the same time, or its run is gone
    return True


def _is_to_be_noted(database: Database, key: str, *, again: bool) -> bool:
    """Whether a row is to be written; a page that looks every second mostly only reads."""
    due = _is_free() if not again else _is_free() | DerivedFile.error.is_not(None)
    due = due | (DerivedFile.asked_at < now(-NOTED_EVERY_S))
    with database.reading() as session:
        return (
            session.scalar(select(DerivedFile.key).where(DerivedFile.key == key, due)) is not None
        )


def _note(database: Database, key: str, *, again: bool) -> bool:
    """Write down that a file is wanted; whether it is to be computed again."""
    free = _is_free() if not again else _is_free() | DerivedFile.error.is_not(None)
    of_key = update(DerivedFile).where(DerivedFile.key == key)
    with database.writing() as session:
        session.execute(of_key.values(asked_at=now()))
        freed: Any = session.execute(
            of_key.where(free)
            .values(taken_at=None, error=None)
            .execution_options(synchronize_session=False)
        )
        return bool(freed.rowcount)


def _is_free() -> ColumnElement[bool]:
    """Whether a file was taken by a worker that is gone."""
    is_open = DerivedFile.sha256.is_(None) & DerivedFile.error.is_(None)
    return is_open & (DerivedFile.taken_at < now(-FORGOTTEN_AFTER_S))


def find(database: Database, key: str) -> DerivedFile | None:
    """A file as it is now, or None where nobody asked for it, or too long ago."""
    with database.reading() as session:
        return session.get(DerivedFile, key)


def network_of_run(database: Database, job_id: int, key: str = "") -> Request | None:
    """A network that was asked for of a run's snapshots; None where there is none.

    Args:
        database: where to look.
        job_id: the run.
        key: of the one that is meant; where there is none such, it is the last one that is there,
            or else the last one that is waited for.
    """
    with database.reading() as session:
        rows = session.scalars(select(DerivedFile).where(DerivedFile.job_id == job_id)).all()
    found = [row for row in rows if row.request.get("weights") == "snapshot"]
    named = [row for row in found if row.key == key]
    usable = [row for row in found if row.sha256 is not None or row.error is None]
    newest = sorted(usable, key=lambda row: (row.sha256 is not None, row.asked_at))
    chosen = named or newest[-1:]
    return chosen[0].request if chosen else None


def blob_of(row: DerivedFile) -> Blob | None:
    """The bytes of a file; None where they are not there yet."""
    return Blob(row.sha256, row.size) if row.sha256 is not None and row.size is not None else None


def take(
    database: Database, datasets: Collection[str], elsewhere: Collection[str] = ()
) -> tuple[str, Request] | None:
    """Take the file that nobody has taken yet and that was asked for first.

    Two workers never take the same.

    Args:
        database: where to look.
        datasets: those that the worker has.
        elsewhere: those that other workers have: what needs them is left to these.

    Returns:
        Its key and what it is, or None where there is none.
    """
    kind = DerivedFile.request["kind"].as_string()
    takes_long = kind == "insight"  # what a page shows at once comes before it
    of_weights_alone = kind == "network"
    return asked.take(
        database, DerivedFile, datasets, elsewhere, takes_long, anywhere=of_weights_alone
    )


def finish(database: Database, key: str, blob: Blob) -> None:
    """Write down the bytes of a file, which are in the blob store."""
    _end(database, key, sha256=blob.sha256, size=blob.size, error=None)


def fail(database: Database, key: str, reason: Message) -> None:
    """Write down why a file could not be computed."""
    _end(database, key, error=reason)


def lose(database: Database, key: str) -> None:
    """Forget a file whose bytes are not in the store any more: it is computed again."""
    with database.writing() as session:
        session.execute(delete(DerivedFile).where(DerivedFile.key == key))


def _end(database: Database, key: str, **values: Any) -> None:
    asked.end(database, DerivedFile, key, DerivedFile.sha256.is_(None), values)


def sweep(database: Database) -> int:
    """Forget what nobody has asked for lately, and what is more than enough. Any worker may.

    Returns:
        How many files were forgotten. Their blobs are deleted by `core.jobs.unnamed`.
    """
    size = func.coalesce(DerivedFile.size, 0)
    order = DerivedFile.asked_at.desc(), DerivedFile.key
    columns = DerivedFile.key, DerivedFile.sha256, size
    is_old = (DerivedFile.asked_at < now(-KEPT_FOR_S)).label("is_old")
    with database.writing() as session:
        kept = total = forgotten = 0
        for key, sha256, bytes_, old in session.execute(select(*columns, is_old).order_by(*order)):
            total += bytes_
            if not old and kept < MOST_KEPT and total <= MOST_BYTES:
                kept += 1
                continue
            session.execute(delete(DerivedFile).where(DerivedFile.key == key))
            if sha256 is not None:
                unnamed.remember(session, sha256, bytes_, unnamed.UNKNOWN)
            forgotten += 1
    return forgotten
