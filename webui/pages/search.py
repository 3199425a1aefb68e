"""The search over everything: runs, tags, presets, datasets, workers and pages.

The page works without a script. With one, the box in the header asks for `part=1` as one types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flask import Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from core import queries
from core.characters import visible
from core.database.models import Job
from core.datasets.builtin import DATASETS
from core.jobs.actors import may
from core.languages import gettext, ngettext
from core.languages.texts import unfilled
from core.queries import Selection
from core.spec import facts
from core.spec.presets import PRESETS
from webui.context import current
from webui.filters import clickable, run_name, word
from webui.pages.blueprint import blueprint
from webui.pages.list_view import MOST_COUNTED, counted

LONGEST = 100
"""Characters of a text that are looked for."""
EACH = 30
EACH_SUGGESTED = 5


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found."""

    address: str
    name: str
    about: str = ""
    words: str = ""
    """By what else it is found."""


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind."""

    title: str
    hits: list[Hit]


@blueprint.get("/search")
def search() -> str | Response:
    """What holds a text, in groups; the whole page, or what is suggested as one types.

    With `open` in the address, which the forms send, it leads to the only thing that was found.
    """
    text = request.args.get("q", "").replace("\0", "").strip()[:LONGEST]
    is_part = "part" in request.args
    groups = _groups(text, EACH_SUGGESTED if is_part else EACH) if text else []
    if "open" in request.args and (address := _only(text, groups)):
        return _to(address)
    template = "search/_suggestions.html" if is_part else "search/page.html"
    return render_template(template, text=text, groups=groups)


def _only(text: str, groups: list[Group]) -> str | None:
    """The address of the only hit, or of the run whose number was typed, such as `#7`."""
    hits = [hit for group in groups for hit in group.hits]
    if text.startswith("#"):
        hits = [hit for hit in hits if hit.about.startswith(f"{text} ")] or hits
    return hits[0].address if len(hits) == 1 else None


def _to(address: str) -> Response:
    response = redirect(address, 303)
    assert isinstance(response, Response)
    return response


def _groups(text: str, limit: int) -> list[Group]:
    folded = text.casefold()
    parts = current()
    with parts.database.reading() as session:
        found = queries.search(session, text, limit, parts.seen_by)
        tags = [_tag(session, tag) for tag in found.tags]
        more = _all_of(session, text) if len(found.runs) >= limit else []
    groups = [
        Group(gettext("Runs"), [*more, *map(_run, found.runs)]),
        Group(gettext("Tags"), tags),
        Group(gettext("Workers"), [_worker(each.id, each.name) for each in found.workers]),
        Group(gettext("Presets"), _holding(folded, _presets(), limit)),
        Group(gettext("Datasets"), _holding(folded, _datasets(), limit)),
        Group(gettext("Pages"), _holding(folded, _pages(), limit)),
    ]
    return [group for group in groups if group.hits]


def _holding(folded: str, hits: Iterator[Hit], limit: int) -> list[Hit]:
    return [hit for hit in hits if folded in f"{hit.name}\n{hit.words}".casefold()][:limit]


def _run(job: Job) -> Hit:
    about = f"#{job.id} · {word(job.state)} · {visible(facts.summary(job.spec))}"
    return Hit(url_for("pages.job", job_id=job.id), run_name(job), about)


def _all_of(session: Session, text: str) -> list[Hit]:
    """The list of all runs that have a text in their names, where not all of them are shown."""
    count = _count(session, Selection(text=text))
    if not count:
        return []
    name = gettext("All runs whose name has “%(words)s”", words=visible(text))
    return [Hit(url_for("pages.jobs", text=text), name, _runs(count))]


def _tag(session: Session, tag: str) -> Hit:
    count = _count(session, Selection(tag=tag))
    about = ngettext(
        "%(count)s run with this tag", "%(count)s runs with this tag", count, count=counted(count)
    )
    return Hit(url_for("pages.jobs", tag=tag), clickable(tag), about)


def _count(session: Session, selection: Selection) -> int:
    seen = replace(selection, seen_by=current().seen_by)
    return queries.count_of_jobs(session, seen, MOST_COUNTED)


def _runs(count: int) -> str:
    return ngettext("%(count)s run", "%(count)s runs", count, count=counted(count))


def _worker(worker_id: int, name: str) -> Hit:
    return Hit(url_for("pages.workers", _anchor=f"worker-{worker_id}"), clickable(name))


def _presets() -> Iterator[Hit]:
    if not may(current().actor, "submit"):
        return
    for preset in PRESETS.values():
        address = url_for("pages.new", preset=preset.name)
        title = unfilled(preset.title)
        about = gettext("start a run: %(title)s", title=title)
        yield Hit(address, preset.name, about, f"{preset.title} {title}")


def _datasets() -> Iterator[Hit]:
    for name, info in DATASETS.items():
        about = gettext("runs on this dataset")
        yield Hit(url_for("pages.jobs", dataset=name), info.title, about, name)


def _pages() -> Iterator[Hit]:
    yield Hit(url_for("pages.jobs"), gettext("Runs"), gettext("all runs, the newest first"))
    if may(current().actor, "submit"):
        yield Hit(url_for("pages.new"), gettext("New run"), gettext("start a run"))
    yield Hit(url_for("pages.workers"), gettext("Workers"), gettext("devices, drain and resume"))
    address = url_for("pages.workers", _anchor="queue-title")
    yield Hit(address, gettext("Queue"), gettext("what waits, and for what"))
    about = gettext("who uses what, and what each may use")
    yield Hit(url_for("pages.sharing"), gettext("Sharing"), about)
    yield Hit(url_for("pages.storage"), gettext("Storage"), gettext("what takes how much space"))
    yield Hit(
        url_for("pages.wall"), gettext("Wall"), gettext("everything at a glance, for a screen")
    )
    deleted = url_for("pages.jobs", deleted="true")
    yield Hit(deleted, gettext("Deleted runs"), gettext("restore a run that was deleted"))
