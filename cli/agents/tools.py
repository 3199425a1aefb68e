"""The tools: what each takes, and what it answers with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cli import comparison
from cli.agents.answers import Answer
from cli.client import Client
from cli.render import status
from cli.render.tables import last_day
from cli.render.text import ago, counted, written
from core import formats
from core.spec import facts
from core.spec.presets import PRESETS
from core.spec.spec import TrainingSpec, nest
from core.states import FINAL

JSON = dict[str, Any]

MOST_RUNS = 20
MOST_LOG_LINES = 40
MOST_ROWS = 12

RunId = Annotated[int, Field(ge=1, description="The number of a run.")]


class Arguments(BaseModel):
    """Of a tool: what is unknown is refused, so that a mistyped name is no silent default."""

    model_config = ConfigDict(extra="forbid")


class ListRuns(Arguments):
    """Which runs."""

    state: Annotated[
        str | None,
        Field(
            description="queued, running, paused, succeeded, failed, cancelled; comma separated."
        ),
    ] = None
    dataset: str | None = None
    owner: Annotated[str | None, Field(description="Who submitted them.")] = None
    tag: str | None = None
    text: Annotated[str | None, Field(description="A part of their names.")] = None
    filter: Annotated[
        str | None,
        Field(
            max_length=1000,
            description="Conditions on values: test_accuracy > 0.98 and optimizer.kind = adamw.",
        ),
    ] = None
    sort: Annotated[
        str | None,
        Field(
            description="Such as test_loss, -test_accuracy (the largest first), "
            "optimizer.learning_rate, created (the oldest first); else the newest first."
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=MOST_RUNS)] = 10
    cursor: Annotated[str | None, Field(description="From an earlier answer.")] = None


class OneRun(Arguments):
    """A run."""

    run_id: RunId


class Runs(Arguments):
    """Several runs."""

    run_ids: Annotated[Sequence[RunId], Field(min_length=2, max_length=6)]


class Queue(Arguments):
    """The whole queue, or why one run waits."""

    run_id: Annotated[int | None, Field(ge=1, description="Only why this run waits.")] = None


class ReadLog(Arguments):
    """Lines of a log, the newest ones where no cursor is given."""

    run_id: RunId
    find: Annotated[str, Field(description="Only lines with this text.")] = ""
    level: Annotated[str, Field(description="progress, info, warning, error; comma separated.")] = (
        "info,warning,error"
    )
    limit: Annotated[int, Field(ge=1, le=MOST_LOG_LINES)] = 20
    cursor: Annotated[str | None, Field(description="From an earlier answer: older lines.")] = None


class SubmitRun(Arguments):
    """A run to be queued."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    preset: Annotated[
        str | None, Field(description=f"Spec to start from: {', '.join(PRESETS)}.")
    ] = None
    fields: Annotated[
        dict[str, Any],
        Field(
            description="Single fields over the preset by their dotted paths, such as "
            '{"dataset": "digits", "epochs": 2, "optimizer.learning_rate": 0.05}.'
        ),
    ] = {}
    tags: Sequence[str] = ()
    queue: str = "default"
    priority: int = 0
    request_key: Annotated[
        str | None,
        Field(
            max_length=255,
            description="Any text of yours. Sent again with the same one, it makes no second run.",
        ),
    ] = None


T = TypeVar("T", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Tool(Generic[T]):
    """A tool, and how it is answered."""

    name: str
    description: str
    arguments: type[T]
    answer: Callable[[Client, T], Answer]
    changes: bool = False
    """Whether it changes something, so that the token must have the scope submit."""

    def call(self, client: Client, sent: Mapping[str, Any]) -> Answer:
        """Read the arguments and answer."""
        return self.answer(client, self.arguments.model_validate(dict(sent)))


def list_runs(client: Client, asked: ListRuns) -> Answer:
    """Runs, a line each."""
    page = client.get("/jobs", **asked.model_dump(exclude_none=True))
    runs = page["items"]
    if not runs:
        return Answer(["No run is like that."], questions=["list_runs without filters."])
    questions = ["inspect_run for one of them, compare_runs for several."]
    if page["next"]:
        questions.append(f"list_runs with cursor {json.dumps(page['next'])} for further runs.")
    return Answer([f"{counted(len(runs), 'run')}:"], [_line(job) for job in runs], questions)


def inspect_run(client: Client, asked: OneRun) -> Answer:
    """All that matters of a run."""
    job = client.get(f"/jobs/{asked.run_id}")
    advice = client.get(f"/jobs/{asked.run_id}/advice")["items"]
    about = {
        "name": job["name"],
        "state": status.with_reason(job),
        "owner": job.get("owner"),
        "tags": ", ".join(job["tags"]),
        "notes": job["notes"],
        "worker": job["worker"],
        "attempt": job["attempt"] or None,
        "created": ago(job["created_at"]),
        "left": written(formats.duration, job["progress"]["eta_s"]),
        "stopped early": job["stop_reason"],
        "failure": _failure(job),
        **{title: values[0] for title, values in _measured(client, job)},
    }
    lines = [f"{label}: {value}" for label, value in about.items() if value not in (None, "")]
    coach = [f"coach: {each['title']['text']} {each['action']['text']}" for each in advice[:3]]
    spec = [f"{path} = {value}" for path, value in _short_spec(job["spec"])]
    return Answer(
        [f"Run {job['id']}: {client.page_of(job['id'])}"],
        [*lines, *coach, *spec],
        _questions_of(job),
    )


def compare_runs(client: Client, asked: Runs) -> Answer:
    """What differs, and what came of it."""
    compared = comparison.fetch(client, list(dict.fromkeys(asked.run_ids)))
    heads = [f"run {each.job['id']}: {each.job['name']}" for each in compared]
    different = comparison.differences([each.job["spec"] for each in compared])
    rows = [*different[:20], *comparison.measurements(compared)]
    lines = [f"{title}: {' / '.join(values)}" for title, values in rows]
    order = " / ".join(f"run {each.job['id']}" for each in compared)
    sentences = [
        f"Hyperparameters that differ: {len(different)}. Values in the order {order}.",
        comparison.verdict(compared),
    ]
    questions = ["read_curves for a run, or submit_run with other values where it is offered."]
    return Answer([each for each in sentences if each], [*heads, *lines], questions)


def explain_queue(client: Client, asked: Queue) -> Answer:
    """What waits and why, and which workers there are; or why one run waits."""
    if asked.run_id is not None:
        return _why(client.get(f"/jobs/{asked.run_id}"))
    found = client.get("/queue")
    waiting = [
        f"queue {line['queue']}: {counted(line['count'], 'run')} on {line['dataset']}, the first "
        f"is run {line['first_id']}, which waits: {line['reason']['text']}"
        for line in found["waiting"][:10]
    ]
    workers = [each for each in client.get("/workers", limit=100)["items"] if each["is_live"]]
    lines = [_worker(each) for each in workers[:10]]
    sentences = [f"{counted(len(workers), 'live worker')}.", *last_day(found)]
    return Answer(sentences, [*waiting, *lines], ["explain_queue with a run_id for one run."])


def read_log(client: Client, asked: ReadLog) -> Answer:
    """Lines of a log, oldest first."""
    chosen = {"text": asked.find, "level": asked.level, "limit": asked.limit}
    cursor = {"cursor": asked.cursor} if asked.cursor else {}
    page = client.get(f"/jobs/{asked.run_id}/logs", order="desc", **chosen, **cursor)
    lines = [
        f"{each['time'][:19]}Z {each['level']}: {each['text']}" for each in reversed(page["items"])
    ]
    if not lines:
        return Answer(["No line is like that."], questions=["read_log without find and level."])
    questions = ["read_log with find or level for less."]
    if page["next"]:
        questions.append(f"read_log with cursor {json.dumps(page['next'])} for earlier lines.")
    return Answer(
        [f"{counted(len(lines), 'line')} of the log of run {asked.run_id}:"], lines, questions
    )


def read_curves(client: Client, asked: OneRun) -> Answer:
    """Some of the epochs, evenly spread, with the first, the best and the last."""
    rows = list(client.all(f"/jobs/{asked.run_id}/epochs"))
    if not rows:
        return Answer(
            [f"Run {asked.run_id} has no whole epoch yet."],
            questions=[f"inspect_run or explain_queue with run_id {asked.run_id}."],
        )
    chosen = _spread(rows)
    lines = [
        ", ".join(
            f"{title} {write(row[key])}"
            for title, key, write in _COLUMNS
            if row.get(key) is not None
        )
        for row in chosen
    ]
    of_all = f"{counted(len(chosen), 'epoch')} of {len(rows)}"
    return Answer(
        [f"{of_all} of run {asked.run_id}, the best among them:"],
        lines,
        ["compare_runs with another run; read_log for what happened meanwhile."],
    )


def submit_run(client: Client, asked: SubmitRun) -> Answer:
    """Queue a run."""
    body = asked.model_dump(mode="json", exclude={"fields", "request_key"})
    job = client.post("/jobs", body | {"spec": nest(asked.fields)}, key=asked.request_key)
    return Answer(
        [f"Run {job['id']} is queued: {client.page_of(job['id'])}"],
        questions=[f"explain_queue, later inspect_run, with run_id {job['id']}."],
    )


def cancel_run(client: Client, asked: OneRun) -> Answer:
    """Ask that a run be cancelled."""
    job = client.post(f"/jobs/{asked.run_id}/cancel")
    became = "is asked to stop" if job["state"] == "running" else f"is {job['state']}"
    return Answer(
        [f"Run {job['id']} {became}."], questions=[f"inspect_run with run_id {job['id']}."]
    )


TOOLS: tuple[Tool[Any], ...] = (
    Tool("list_runs", "List runs by state, dataset, owner, tag or measure.", ListRuns, list_runs),
    Tool(
        "inspect_run",
        "State, measurements, failure, advice and spec of a run.",
        OneRun,
        inspect_run,
    ),
    Tool(
        "compare_runs",
        "The hyperparameters in which runs differ, their results with 95% intervals.",
        Runs,
        compare_runs,
    ),
    Tool(
        "explain_queue",
        "Why runs wait, for what, and which workers there are.",
        Queue,
        explain_queue,
    ),
    Tool(
        "read_log",
        "Lines of a run's log: the newest, or earlier ones by a cursor.",
        ReadLog,
        read_log,
    ),
    Tool("read_curves", "Losses and accuracies of a run by epoch.", OneRun, read_curves),
    Tool(
        "submit_run",
        "Queue a run. It takes machine time: ask the person first.",
        SubmitRun,
        submit_run,
        changes=True,
    ),
    Tool(
        "cancel_run",
        "Cancel a run for good: ask the person first.",
        OneRun,
        cancel_run,
        changes=True,
    ),
)

_COLUMNS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("epoch", "epoch", str),
    ("train loss", "train_loss", formats.number),
    ("validation loss", "validation_loss", formats.number),
    ("validation accuracy", "validation_accuracy", formats.percent),
    ("test loss", "test_loss", formats.number),
    ("test accuracy", "test_accuracy", formats.percent),
    ("learning rate", "learning_rate", formats.short),
)


def _line(job: JSON) -> str:
    parts = [
        f"run {job['id']}",
        status.with_reason(job),
        formats.progress(job["progress"]["fraction"]),
        f"accuracy {formats.percent(job['test_accuracy'])}" if job["test_accuracy"] else "",
        f"dataset {job['spec']['dataset']}",
        f"by {job['owner']}",
        f"name {job['name']}",
    ]
    return ", ".join(part for part in parts if part)


def _measured(client: Client, job: JSON) -> list[tuple[str, list[str]]]:
    if job["state"] not in FINAL:
        return comparison.measurements([comparison.Compared(job, None)])
    return comparison.measurements(comparison.fetch(client, [job["id"]]))


def _failure(job: JSON) -> str:
    error = job["error"]
    return f"{error['kind']}: {error['message']}" if error else ""


def _short_spec(spec: JSON) -> list[tuple[str, Any]]:
    """The fields that are not at their defaults, and the few by which a run is known."""
    usual = facts.flat(TrainingSpec().model_dump(mode="json"))
    found = facts.flat(spec)
    known = ("dataset", "epochs", "batch_size", "model.kind", "optimizer.kind", "seed")
    return [
        (path, value)
        for path, value in found.items()
        if path in known or usual.get(path, object()) != value
    ]


def _questions_of(job: JSON) -> list[str]:
    number = f"with run_id {job['id']}"
    if job["state"] in ("queued", "paused"):
        return [f"explain_queue {number}."]
    if job["state"] == "failed":
        return [f"read_log {number} and level error.", f"read_curves {number}."]
    return [f"read_curves {number}, read_log {number}."]


def _why(job: JSON) -> Answer:
    waiting = job["queue_status"]
    if not waiting:
        return Answer(
            [f"Run {job['id']} is {status.with_reason(job)}."]
            if job.get("gives_way")
            else [f"Run {job['id']} is {job['state']}: it does not wait."],
            questions=_questions_of(job),
        )
    place = f"It is number {waiting['position']} of its queue." if waiting["position"] else ""
    eta = waiting["eta_s"]
    about = f"It starts in about {formats.duration(eta)}." if eta is not None else ""
    stuck = "No live worker can run it." if waiting["is_stuck"] else ""
    sentences = [f"Run {job['id']} is {job['state']}.", place, about, stuck]
    return Answer(
        [each for each in sentences if each],
        [f"why: {waiting['reason']}"],
        ["explain_queue without run_id for the whole queue."],
    )


def _worker(each: JSON) -> str:
    drained = ", claims nothing new" if each["desired"] == "drain" else ""
    rests = f", rests from {', '.join(r['text'] for r in each['rests'])}" if each["rests"] else ""
    devices = ", ".join(device["name"] for device in each["devices"])
    return (
        f"worker {each['name']}: {each['slots_taken']} of {each['slots']} slots taken on {devices}"
        f"{drained}{rests}"
    )


def _spread(rows: Sequence[JSON]) -> list[JSON]:
    """At most `MOST_ROWS` rows: the first, the last, the best, and others evenly between."""
    if len(rows) <= MOST_ROWS:
        return list(rows)
    steps = MOST_ROWS - 2
    places = {round(number * (len(rows) - 1) / steps) for number in range(steps + 1)}
    places.add(max(range(len(rows)), key=lambda place: _quality(rows[place])))
    return [rows[place] for place in sorted(places)]


def _quality(row: JSON) -> float:
    for key in ("validation_accuracy", "test_accuracy"):
        if row.get(key) is not None:
            return float(row[key])
    return 0.0
