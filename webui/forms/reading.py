"""From a spec to the inputs of the form, and from a post of the form to what it asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from werkzeug.datastructures import MultiDict

from core.database.models import Job
from core.errors import FieldError, InvalidInput
from core.messages import message
from core.spec import facts, spec
from core.spec.fields import Field, every_field, sections
from core.spec.presets import PRESETS
from webui import networks
from webui.forms.describing import preset_texts, texts
from webui.forms.form import Form, Mistake, Source, run_fields

Post = MultiDict[str, str]
LONGEST_TOKEN = 64
NAME = "name"
"""The input of what a run is called."""
WEIGHTS = "weights_from"
"""The input of the run with whose weights it begins."""
PRIVATE = "private"
"""The box of a run that others do not see; it is there where there are accounts."""


def _typed(each: Field, post: Post) -> str | None:
    """What was posted for a field, or None; other names that it has or had are understood too."""
    for name in each.names:
        if name in post:
            return post.getlist(name)[-1]  # a ticked box comes after its hidden "false"
    return None


def from_preset(name: str) -> Form:
    """The form filled from a preset.

    Raises:
        InvalidInput: there is no such preset.
    """
    if name not in PRESETS:
        raise InvalidInput.one("preset", message("spec.unknown_preset", known=list(PRESETS)))
    return Form(values=_run_defaults() | preset_texts()[name], preset=name)


def source(job: Job) -> Source:
    """An old run, as a form is filled from it."""
    return Source(job.id, job.name, texts(job.spec))


def from_run(job: Job, weights_from: int | None = None) -> Form:
    """The form filled from an old run, to be run again with changes.

    Args:
        job: the run.
        weights_from: the run with whose weights it began, where it did.
    """
    old = source(job)
    run = {
        each.name: each.text(getattr(job, each.name))
        for each in run_fields()
        if hasattr(job, each.name)  # a run has one seed
    } | {PRIVATE: "true" if job.is_private else "false", WEIGHTS: str(weights_from or "")}
    return Form(values=_run_defaults() | run | dict(old.values), source=old)


def _run_defaults() -> dict[str, str]:
    return {each.name: each.default for each in run_fields()}


def as_typed(post: Post) -> Form:
    """The form as it was typed, unchecked."""
    return refused(post, ())


def with_preset(form: Form, name: str) -> Form:
    """A form that is filled from a preset, or from its old run; what was changed in it is kept."""
    chosen = replace(form, preset=name if name in PRESETS else "")
    kept = {each: form.values[each] for each in form.changes}
    return replace(chosen, values={**form.values, **chosen.base, **kept})


def with_first_value(form: Form, name: str) -> Form:
    """A form in which an input has again what it was filled with."""
    before = form.base.get(name, form.values.get(name, ""))
    return replace(form, values={**form.values, name: before})


def network_of(form: Form) -> dict[str, Any]:
    """The part of a spec that decides what the network looks like."""
    asked = _read_spec(MultiDict(form.values))
    return {name: asked[name] for name in networks.PARTS if name in asked}


def submission(post: Post) -> dict[str, Any]:
    """What a post asks for, in the shape that `webui.actions.submit` checks."""
    values: dict[str, Any] = {"spec": _read_spec(post), "preset": post.get("preset") or None}
    for each in run_fields():
        typed = _typed(each, post)
        if typed is not None:
            values[each.name] = each.value(typed)
    if PRIVATE in values:
        values[PRIVATE] = values[PRIVATE] == "true"
    if NAME in values and not str(values[NAME]).strip():
        values[NAME] = default_name(values)
    return values


def default_name(asked: spec.Spec) -> str:
    """What a run is called that was given no name: as at the terminal."""
    return str(asked["preset"] or facts.default_name(asked["spec"]))


def _read_spec(post: Post) -> dict[str, Any]:
    """The fields of the chosen kinds; what was typed for other kinds is left out."""
    values: dict[str, Any] = {}
    for section in sections():
        kind = post.get(section.kind_name) if section.has_kinds else None
        if kind is not None:
            values[section.kind_name] = kind
        variant = section.variant(kind)
        for each in variant.fields if variant else ():
            typed = _typed(each, post)
            if typed is not None:
                values[each.path] = each.value(typed)
    return spec.nest(values)


def submission_key(post: Post) -> str | None:
    """What a post is known by: its form's token and what it asks for; None where it has no token.

    The same form with something else in it, as after a step back, asks for another run.
    """
    token = post.get("submission_token", "")[:LONGEST_TOKEN]
    asked = json.dumps(submission(post), sort_keys=True)
    return f"form {token} {hashlib.sha256(asked.encode()).hexdigest()}" if token else None


def refused(post: Post, errors: Sequence[FieldError], notice: str = "") -> Form:
    """The form as it was typed, with each message at its input."""
    values = _run_defaults() | texts({})
    values |= {
        section.kind_name: post[section.kind_name]
        for section in sections()
        if section.has_kinds and section.kind_name in post
    }
    inputs = [*run_fields(), *(each for _, _, each in every_field())]
    values |= {each.name: text for each in inputs if (text := _typed(each, post)) is not None}
    form = Form(
        values=values,
        preset=post.get("preset", ""),
        mistakes=[_place(error, post) for error in errors],
        notice=notice,
    )
    token = post.get("submission_token", "")[:LONGEST_TOKEN]
    return replace(form, token=token) if token else form


def placed(form: Form, errors: Sequence[FieldError]) -> list[Mistake]:
    """What is wrong with a form as it stands, by its inputs."""
    post = MultiDict(form.values)
    return [_place(error, post) for error in errors]


def _place(error: FieldError, post: Post) -> Mistake:
    """Find the input of an error; `model.channels.2` belongs to `model.channels`."""
    inputs = _inputs(post)
    path = error.field
    while path:
        if path in inputs:
            name, title = inputs[path]
            return Mistake(name, title, error.message)
        path = path.rpartition(".")[0]
    return Mistake("", error.field, error.message)


def _inputs(post: Post) -> dict[str, tuple[str, str]]:
    """The name and title of the input of each path, given the kinds that were chosen."""
    inputs = {each.path: (each.name, each.title) for each in run_fields()}
    for section in sections():
        if section.has_kinds:
            inputs[section.path] = inputs[section.kind_name] = (section.kind_name, section.title)
        variant = section.variant(post.get(section.kind_name) if section.has_kinds else None)
        for each in variant.fields if variant else ():
            inputs[each.path] = (each.name, each.title)
    return inputs
