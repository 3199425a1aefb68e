"""How the list of runs is to be shown, by the address and by what the browser remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import request

from core import formats
from core.languages import gettext
from webui.api.requests import Args, several
from webui.api.shapes import JSON
from webui.context import current
from webui.pages import list_columns
from webui.pages.blueprint import CHOICES
from webui.pages.list_columns import Column

LIMITS = (50, 100, 500)
"""Rows of a page, to choose from."""
MOST_COUNTED = 1000
"""Runs that are counted to say how many there are; of more it is only said that there are more."""
COOKIE = "columns"
NO_COLUMNS = "none"


@dataclass(frozen=True, slots=True)
class View:
    """How the list is to be shown, by the address and by what the browser remembers."""

    chosen: JSON
    """What stands in the address, but for the page."""
    states: Sequence[str]
    sort: str
    columns: Sequence[Column]
    limit: int
    is_grouped: bool
    open: frozenset[str]
    """The groups whose runs are shown."""

    @property
    def widths(self) -> str:
        """The columns as a grid of CSS has them."""
        return list_columns.widths(self.columns, is_grouped=self.is_grouped)

    @property
    def has_progress(self) -> bool:
        """Whether a column says how far each run is."""
        return any(each.name == "progress" for each in self.columns)

    @property
    def query(self) -> str:
        """The address behind the question mark, as it is saved."""
        return query_of(self.chosen)

    @property
    def filter(self) -> str:
        """What chooses runs, in which order: the address without how they are shown."""
        return query_of({name: text for name, text in self.chosen.items() if name in CHOICES})

    @property
    def hyperparameters(self) -> frozenset[str]:
        """The paths of those that have a column: they are said there alone."""
        return frozenset(each.name for each in self.columns if each.kind == "hyperparameter")

    @property
    def order(self) -> str:
        """The title of the column that the list is sorted by; empty: it is in its usual order."""
        name = self.sort.lstrip("-")
        of_all = (*list_columns.always(), *list_columns.chosen([name]))
        return next((each.title for each in of_all if each.name == name), "")

    def opened(self, group_id: int) -> JSON:
        """What stands in the address when a group is opened, or closed where it is open."""
        ids = self.open ^ {str(group_id)}
        return self.chosen | {"open": ",".join(sorted(ids)) or None}


def view_of_request() -> View:
    """What the address asks for, and the browser remembers."""
    chosen = chosen_in(request.args)
    has_accounts = current().settings.has_accounts
    default = list_columns.DEFAULT_OF_SEVERAL if has_accounts else list_columns.DEFAULT
    remembered = request.cookies.get(COOKIE, "") or ",".join(default)
    names = chosen[COOKIE] if COOKIE in request.args else remembered
    return View(
        chosen,
        states=several("state"),
        sort=chosen.get("sort", ""),
        columns=list_columns.chosen(names.split(",")),
        limit=chosen.get("limit", LIMITS[0]),
        is_grouped="group" in chosen,
        open=frozenset(chosen["open"].split(",") if "open" in chosen else ()),
    )


def chosen_in(args: Args) -> JSON:
    """What stands in an address, written in one way."""
    chosen: JSON = {name: value for name in CHOICES if (value := args.get(name, ""))}
    states = several("state", args)
    if states:
        chosen["state"] = ",".join(states)
    if COOKIE in args:
        columns = list_columns.chosen(several(COOKIE, args))
        chosen[COOKIE] = ",".join(each.name for each in columns) or NO_COLUMNS
    is_grouped = args.get("group") == "seed"
    opened = several("open", args) if is_grouped else []
    asked = args.get("limit", "")
    limit = int(asked) if asked in map(str, LIMITS) else LIMITS[0]
    chosen |= {"group": "seed"} if is_grouped else {}
    chosen |= {"open": ",".join(opened)} if opened else {}
    return chosen | ({"limit": limit} if limit != LIMITS[0] else {})


def counted(count: int) -> str:
    """How many there are, where more than `MOST_COUNTED` are not counted."""
    if count > MOST_COUNTED:
        return gettext("%(count)s+", count=formats.whole(MOST_COUNTED))
    return formats.whole(count)


def query_of(chosen: JSON) -> str:
    """What stands in an address, behind its question mark; which groups are open is not kept."""
    return urlencode({name: text for name, text in chosen.items() if name != "open"})
