"""Deleting runs and restoring them, removing what is kept no longer, and what takes how much."""

from __future__ import annotations

from flask import Response, jsonify

from core import queries, scratch
from core.queries import Usage
from webui import actions
from webui.actions import Many
from webui.api import shapes
from webui.api.blueprint import blueprint
from webui.api.description import Body, describe
from webui.api.jobs import changed
from webui.api.requests import json_object, options
from webui.context import Context, current


@blueprint.delete("/jobs/<int:job_id>")
@describe(shapes.JobShape, body=Body(actions.ActionOptions, is_needed=False), problems=[409])
def delete(job_id: int) -> Response:
    """Delete a run; for a while it can be restored."""
    actions.delete(current(), job_id, options())
    return changed(job_id)


@blueprint.post("/jobs/<int:job_id>/restore")
@describe(shapes.JobShape, body=Body(actions.ActionOptions, is_needed=False), problems=[409])
def restore(job_id: int) -> Response:
    """Undo a delete."""
    actions.restore(current(), job_id, options())
    return changed(job_id)


@blueprint.post("/jobs/delete")
@describe(shapes.ManyShape, body=Body(actions.ManyOptions))
def delete_many() -> Response:
    """Delete several runs."""
    return _many(actions.delete_many(current(), json_object()))


@blueprint.post("/jobs/restore")
@describe(shapes.ManyShape, body=Body(actions.ManyOptions))
def restore_many() -> Response:
    """Undo the delete of several runs."""
    return _many(actions.restore_many(current(), json_object()))


def _many(many: Many) -> Response:
    refused = [shapes.RefusedShape.of(*each) for each in many.refused]
    return jsonify(shapes.ManyShape(done=list(many.done), refused=refused).as_json())


@blueprint.post("/clean")
@describe(shapes.CleanShape, body=Body(actions.CleanOptions, is_needed=False))
def clean() -> Response:
    """Remove what is kept no longer, or say what that would be."""
    asked, piece = actions.clean(current(), options())
    return jsonify(shapes.CleanShape.of(piece, dry_run=asked.dry_run).as_json())


@blueprint.get("/storage")
@describe(shapes.StorageShape)
def storage() -> Response:
    """What takes how much space."""
    context = current()
    return jsonify(storage_of(context).as_json())


def storage_of(context: Context) -> shapes.StorageShape:
    """What takes how much space: in the store, in the database, and on the server's host."""
    on_host = [
        Usage("datasets", None, scratch.size_of(context.settings.data_folder)),
        Usage("scratch", None, scratch.total_size()),
    ]
    with context.database.reading() as session:
        kinds = [*queries.by_kind(session), *on_host]
        return shapes.StorageShape(
            kinds=[shapes.UsageShape.of(each) for each in kinds],
            largest=[
                shapes.RunUsageShape.of(each)
                for each in queries.largest_runs(session, context.seen_by)
            ],
        )
