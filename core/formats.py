"""How numbers, sizes, times and durations are written for people, on pages and in the terminal.

`table` is the only place that says so, for each language. Babel writes by it here; the pages are
given it as JSON, and `Intl` in the browser writes by it there. Each kind is a list of bands: the
last one that a value reaches says what it is divided by, how many digits it has and which words
stand around it. The options are those of `Intl.NumberFormat` and `Intl.DateTimeFormat`. Two
kinds of names are written here as well, of which the platform has made a part: a CPU's, and those
of runs for several seeds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext
from functools import cache, lru_cache
from typing import Any, TypedDict

from babel.dates import format_datetime
from babel.numbers import format_decimal

from core.languages import ENGLISH, chosen
from core.languages.texts import gettext, ngettext, unfilled

NOTHING = "–"
LOCALES = {ENGLISH: "en_US", "zh": "zh_Hans_CN"}
"""By whose customs numbers and times are written in each language."""

KEPT = 4096
"""Numbers and times whose texts are kept: Babel takes long, and lists have the same ones again and
again."""

Options = Mapping[str, Any]


class Band(TypedDict):
    """How the values from one size on are written."""

    at_least: float
    text: str
    """The words around the number, which stands at `{0}`; `{1}` is the rest in the smaller unit.
    In English here; `table` has those of the chosen language."""
    units: Sequence[float]
    """What a value is divided by: one unit, or a large one and a small one for the rest."""
    options: Options
    alone: str
    """The words where there is no rest."""


def _band(
    at_least: float,
    options: Options,
    text: str = "{0}",
    unit: float = 1,
    smaller: float = 0,
    alone: str = "",
) -> Band:
    units = (unit, smaller) if smaller else (unit,)
    return {
        "at_least": at_least,
        "text": text,
        "units": units,
        "options": options,
        "alone": alone or text,
    }


def _digits(count: int, **more: Any) -> Options:
    """Options for a number with a fixed count of decimals."""
    return {
        "minimumFractionDigits": count,
        "maximumFractionDigits": count,
        "useGrouping": False,
        **more,
    }


_GROUPED = _digits(0, useGrouping=True)
_FLOOR = _digits(0, roundingMode="floor")
_SIGNIFICANT: Options = {"maximumSignificantDigits": 3, "useGrouping": False}
_EXACT: Options = {"maximumFractionDigits": 17, "useGrouping": False}
_TO_ONE_PLACE: Options = {"maximumFractionDigits": 1, "useGrouping": False}
_TWO_PLACES: Options = {**_digits(0), "minimumIntegerDigits": 2}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_HALF_A_SECOND = 0.5

_SECONDS_AGO = _band(0, _FLOOR, "{0} s ago")
_LONGER_AGO = [
    _band(_MINUTE, _FLOOR, "{0} min ago", _MINUTE),
    _band(_HOUR, _FLOOR, "{0} h ago", _HOUR),
    _band(_DAY, _FLOOR, "{0} d ago", _DAY),
]

NUMBERS: dict[str, list[Band]] = {
    "number": [
        _band(0, _digits(2, notation="scientific")),
        _band(0.0001, _digits(4)),
        _band(10_000, _digits(2, notation="scientific")),
    ],
    "percent": [_band(0, _digits(2, style="percent"))],
    # how much of a run is done: 100% is all of it
    "progress": [_band(0, _digits(0, style="percent", roundingMode="floor"))],
    "whole": [_band(0, _GROUPED)],
    # a value as it was given, such as a bound
    "exact": [_band(0, _EXACT)],
    # beside the lines of a curve
    "tick": [_band(0, {"maximumFractionDigits": 2, "useGrouping": False})],
    "percent_tick": [
        _band(0, {"maximumFractionDigits": 2, "style": "percent", "useGrouping": False})
    ],
    "short": [
        _band(0, {"maximumFractionDigits": 2, "notation": "scientific"}),
        _band(0.0001, _SIGNIFICANT),
        _band(999.5, {"maximumFractionDigits": 2, "notation": "scientific"}),
    ],
    # a band begins where the one before would round up to a digit more
    "rough": [
        _band(0, _GROUPED),
        _band(10_000, _TO_ONE_PLACE, "{0} thousand", 1e3),
        _band(999_950, _TO_ONE_PLACE, "{0} million", 1e6),
        _band(999_950_000, {**_TO_ONE_PLACE, "useGrouping": True}, "{0} billion", 1e9),
    ],
    "size": [
        _band(0, _digits(0), "{0} B"),
        _band(1_000, _digits(1), "{0} kB", 1e3),
        _band(99_950, _digits(0), "{0} kB", 1e3),
        _band(999_500, _digits(1), "{0} MB", 1e6),
        _band(99_950_000, _digits(0), "{0} MB", 1e6),
        _band(999_500_000, _digits(1), "{0} GB", 1e9),
        _band(99_950_000_000, _digits(0), "{0} GB", 1e9),
    ],
    "duration": [
        _band(0, _digits(1), "{0} s"),
        _band(9.95, _digits(0), "{0} s"),
        _band(_MINUTE - _HALF_A_SECOND, _TWO_PLACES, "{0} min {1} s", _MINUTE, 1),
        _band(_HOUR - _HALF_A_SECOND, _TWO_PLACES, "{0} h {1} min", _HOUR, _MINUTE),
        _band(_DAY - _HALF_A_SECOND, _digits(0), "{0} d {1} h", _DAY, _HOUR, "{0} d"),
    ],
    # a limit, in the unit that it is set in
    "seconds": [_band(0, _EXACT, "{0} s")],
    # an estimate
    "about": [
        _band(0, _digits(0), "about {0} s"),
        _band(_MINUTE, _digits(0), "about {0} min", _MINUTE),
        _band(_HOUR, _TWO_PLACES, "about {0} h {1} min", _HOUR, _MINUTE),
    ],
    # clocks of two machines differ by some seconds
    "ago": [_band(0, {}, "just now"), {**_SECONDS_AGO, "at_least": 5}, *_LONGER_AGO],
    "last_heartbeat": [_SECONDS_AGO, *_LONGER_AGO],
}

TIMES: dict[str, dict[str, Any]] = {
    "moment": {
        "pattern": "yyyy-MM-dd HH:mm:ss 'UTC'",
        "options": {"dateStyle": "medium", "timeStyle": "medium"},
    },
    "clock": {"pattern": "HH:mm:ss", "options": {"timeStyle": "medium", "hourCycle": "h23"}},
}
"""`pattern` is in UTC, for readers whose zone is not known; `options` in the reader's own zone."""


# Chinese counts by ten thousands
_OTHER_BANDS: dict[str, dict[str, list[Band]]] = {
    "zh": {
        "rough": [
            _band(0, _GROUPED),
            _band(10_000, {**_TO_ONE_PLACE, "useGrouping": True}, "{0} 万", 1e4),
            _band(99_995_000, {**_TO_ONE_PLACE, "useGrouping": True}, "{0} 亿", 1e8),
        ],
    },
}
"""Of languages that divide large numbers in another way than English."""


def table() -> dict[str, Any]:
    """All of it in the chosen language, as a page is given it."""
    return _table(chosen())


@cache
def _table(language: str) -> dict[str, Any]:
    numbers = NUMBERS | _OTHER_BANDS.get(language, {})
    return {
        "locale": LOCALES[language].replace("_", "-"),
        "nothing": NOTHING,
        "numbers": {kind: [_in_words(band) for band in bands] for kind, bands in numbers.items()},
        "times": TIMES,
    }


def _in_words(band: Band) -> Band:
    """A band with its words in the chosen language."""
    return {**band, "text": unfilled(band["text"]), "alone": unfilled(band["alone"])}


def number(value: float | None) -> str:
    """A loss or another measurement, to four decimals; a large or tiny one with an exponent."""
    return _written("number", value)


def percent(share: float | None) -> str:
    """A share of 1 as a percentage to two decimals: what one image in 10,000 is worth."""
    return _written("percent", share)


def percent_tick(share: float | None) -> str:
    """A share of 1 beside the line of a curve: no more decimals than it has."""
    return _written("percent_tick", share)


def progress(fraction: float | None) -> str:
    """How much is done, as a percentage without decimals, rounded down."""
    return _written("progress", fraction)


def exact(value: float | None) -> str:
    """Every digit of a number; a whole one has no point."""
    return _written("exact", value)


def whole(value: float | None) -> str:
    """A count, with its thousands set apart."""
    return _written("whole", value)


def rough(value: float | None) -> str:
    """A large count in words, to one decimal."""
    return _written("rough", value)


def short(value: float | None) -> str:
    """A number to three significant digits: a learning rate."""
    return _written("short", value)


def size(count: int | None) -> str:
    """A number of bytes, in units of 1000."""
    return _written("size", count)


_CPU = re.compile(r"CPU, (\d{1,6}) cores?")


def device(name: str) -> str:
    """A device as its maker calls it; what a worker says of a CPU is put into words here."""
    cores = _CPU.fullmatch(name)
    return ngettext("CPU, %(num)s core", "CPU, %(num)s cores", int(cores[1])) if cores else name


def run_name(name: str, seed: object) -> str:
    """A run's name; what a submit for several seeds has added to it is in the reader's language.

    Args:
        name: of the run.
        seed: of its spec: a name that speaks of another one was written by hand.
    """
    of_all, own = _name_and_seed(name, seed)
    return gettext("%(name)s (seed %(seed)s)", name=of_all, seed=own) if own else name


def name_and_seed(name: str, seed: object) -> tuple[str, str]:
    """A run's name in two parts: that of all seeds, and which of them it is, where it says so."""
    of_all, own = _name_and_seed(name, seed)
    return of_all, gettext("(seed %(seed)s)", seed=own) if own else ""


def _name_and_seed(name: str, seed: object) -> tuple[str, str]:
    of_all = name.removesuffix(f" (seed {seed})")
    return (of_all, str(seed)) if of_all and of_all != name else (name, "")


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units."""
    return _written("duration", None if seconds is None else max(0.0, seconds))


def seconds(value: float | None) -> str:
    """A limit: every digit of its seconds."""
    return _written("seconds", value)


def about(seconds: float) -> str:
    """A length of time that nobody knows exactly, to its larger unit or to the minute."""
    unit = 1 if seconds < _MINUTE - _HALF_A_SECOND else _MINUTE
    return _written("about", max(1, math.floor(seconds / unit + 0.5) * unit))


def ago(seconds: float | None) -> str:
    """How long ago something was, in its largest unit."""
    return _written("ago", _begun(seconds))


def last_heartbeat(seconds: float | None) -> str:
    """How long ago the last heartbeat was: to the second, while it is less than a minute."""
    return _written("last_heartbeat", _begun(seconds))


def _begun(seconds: float | None) -> float | None:
    """The seconds that are over, since all units here are rounded down: so few texts are kept."""
    if seconds is None or not math.isfinite(seconds):
        return seconds
    return max(0, math.floor(seconds))


def instant(value: datetime | str) -> datetime:
    """A time, from the text that the API writes."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def moment(value: datetime | str) -> str:
    """A time to the second, in UTC."""
    return _time(value, "moment")


def clock(value: datetime | str) -> str:
    """The time of day, in UTC."""
    return _time(value, "clock")


def _time(value: datetime | str, kind: str) -> str:
    return _time_in(chosen(), kind, value)


@lru_cache(KEPT, typed=True)
def _time_in(language: str, kind: str, value: datetime | str) -> str:
    pattern = TIMES[kind]["pattern"]
    return str(format_datetime(instant(value), pattern, tzinfo=UTC, locale=LOCALES[language]))


def _written(kind: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return str(value)
    return _written_in(chosen(), kind, value)


@lru_cache(KEPT, typed=True)  # 1 and 1.0 are equal, and are not written alike everywhere
def _written_in(_language: str, kind: str, value: float) -> str:
    size = abs(value) or 1  # zero is written as one is
    band: Band = [each for each in table()["numbers"][kind] if each["at_least"] <= size][-1]
    first, *rest = _parts(_as_read(value), band)
    return band["alone" if rest == ["0"] else "text"].format(first, *rest)


def _as_read(value: float) -> Decimal:
    """The decimal number that a float is written as, which `Intl` rounds too."""
    return Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)


def _parts(value: Decimal, band: Band) -> list[str]:
    """The numbers of a band, written: the value in its unit, and the rest in the smaller one."""
    options = band["options"]
    unit, *smaller = map(Decimal, band["units"])
    if not smaller:
        return [_decimal(value / unit, options)]
    total = value.quantize(Decimal(1), ROUND_HALF_UP)
    return [_decimal(total // unit, _digits(0)), _decimal(total % unit // smaller[0], options)]


def _decimal(value: Decimal, options: Options) -> str:
    if "maximumSignificantDigits" in options and not value:
        return "0"  # where Babel writes 0.0, other than Intl
    rounding = ROUND_FLOOR if options.get("roundingMode") == "floor" else ROUND_HALF_UP
    if options.get("notation") == "scientific":  # Babel would write 9.999 as 10.00e0
        value = Context(options["maximumFractionDigits"] + 1, rounding).plus(value)
    if "maximumSignificantDigits" in options:  # Babel would write 0.09999 as 0.01
        value = Context(options["maximumSignificantDigits"], rounding).plus(value)
    with localcontext(rounding=rounding):
        text: str = format_decimal(value, _pattern(options), locale=LOCALES[chosen()])
    return text.replace("E", "e")


def _pattern(options: Options) -> str:
    """The CLDR pattern of the options of an `Intl.NumberFormat`."""
    if "maximumSignificantDigits" in options:
        return "@" + "#" * (int(options["maximumSignificantDigits"]) - 1)
    least, most = options.get("minimumFractionDigits", 0), options.get("maximumFractionDigits", 0)
    fraction = "0" * least + "#" * (most - least)
    integer = "0" * options.get("minimumIntegerDigits", 1)
    if options.get("useGrouping"):
        integer = "#,##0"
    exponent = "E0" if options.get("notation") == "scientific" else ""
    percent_sign = "%" if options.get("style") == "percent" else ""
    return f"{integer}{'.' if fraction else ''}{fraction}{exponent}{percent_sign}"
