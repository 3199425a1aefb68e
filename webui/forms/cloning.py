"""The form of a new run with some fields changed beforehand: its address, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import url_for

from core.spec.fields import sections, spec_fields
from webui.forms.form import Form


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


def with_changes(form: Form, asked: Mapping[str, str]) -> Form:
    """A form with the fields that an address names by their dotted names; it is checked later."""
    values = dict(form.values)
    for section in sections():
        kind = asked.get(section.kind_name, "") if section.has_kinds else ""
        if kind and section.variant(kind) is not None:
            values[section.kind_name] = kind
        variant = section.variant(values.get(section.kind_name) if section.has_kinds else None)
        for each in variant.fields if variant else ():
            if each.path in asked:
                values[each.name] = asked[each.path]
    return replace(form, values=values)
