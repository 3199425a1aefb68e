"""How the devices are shared, and what each person may use."""

from __future__ import annotations

from flask import Response, jsonify

from core.jobs import limits, policies
from core.jobs.shares import shares
from core.jobs.sharing import EVERYBODY, Limits
from webui import actions
from webui.api.blueprint import blueprint
from webui.api.description import Body, describe
from webui.api.requests import options
from webui.api.shapes import LimitsShape, QueuePolicyShape, SharingShape
from webui.context import current

LIMITS = Body(
    actions.LimitOptions, is_needed=False, example={"most_running": 4, "device_hours_a_week": 100}
)


QUEUE = Body(actions.QueueOptions, example={"preempts": True})


@blueprint.get("/sharing")
@describe(SharingShape)
def sharing() -> Response:
    """What everybody has used, uses, waits for, and may use."""
    return jsonify(shared().as_json())


@blueprint.put("/limits")
@describe(LimitsShape, body=LIMITS)
def limit_everybody() -> Response:
    """Say what everybody may use who has no limit of their own."""
    return _answer(actions.put_limits(current(), EVERYBODY, options()))


@blueprint.put("/limits/<owner>")
@describe(LimitsShape, body=LIMITS)
def limit(owner: str) -> Response:
    """Say what one person may use."""
    return _answer(actions.put_limits(current(), owner, options()))


@blueprint.put("/queues/<queue>")
@describe(QueuePolicyShape, body=QUEUE)
def put_queue(queue: str) -> Response:
    """Say whether runs of a higher priority may preempt others in a queue."""
    actions.put_queue(current(), queue, options())
    with current().database.reading() as session:
        [row] = [each for each in policies.every(session) if each.queue == queue]
        return jsonify(QueuePolicyShape.of(row).as_json())


def shared() -> SharingShape:
    """How the devices are shared now."""
    with current().database.reading() as session:
        everybody = limits.every(session).get(EVERYBODY, Limits())
        return SharingShape.of(everybody, shares(session), policies.every(session))


def _answer(asked: Limits) -> Response:
    return jsonify(LimitsShape.model_validate(asked).as_json())
