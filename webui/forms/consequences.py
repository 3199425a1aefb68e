"""What would come of a run as its form stands: its network, its time, the same by other ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from core import coach, queries, workers
from core.database.models import QUEUE_LENGTH
from core.datasets.builtin import DATASETS
from core.errors import InvalidInput, Unavailable
from core.jobs import eta
from core.jobs.capacity import Requirements
from core.jobs.eta import Prospect
from core.queries import Experience, TypicalEpoch
from core.spec import facts, presets, seeds, shapes
from core.spec.presets import PRESETS
from core.spec.spec import TrainingSpec
from core.spec.validation import WrongValue
from webui import actions, networks
from webui.actions import LARGEST_PRIORITY
from webui.context import Context
from webui.forms import reading
from webui.forms.commands import Commands, commands
from webui.forms.drawing import NetworkPicture, Rates, network_picture, rates_picture
from webui.forms.form import Form, Mistake

POINTS, MOST_EPOCHS = 120, 12
"""Places of a curve, more cannot be seen in its width; and rows of the table beside it."""


@dataclass(frozen=True, slots=True)
class QueueEstimate:
    """When a run would start in a queue, and how long it would take."""

    queue: str
    is_chosen: bool
    prospect: Prospect
    start_s: float | None
    """Seconds until it starts, about; None where there is nothing to go by."""
    typical: TypicalEpoch | None
    run_s: float | None
    """Seconds that it runs, about: a typical epoch's as often as it has epochs."""
    all_s: float | None
    """Seconds until as many runs as are asked for have run, about, were nothing else running."""
    is_coming: bool = False
    """Whether a worker starts that serves the queue."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What follows from what is typed; what cannot be told is None, or empty."""

    network: shapes.Summary | None
    network_mistakes: Sequence[Mistake] = ()
    network_picture: NetworkPicture | None = None
    memory: int | None = None
    rates: Rates | None = None
    queues: Sequence[QueueEstimate] = ()
    commands: Commands | None = None
    name: str = ""
    """What the run is called where no name is typed."""
    runs: int = 1
    """How many runs would be made: one for each seed."""
    unusual_rate: tuple[float, float] | None = None
    """How many times the usual learning rate, and which that is: where it can hardly learn."""
    experience: Mapping[str, Experience] = field(default_factory=dict)
    """What finished runs of each preset took and came to."""


def checked(context: Context, form: Form) -> Form:
    """A form with what is wrong with it as it stands."""
    asked = reading.submission(MultiDict({**form.values, "preset": form.preset}))
    try:
        errors = actions.check(context, asked)
    except Unavailable:  # whether there are as many devices cannot be known then
        return form
    return replace(form, mistakes=reading.placed(form, errors))


def of(context: Context, form: Form, url: str) -> Consequences:
    """What would come of the run that a form describes.

    Args:
        context: the database of past and waiting runs.
        form: as it stands.
        url: the address of this server, without a slash at its end.
    """
    asked = reading.submission(MultiDict({**form.values, "preset": form.preset}))
    found = _with_network(form)
    name = reading.default_name(asked)
    try:
        spec = presets.resolve(asked["preset"], asked["spec"])
    except InvalidInput:
        return replace(found, name=name)
    return replace(
        found,
        name=name,
        memory=facts.memory_bytes(spec),
        rates=rates_picture(facts.learning_rate(spec, POINTS, MOST_EPOCHS)),
        queues=_queues(context, asked, spec),
        commands=commands(asked, spec, url),
        runs=_count_of_runs(asked),
        unusual_rate=_unusual_rate(spec),
    )


def _unusual_rate(spec: TrainingSpec) -> tuple[float, float] | None:
    whole = spec.model_dump(mode="json")
    times = coach.unusual_rate(whole)
    return (times, coach.usual_rate(whole)) if times else None


def experience_of_presets(context: Context) -> dict[str, Experience]:
    """What finished runs of each preset took and came to, where there are any."""
    try:
        with context.database.reading() as session:
            found = {
                name: queries.of_preset(session, name, preset.spec.model_dump(mode="json"))
                for name, preset in PRESETS.items()
            }
    except Unavailable:
        return {}
    return {name: each for name, each in found.items() if each is not None}


def _with_network(form: Form) -> Consequences:
    asked = reading.network_of(form)
    try:
        network = networks.summarize(asked)
    except InvalidInput as error:
        return Consequences(None, network_mistakes=reading.placed(form, error.errors))
    dataset = DATASETS[asked[facts.DATASET]]
    image = (dataset.channels, dataset.size, dataset.size)
    return Consequences(network, network_picture=network_picture(network.blocks, image))


def _count_of_runs(asked: Mapping[str, Any]) -> int:
    try:
        return max(1, len(seeds.read(asked.get("seeds") or [])))
    except WrongValue:
        return 1


def _queues(
    context: Context, asked: Mapping[str, Any], spec: TrainingSpec
) -> Sequence[QueueEstimate]:
    try:
        with context.database.reading() as session:
            return _looked_up(session, context.actor.name, asked, spec)
    except Unavailable:
        return ()


def _looked_up(
    session: Session, owner: str, asked: Mapping[str, Any], spec: TrainingSpec
) -> Sequence[QueueEstimate]:
    chosen = str(asked.get("queue", "default"))[:QUEUE_LENGTH]
    whole = spec.model_dump(mode="json")
    wanted = Requirements(spec.device, spec.devices, dataset=facts.dataset(whole))
    prospects = eta.prospects(
        session,
        wanted,
        owner=owner,
        epochs=spec.epochs,
        priority=_priority(asked),
        queue=chosen,
    )
    typical = queries.typical_epochs(session, whole, prospects)
    coming = workers.starting(session)
    runs = _count_of_runs(asked)
    return [
        QueueEstimate(
            queue,
            queue == chosen,
            prospect,
            prospect.start_s if math.isfinite(prospect.start_s) else None,
            typical.get(queue),
            run_s,
            run_s * math.ceil(runs / prospect.at_once) if run_s and prospect.at_once else None,
            any(queue in worker.queues for worker in coming),
        )
        for queue, prospect in prospects.items()
        for run_s in (_run_s(typical.get(queue), spec.epochs),)
    ]


def _run_s(typical: TypicalEpoch | None, epochs: int) -> float | None:
    return typical.seconds * epochs if typical else None


def _priority(asked: Mapping[str, Any]) -> int:
    priority = asked.get("priority", 0)
    is_one = isinstance(priority, int) and abs(priority) <= LARGEST_PRIORITY
    return priority if is_one else 0
