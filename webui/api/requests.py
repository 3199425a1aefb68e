"""Reading what a program asks for: JSON bodies, limits and cursors of lists, parts of curves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import request
from werkzeug.datastructures import MultiDict

from core import queries
from core.database.engine import storable
from core.database.models import LARGEST_KEY, NAME_LENGTH
from core.errors import BadRequest, InvalidInput, UnsupportedMediaType
from core.messages import message
from core.protocol.reports import LEVELS
from core.spec.fields import spec_fields
from core.states import STATES
from webui.api.description import Parameter
from webui.context import current

LONGEST_TEXT = 500
"""That a log is searched for."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _choices(*names: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(names)}


def _list_of(*names: str) -> dict[str, Any]:
    return {"type": "array", "items": _choices(*names)}


_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "examples": ["2026-01-31", "2026-01-31T09:30:00Z"]}
_BEGIN = {"type": "integer", "minimum": 0, "maximum": LARGEST_KEY}

PAGED = (
    Parameter(
        "limit",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": queries.LARGEST_LIMIT,
            "default": queries.DEFAULT_LIMIT,
        },
        "Rows of the page.",
    ),
    Parameter("cursor", _TEXT, "`next` of an earlier page, as it was given."),
)
ORDER = Parameter(
    "order", _choices("asc", "desc") | {"default": "asc"}, "`desc`: the last comes first."
)
OF_LOG = (
    Parameter("text", _TEXT, "Lines that have this in them, in capital or small letters."),
    Parameter("level", _list_of(*LEVELS), "Lines of these levels."),
)
OF_EXTENT = (
    Parameter(
        "points",
        {"type": "integer", "minimum": 1, "maximum": queries.MOST_POINTS},
        "Answers with a curve of at most so many buckets.",
    ),
    Parameter("from", _BEGIN, "The first step of the curve (of epochs: epoch)."),
    Parameter("to", _BEGIN, "The last step of the curve."),
)


FIELDS = Parameter(
    "fields",
    {"type": "array", "items": {"type": "string"}},
    "The fields that the answer has, of a list each of its items; else all.",
)


def values_of(known: Sequence[str]) -> Parameter:
    """The parameter that says which values a curve has."""
    return Parameter("values", _list_of(*known), "What the curve is of; else everything.")


def format_of(name: str) -> Parameter:
    """The parameter that asks for a file."""
    return Parameter("format", _choices("json", name), f"`{name}`: all rows as a file.")


def json_object() -> dict[str, Any]:
    """The body, which must be a JSON object that names no field twice."""
    if not request.is_json:
        raise UnsupportedMediaType(message("request.not_json"))
    try:
        body = json.loads(request.get_data(), object_pairs_hook=_without_duplicates)
    except ValueError as error:
        raise BadRequest(message("request.invalid_json", detail=str(error))) from None
    except RecursionError:
        raise BadRequest(message("request.too_deep")) from None
    if not isinstance(body, dict):
        raise InvalidInput.one("body", message("input.json_object"))
    return body


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a field that is given twice: which of the two is meant cannot be known."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidInput.one(name or "body", message("input.duplicate_field"))
        fields[name] = value
    return fields


def options() -> dict[str, Any]:
    """A JSON object that may be left out."""
    return json_object() if request.get_data() else {}


def limit() -> int:
    """How many rows of a list are asked for."""
    text = request.args.get("limit", str(queries.DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput.one("limit", message("input.limit", most=queries.LARGEST_LIMIT))
    return int(text)


def cursor() -> str:
    """Where a page of a list begins."""
    return request.args.get("cursor", "")


_SORTS = [
    *(each for each in queries.SORTS if each),
    *(
        f"{sign}{name}"
        for name in (*queries.OF_JOBS, *queries.OF_THE_END, *spec_fields())
        for sign in ("", "-")
    ),
]
OF_SELECTION = (
    Parameter("state", _list_of(*STATES), "Runs in one of these states."),
    Parameter("dataset", _TEXT, "Runs of exactly this dataset."),
    Parameter("model", _TEXT, "Runs of exactly this kind of network, such as `cnn`."),
    Parameter("preset", _TEXT, "Runs that began with exactly this preset."),
    Parameter("owner", _TEXT, "Runs of this person."),
    Parameter("tag", _TEXT, "Runs that have this tag."),
    Parameter("text", _TEXT, "Runs whose name has this in it, in capital or small letters."),
    Parameter(
        "filter",
        _TEXT,
        "Runs whose values meet conditions: `test_accuracy > 0.98 and optimizer.kind = adamw`.",
    ),
    Parameter("created_from", _MOMENT, "Runs that were submitted at this moment or later."),
    Parameter("created_to", _MOMENT, "Runs that were submitted before this moment."),
    Parameter(
        "sort",
        _choices(queries.OLDEST_FIRST, *_SORTS),
        "By a measurement or a hyperparameter, from the smallest; after `-` from the largest.",
    ),
    Parameter("deleted", _choices("true", "false"), "`true`: deleted runs that can be restored."),
)
SELECTING = tuple(each.name for each in OF_SELECTION)
"""What chooses runs, by its name in the address of a list."""
SHOWING = ("columns", "group", "limit")
"""How the page shows them."""
_LISTS = ("state", "columns")
Args = MultiDict[str, str]


def selection(args: Args | None = None) -> queries.Selection:
    """Which runs of the list are asked for, and in which order: by the address of the request."""
    args = request.args if args is None else args
    return queries.Selection(
        states=several("state", args),
        created_from=_moment("created_from", args),
        created_to=_moment("created_to", args, is_end=True),
        dataset=_filter("dataset", args),
        model=_filter("model", args),
        preset=_filter("preset", args),
        owner=_filter("owner", args),
        tag=_filter("tag", args),
        text=_filter("text", args),
        conditions=queries.read_conditions(args.get("filter", "")),
        seen_by=current().seen_by,
        sort=args.get("sort", ""),
        deleted=_is_set("deleted", args),
    )


def args_of(query: str) -> Args:
    """What stands in an address behind the question mark."""
    return Args(parse_qsl(query, keep_blank_values=True))


def query_to_save(query: object) -> object:
    """The address of a list as the list itself writes it: each name once, and in one order.

    Raises:
        InvalidInput: a list does not know it.
    """
    if not isinstance(query, str):
        return query  # which is refused with the other fields
    args = args_of(query)
    if not set(args) <= {*SELECTING, *SHOWING} or (query and not args):
        raise InvalidInput.one("query", message("input.filter"))
    queries.refuse_unknown(selection(args))
    return urlencode(
        {name: text for name in (*SELECTING, *SHOWING) if (text := _written(name, args))}
    )


def _written(name: str, args: Args) -> str:
    return ",".join(several(name, args)) if name in _LISTS else args.get(name, "")


def several(name: str, args: Args | None = None) -> list[str]:
    """Values that are separated by commas, or are given one by one: as a form sends them."""
    texts = ",".join((request.args if args is None else args).getlist(name)).split(",")
    return list(dict.fromkeys(each for each in texts if each))


def _moment(name: str, args: Args, *, is_end: bool = False) -> datetime | None:
    """A moment, or a day of UTC: its begin, or the end of it."""
    text = args.get(name, "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment + timedelta(days=1) if is_end and _DAY.fullmatch(text) else moment
    except (ValueError, OverflowError):
        raise InvalidInput.one(name, message("input.date")) from None


def _filter(name: str, args: Args) -> str:
    """What a list is filtered by; nothing is longer than a name, so no more of it can match."""
    return storable(args.get(name, "")[: NAME_LENGTH + 1])


def _is_set(name: str, args: Args) -> bool:
    """Whether something is asked for that is either so or not."""
    value = args.get(name, "false")
    if value not in ("", "true", "false"):
        raise InvalidInput.one(name, message("input.one_of", choices=["true", "false"]))
    return value == "true"


def newest_first() -> bool:
    """Whether a list is asked for from its end."""
    order = request.args.get("order", "asc")
    if order not in ("asc", "desc"):
        raise InvalidInput.one("order", message("input.one_of", choices=["asc", "desc"]))
    return order == "desc"


def looked_for() -> dict[str, Any]:
    """Which lines of a log are asked for: those that have a text in them, those of some levels."""
    levels = [each for each in request.args.get("level", "").split(",") if each]
    if not set(levels) <= set(LEVELS):
        raise InvalidInput.one("level", message("input.one_of", choices=list(LEVELS)))
    return {"text": storable(request.args.get("text", "")[:LONGEST_TEXT]), "levels": levels}


def extent() -> queries.Extent | None:
    """Which part of a curve is asked for, in how many buckets; None where rows are."""
    points, first, last = (_whole_number(name) for name in ("points", "from", "to"))
    if points is None:
        if first is last is None:
            return None
        raise InvalidInput.one("points", message("input.required"))
    if not 1 <= points <= queries.MOST_POINTS:
        raise InvalidInput.one("points", message("input.limit", most=queries.MOST_POINTS))
    return queries.Extent(points, first, last)


def selected(name: str, known: Sequence[str]) -> list[str]:
    """Which of some values are asked for, comma separated; all of them where none is named."""
    wanted = [each for each in request.args.get(name, "").split(",") if each]
    if not set(wanted) <= set(known):
        raise InvalidInput.one(name, message("input.one_of", choices=list(known)))
    return [each for each in known if each in wanted or not wanted]


def _whole_number(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput.one(name, message("input.whole_number"))
    return int(text)
