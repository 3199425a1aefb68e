"""The addresses that an application answers, from its own map: a new one is tried by itself."""

from __future__ import annotations

import re

from flask import Flask

PREFIX = "/api/v1"
OF_ACCOUNTS = {
    *("/login", "/login/openid", "/login/openid/back"),
    *("/login/code", "/login/second-factor"),
    *("/account", "/account/second-factor", "/people", "/people/audit"),
}
"""Pages of an installation with accounts; on others there are none."""
TO_PAGES = {"pages.reopen", "pages.reopen_door"}
"""Where the addresses of acts lead that are opened as pages."""
OF_PROGRAMS = (PREFIX, "/healthz", "/readyz", "/metrics")
PLACE = re.compile(r"<(?:[^:<>]+:)?(\w+)>")  # `<int:job_id>`


def of_api(app: Flask) -> set[tuple[str, str]]:
    """Method and rule of each address for programs."""
    return {each for each in _rules(app) if each[1].startswith(OF_PROGRAMS)}


def of_pages(app: Flask) -> set[str]:
    """Each page that can be opened without anything to show."""
    return {rule for rule in of_all_pages(app) if not PLACE.search(rule)} - OF_ACCOUNTS


def of_all_pages(app: Flask) -> set[str]:
    """Each page and each file of a page."""
    pages = {rule for method, rule in _rules(app) - of_api(app) if method == "GET"}
    return pages - {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in TO_PAGES}


def of_acts_alone(app: Flask) -> set[str]:
    """Each address that a form of a page is sent to and that is no page itself."""
    sent_to = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("pages.") and "POST" in (rule.methods or ())
    }
    return sent_to - of_all_pages(app)


def filled(rule: str, value: object) -> str:
    """A rule with a value at each of its places."""
    return PLACE.sub(str(value), rule)


def _rules(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
