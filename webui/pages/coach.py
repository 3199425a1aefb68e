"""What the coach says about a run: a part of its page, and a page of its own without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import render_template, url_for

from core import coach, queries
from core.coach import Advice, Curves, Errors, Intervals
from core.languages import gettext
from core.messages import Message
from core.spec.fields import sections, spec_fields
from core.states import FINAL
from webui.context import current
from webui.forms.cloning import clone_of
from webui.forms.describing import lowercase_title
from webui.pages.blueprint import blueprint, whole_or_part
from webui.pages.diagrams import Diagram, Ranges, diagram, ranges
from webui.pages.mistakes import Mistake, mistakes

JSON = Mapping[str, Any]

FIELDS = "fields"
"""The parameter of what is seen that names fields of the spec."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field that the corrected clone changes."""

    title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An advice, ready to be shown."""

    advice: Advice
    diagram: Diagram | None
    ranges: Ranges | None
    pictures: Sequence[Mistake]
    changes: Sequence[Change]
    clone: str | None
    """Address of the form of a new run with these changes."""
    comparison: str | None
    """Address where both runs stand beside each other, where it is about two."""


@blueprint.get("/jobs/<int:job_id>/coach")
def coach_of(job_id: int) -> str:
    """What the coach says about a run; its page fetches the part."""
    with current().database.reading(repeatable=True) as session:
        row, _ = queries.job(session, job_id)
        run = queries.coached(session, job_id, current().seen_by)
        return render_template(
            whole_or_part("coach/page.html", "coach/_advices.html"),
            job=row,
            is_final=row.state in FINAL,
            advices=[shown(run, each) for each in coach.advise(run)],
            labels=_labels(),
        )


def shown(run: coach.Run, advice: Advice) -> Shown:
    """An advice with its drawings and links."""
    evidence = advice.evidence
    return Shown(
        advice=replace(advice, seen=_in_titles(advice.seen)),
        diagram=diagram(evidence) if isinstance(evidence, Curves) else None,
        ranges=ranges(evidence) if isinstance(evidence, Intervals) else None,
        pictures=_pictures(run.evaluation, evidence) if isinstance(evidence, Errors) else (),
        changes=[_change(run, path, value) for path, value in advice.changes.items()],
        clone=clone_of(run.job_id, advice.changes),
        comparison=_comparison(evidence),
    )


def _in_titles(seen: Message) -> Message:
    """What is seen, with the titles of the fields that it names."""
    if FIELDS not in seen.params:
        return seen
    titles = [lowercase_title(_title(path)) for path in seen.params[FIELDS]]
    return replace(seen, params={**seen.params, FIELDS: titles})


def _change(run: coach.Run, path: str, value: Any) -> Change:
    field = spec_fields()[path][0]
    return Change(_title(path), field.text(_value_of(run.spec, path)), field.text(value))


def _title(path: str) -> str:
    """What a field is called where it stands alone: `Every` says nothing without its section."""
    section = next(each for each in sections() if each.path == path.rpartition(".")[0])
    title = gettext(spec_fields()[path][0].title)
    if not section.path or path == section.kind_name:
        return title
    return gettext("%(section)s: %(field)s", section=gettext(section.title), field=title)


def _value_of(spec: JSON, path: str) -> Any:
    """A value of a spec by its dotted name; None where the chosen kind has no such field."""
    section, _, name = path.rpartition(".")
    return spec[section].get(name) if section else spec.get(name)


def _pictures(content: JSON | None, evidence: Errors) -> list[Mistake]:
    if content is None:
        return []
    by_index = {each["index"]: each for each in content["mistakes"]}
    return mistakes(content, [by_index[index] for index in evidence.indexes if index in by_index])


def _comparison(evidence: coach.Evidence) -> str | None:
    numbers = {each.job_id for each in evidence.bars} if isinstance(evidence, Intervals) else set()
    return url_for("pages.compare", run=sorted(numbers)) if len(numbers) > 1 else None


def _labels() -> dict[str, str]:
    """What a curve of the evidence is called."""
    return {
        "train_loss": gettext("Train loss"),
        "validation_loss": gettext("Validation loss"),
        "test_loss": gettext("Test loss"),
        "validation_accuracy": gettext("Validation accuracy"),
        "test_accuracy": gettext("Test accuracy"),
        "learning_rate": gettext("Learning rate"),
    }
