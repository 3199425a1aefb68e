"""What templates write values with: the formats of core, and what only a page needs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from core import characters, coach, formats
from core.datasets.builtin import DATASETS
from core.formats import duration, instant
from core.languages import gettext, gettext_noop
from core.languages.texts import unfilled
from core.spec import facts
from webui.forms.describing import lowercase_title


def place(status: Mapping[str, Any]) -> str:
    """Where a queued run is in the line, in the few words that a list has room for.

    Args:
        status: the run's `queue_status`, as the API gives it.
    """
    position, eta_s = status["position"], status["eta_s"]
    if status["is_stuck"]:
        return gettext("no worker for it")
    if eta_s == 0:
        return gettext("about to start")
    if position is None and eta_s is None:
        return str(status["reason"])
    if position is None:
        return gettext("next try in %(time)s", time=duration(eta_s))
    if position == 1:
        return gettext("next in line")
    return gettext("%(ordinal)s in line", ordinal=_ordinal(position))


def _ordinal(number: int) -> str:
    """A place in an order: English ends it in four ways, by its last digit."""
    text = formats.whole(number)
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    match last:
        case 1:
            return gettext("%(number)sst", number=text)
        case 2:
            return gettext("%(number)snd", number=text)
        case 3:
            return gettext("%(number)srd", number=text)
    return gettext("%(number)sth", number=text)


def sentence(words: str) -> str:
    """Words with a capital letter and a full stop."""
    return gettext("%(words)s.", words=f"{words[:1].upper()}{words[1:]}")


def word(name: str) -> str:
    """A state, a phase or an action by its name in the code, as people call it."""
    return unfilled(name)


_FAILURES = {
    "crash": gettext_noop("The training process crashed"),
    "data_unavailable": gettext_noop("Dataset not available"),
    "device_unusable": gettext_noop("Device not usable"),
    "diverged": gettext_noop("The loss diverged"),
    "early_crash": gettext_noop("The training process crashed before it trained"),
    "hung": gettext_noop("The training process hung"),
    "import": gettext_noop("A module is missing"),
    "lost": gettext_noop("Worker lost"),
    "out_of_memory": gettext_noop("Out of memory"),
    "snapshot": gettext_noop("Snapshot not usable"),
    "storage": gettext_noop("A file could not be written or read"),
    "storage_unavailable": gettext_noop("Storage not reachable"),
}


def failure(kind: str) -> str:
    """An error's kind as a headline; that of an error in Python is its own name."""
    return gettext(_FAILURES[kind]) if kind in _FAILURES else kind


INVISIBLE = gettext_noop("(invisible name)")


def visible(text: Any) -> str:
    """Text whose control characters are shown as signs, so that none acts on the page."""
    return characters.visible(str(text))


def clickable(name: Any) -> str:
    """A name that can be seen, whatever it is made of: it is the text of a link."""
    shown = visible(name)
    return gettext(INVISIBLE) if characters.is_blank(shown) else shown


def width(text: str) -> int:
    """How wide a text is, in narrow letters: those of East Asia are two wide."""
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def run_name(run: Any) -> str:
    """The name of a run, as a link has it, with its seed in the reader's language.

    Args:
        run: a row, or what the API answers of one.
    """
    return clickable(formats.run_name(*_name_and_seed_of(run)))


def name_and_seed(run: Any) -> tuple[str, str]:
    """The name of a run in two parts: that of all seeds, and which of them it is."""
    return formats.name_and_seed(*_name_and_seed_of(run))


def _name_and_seed_of(run: Any) -> tuple[str, int]:
    name, spec = (run["name"], run["spec"]) if isinstance(run, Mapping) else (run.name, run.spec)
    return name, facts.seed(spec)


def with_code(text: str) -> Markup:
    """A description whose names in backquotes are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def is_guessing(run: Mapping[str, Any]) -> bool:
    """Whether a run ended well and is hardly better than guessing.

    Args:
        run: what the API answers of it.
    """
    dataset = DATASETS.get(facts.dataset(run["spec"]))
    accuracy = run["test_accuracy"]
    if run["state"] != "succeeded" or accuracy is None or dataset is None:
        return False
    return coach.is_guessing(accuracy, len(dataset.classes))


def seconds_since(value: datetime | str) -> float:
    """Seconds from a time until now."""
    return (datetime.now(UTC) - instant(value)).total_seconds()


def seconds_between(start: datetime | str, end: datetime | str) -> float:
    """Seconds from one time to another."""
    return (instant(end) - instant(start)).total_seconds()


FILTERS: tuple[Callable[..., Any], ...] = (
    formats.number,
    formats.percent,
    formats.exact,
    formats.progress,
    formats.whole,
    formats.short,
    formats.rough,
    formats.duration,
    formats.ago,
    formats.last_heartbeat,
    formats.size,
    formats.moment,
    formats.clock,
    formats.device,
    place,
    sentence,
    word,
    failure,
    visible,
    clickable,
    width,
    run_name,
    name_and_seed,
    is_guessing,
    with_code,
    seconds_since,
    seconds_between,
    lowercase_title,
)
