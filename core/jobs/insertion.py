"""How new jobs come into the tables: with all of their rows, by as few statements as can be.

PostgreSQL takes them by one statement, however many they are, which is given all rows as JSON: its
text is always the same, so that it is parsed and planned once. No object of the ORM is written: for
a thousand jobs of forty values each that took most of the time of a submit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    CTE,
    JSON,
    ColumnElement,
    Double,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    column,
    func,
    insert,
    inspect,
    literal_column,
    select,
    table,
    true,
    union_all,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session, make_transient_to_detached

from core.database.clock import now
from core.database.dialects import is_postgresql
from core.database.models import Clone, Job, JobProgress, JobTag, JobValue
from core.jobs import events, values
from core.jobs.actors import Actor
from core.jobs.capacity import Requirements
from core.spec import facts
from core.spec.spec import TrainingSpec

_BEGINNING: dict[str, Any] = {
    "state": "queued",
    "desired": "run",
    "attempt": 0,
    "own_revision": 1,
    "resets": 0,
    "crashes": 0,
    "losses": 0,
    "secured_step": 0,
    "batches": 0,
}
"""What is the same of every job that has just been submitted."""
_PROGRESS = {"revision": 0, "attempt": 0, "epoch": 0, "batch": 0}
_TOLD = ("state", "name", "queue", "priority", "preset")
"""What the history says of a submit."""


@dataclass(slots=True)
class New:
    """A job that has no number yet."""

    columns: dict[str, Any]
    """What its row begins with, besides what is the same of all."""
    needs: Requirements
    parent_id: int | None
    """The job that it began as a copy of."""
    private: bool | None
    """None: where the one that it is a copy of is."""
    weights_from: int | None
    """The run whose published weights it begins with; None: random ones."""
    spec: TrainingSpec

    def give_privacy(self, parents: Mapping[int, Job]) -> None:
        """Have a copy of a private job be private, where nothing else is asked for."""
        parent = None if self.parent_id is None else parents.get(self.parent_id)
        if self.private is None and parent is not None:
            self.columns["is_private"] = parent.is_private


def new(
    name: str,
    spec: TrainingSpec,
    *,
    owner: str,
    preset: str | None,
    priority: int,
    queue: str,
    tags: Sequence[str],
    token: str | None,
    parent_id: int | None,
    private: bool | None,
    weights_from: int | None,
) -> New:
    """A job as it is submitted."""
    stored = spec.model_dump(mode="json")
    dataset = facts.dataset(stored)
    columns = {
        "name": name,
        "folded_name": name.casefold(),
        "preset": preset,
        "spec": stored,
        "priority": priority,
        "queue": queue,
        "device": spec.device,
        "devices": spec.devices,
        "lane_id": None,
        "dataset": dataset,
        "model": facts.model(stored),
        "owner": owner,
        "is_private": bool(private),
        "tags": list(dict.fromkeys(tags)),
        "submission_token": token,
        "epochs": spec.epochs,
    }
    needs = Requirements(spec.device, spec.devices, dataset=dataset)
    return New(columns, needs, parent_id, private, weights_from, spec)


def insert_all(session: Session, jobs: Sequence[New], parents: Mapping[int, Job]) -> list[Job]:
    """Insert jobs, in their order; they are not told of in the history yet."""
    if is_postgresql(session):
        made = _insert_by_one(session, jobs, _INSERT, {})
    else:
        made = _insert_by_several(session, jobs)
    copies = [
        {"job_id": job.id, "parent_id": each.parent_id}
        for job, each in zip(made, jobs, strict=True)
        if each.parent_id in parents
    ]
    if copies:
        session.connection().execute(insert(Clone), copies)
    return made


def insert_and_tell(session: Session, actor: Actor, job: New) -> Job:
    """Insert a job that is a copy of none, and tell of it, by one statement; on PostgreSQL alone.

    Raises:
        IntegrityError: its token is that of another, and nothing was inserted.
    """
    [made] = _insert_by_one(session, [job], _INSERT_AND_TELL, {"by": actor.as_json()})
    return made


def payload_of(job: Job) -> dict[str, Any]:
    """What the history says of the submit of a job."""
    return {name: getattr(job, name) for name in _TOLD}


def _insert_by_one(
    session: Session, jobs: Sequence[New], statement: Select[Any], more: Mapping[str, Any]
) -> list[Job]:
    rows = [_sent(place, job) for place, job in enumerate(jobs, 1)]
    sent = {"rows": json.dumps(rows), **more}
    found = session.connection().execute(statement, sent).all()
    return [_as_job(job, *row) for job, row in zip(jobs, found, strict=True)]


def _sent(place: int, job: New) -> dict[str, Any]:
    """A job as a row of the statement."""
    columns = job.columns
    of_spec = values.of_spec(columns["spec"])
    return columns | {
        "place": place,
        "numbers": {name: each for name, each in of_spec.items() if not isinstance(each, str)},
        "texts": {name: each for name, each in of_spec.items() if isinstance(each, str)},
        "payload": {"state": _BEGINNING["state"]} | {name: columns[name] for name in _TOLD[1:]},
    }


def _insert_by_several(session: Session, jobs: Sequence[New]) -> list[Job]:
    """Insert jobs table by table: SQLite inserts into one by a statement.

    They are numbered here, as SQLite would number them: nobody else writes meanwhile, and it gives
    the numbers of rows that come together in no order that it promises.
    """
    connection = session.connection()
    newest, moment = connection.execute(_NEWEST_AND_MOMENT).one()
    made = [_as_job(job, newest + place, moment) for place, job in enumerate(jobs, 1)]
    at = {"created_at": moment, "available_at": moment}
    first = {_column(name): value for name, value in _BEGINNING.items()} | at
    rows = [{"id": job.id} | each.columns | first for job, each in zip(made, jobs, strict=True)]
    connection.execute(insert(_JOBS), rows)
    connection.execute(insert(JobProgress), [{"job_id": job.id} | _PROGRESS for job in made])
    values.write_of_specs(session, {job.id: job.spec for job in made})
    tags = [{"job_id": job.id, "tag": tag} for job in made for tag in job.tags]
    if tags:
        connection.execute(insert(JobTag), tags)
    return made


_SEQUENCES = table("sqlite_sequence", column("name"), column("seq"))
_NEWEST_AND_MOMENT = select(
    # that of the sequence too: the number of a purged run is not given again
    func.max(
        func.coalesce(
            select(_SEQUENCES.c.seq).where(_SEQUENCES.c.name == "jobs").scalar_subquery(), 0
        ),
        func.coalesce(select(func.max(Job.id)).scalar_subquery(), 0),
    ),
    now(),
)


def _as_job(job: New, job_id: int, moment: datetime) -> Job:
    """A job as it lies in the database now, which is not asked for it again."""
    progress = JobProgress()
    progress.__dict__ |= _NO_PROGRESS | _PROGRESS | {"job_id": job_id}
    make_transient_to_detached(progress)
    made = Job()
    at = {"id": job_id, "created_at": moment, "available_at": moment}
    made.__dict__ |= _NO_JOB | job.columns | _BEGINNING | at | {"notes": "", "progress": progress}
    make_transient_to_detached(made)
    return made


_NO_JOB = dict.fromkeys(inspect(Job).column_attrs.keys())
_NO_PROGRESS = dict.fromkeys(inspect(JobProgress).column_attrs.keys())

_JOBS = cast("Table", Job.__table__)
_SENT = tuple(new("", TrainingSpec(), owner="", preset="", priority=0, queue="", tags=(), token="",
                  parent_id=None, private=None, weights_from=None).columns)  # fmt: skip


def _insertion(*, is_told: bool) -> Select[Any]:
    """The statement for PostgreSQL, made once: it answers with the numbers, and the moment."""
    sent = _rows().cte("sent")
    moment = select(now().label("at")).cte("moment")
    first = {name: _literal(value) for name, value in _BEGINNING.items()}
    chosen = [sent.c[name] for name in _SENT]
    source = select(*chosen, *first.values(), moment.c.at, moment.c.at.label("due"))
    into = [*_SENT, *map(_column, first), "created_at", "available_at"]
    ordered = source.select_from(sent.join(moment, true())).order_by(sent.c.place)
    made = insert(_JOBS).from_select(into, ordered).returning(Job.id, Job.created_at).cte("made")
    place = func.row_number().over(order_by=made.c.id).label("place")
    numbered = select(made.c.id, made.c.created_at, place).cte("numbered")
    # what is written first here is done last: the lock of the history is held for the least time
    event = [_events(sent, numbered)] if is_told else []
    answer = select(numbered.c.id, numbered.c.created_at).order_by(numbered.c.place)
    return answer.add_cte(
        *event, _progress(numbered), _values(sent, numbered), _tags(sent, numbered)
    )


def _literal(value: Any) -> ColumnElement[Any]:
    """A value that stands in the statement itself."""
    return literal_column(repr(value))


def _column(attribute: str) -> str:
    """What a column of a job is called in its table."""
    name: str = getattr(Job, attribute).expression.name
    return name


def _rows() -> Select[Any]:
    names = {"numbers": JSON, "texts": JSON, "payload": JSON}
    columns = [column(name, _JOBS.c[name].type) for name in _SENT]
    sent = (
        func.json_to_recordset(cast_to(bindparam("rows", type_=Text), JSON))
        .table_valued(
            column("place", Integer), *columns, *(column(name, of) for name, of in names.items())
        )
        .render_derived(with_types=True)
    )
    return select(*sent.c)


def _progress(numbered: CTE) -> CTE:
    first = [_literal(value) for value in _PROGRESS.values()]
    source = select(numbered.c.id, *first)
    return insert(JobProgress).from_select(["job_id", *_PROGRESS], source).cte("of_progress")


def _values(sent: CTE, numbered: CTE) -> CTE:
    joined = sent.join(numbered, numbered.c.place == sent.c.place)
    number, text = (_pairs(sent.c[name], name) for name in ("numbers", "texts"))
    zero, empty = _literal(0.0), _literal("")
    source = union_all(
        select(numbered.c.id, number.c.key, cast_to(number.c.value, Double), empty).select_from(
            joined, number
        ),
        select(numbered.c.id, text.c.key, zero, text.c.value).select_from(joined, text),
    )
    columns = ["job_id", "name", "number", "text"]
    return insert(JobValue).from_select(columns, source).cte("of_values")


def _pairs(of: Any, name: str) -> Any:
    found = func.json_each_text(of)
    return found.table_valued(
        column("key", Text), column("value", Text), name=f"of_{name}", joins_implicitly=True
    )


def _tags(sent: CTE, numbered: CTE) -> CTE:
    joined = sent.join(numbered, numbered.c.place == sent.c.place)
    tag = func.json_array_elements_text(sent.c.tags).table_valued(
        column("value", Text), name="tag", joins_implicitly=True
    )
    source = select(numbered.c.id, tag.c.value).select_from(joined, tag)
    return insert(JobTag).from_select(["job_id", "tag"], source).cte("of_tags")


def _events(sent: CTE, numbered: CTE) -> CTE:
    joined = sent.join(numbered, numbered.c.place == sent.c.place)
    none_yet = _literal(0).label("attempt")
    new_ones = select(numbered.c.id.label("job_id"), none_yet, sent.c.payload, sent.c.place)
    moved = new_ones.select_from(joined).subquery()
    return events.insert_of(moved, "submitted").cte("of_events")


_INSERT = _insertion(is_told=False)
_INSERT_AND_TELL = _insertion(is_told=True)
