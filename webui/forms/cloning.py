"""The form of a new run with some fields changed beforehand: its address, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import url_for

from core.spec.fields import sections, spec_fields
from webui.forms.form import Form, inputs

LONGEST_ADDRESS = 4000
"""Characters: servers and proxies take at least twice as many."""


def clone_of(job_id: int, changes: Mapping[str, Any]) -> str | None:
    """The address of the form that clones a run with changes; None where there are none.

    Args:
        job_id: the run.
        changes: values by the dotted names of the spec.
    """
    if not changes:
        return None
    fields = spec_fields()
    texts: dict[str, Any] = {path: fields[path][0].text(each) for path, each in changes.items()}
    return url_for("pages.new", **{"from": job_id, **texts})


def address_of(form: Form, start: Form) -> str | None:
    """The address that shows a form as it is typed, so that a reload keeps it.

    Args:
        form: as it is typed.
        start: as it was filled, from the same run or preset.

    Returns:
        None where it would be longer than a server or a proxy may take.
    """
    typed: dict[str, Any] = {
        each.name: form.values[each.name]
        for each in inputs()
        if form.values.get(each.name, each.default) != start.values.get(each.name, each.default)
    }
    filled = {"from": form.source.job_id if form.source else None, "preset": form.preset or None}
    address = url_for("pages.new", **(typed | filled))
    return address if len(address) <= LONGEST_ADDRESS else None


def with_changes(form: Form, asked: Mapping[str, str]) -> Form:
    """A form with the fields that an address names: by their inputs, or by their dotted names.

    Those of a kind that the form has not chosen are named by their inputs alone.
    """
    kinds = {each.kind_name for each in sections() if each.has_kinds}
    named = {each.name for each in inputs()} - kinds
    values = {**form.values, **{name: asked[name] for name in named if name in asked}}
    for section in sections():
        kind = asked.get(section.kind_name, "") if section.has_kinds else ""
        if kind and section.variant(kind) is not None:
            values[section.kind_name] = kind
        variant = section.variant(values.get(section.kind_name) if section.has_kinds else None)
        for each in variant.fields if variant else ():
            if each.path in asked:
                values[each.name] = asked[each.path]
    return replace(form, values=values)
