"""The language of a request: what its reader chose, else what the browser asks for.

Programs are answered in English, with codes that do not change; what a script of a page asks for
is for the reader of that page.
"""

from __future__ import annotations

from contextlib import ExitStack

from flask import Flask, g, request

from core.languages import ENGLISH, LANGUAGES, chosen, speaking, texts_of_scripts
from core.languages.texts import unfilled, unfilled_plural
from webui.addresses import came_from, host_only
from webui.problems import wants_json

COOKIE = "language"

TAGS = {"zh": "zh-Hans"}
"""What a page says that it is in, where that is another tag than ours."""


def install(app: Flask) -> None:
    """Let each request be answered in its reader's language, and templates translate."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # of the extension
        unfilled, unfilled_plural, newstyle=True
    )
    app.before_request(_speak)
    app.teardown_request(_fall_silent)
    app.context_processor(_of_page)


def language_of_request() -> str:
    """The tag of the language that a request is to be answered in."""
    if wants_json() and not _is_of_a_page():
        return ENGLISH
    remembered = request.cookies.get(host_only(COOKIE), "")
    asked = (tag.partition("-")[0].lower() for tag, _ in request.accept_languages)
    return next((tag for tag in (remembered, *asked) if tag in LANGUAGES), ENGLISH)


def _is_of_a_page() -> bool:
    """Whether a script of one of our pages asks: no program has a page that it comes from."""
    if request.headers.get("Sec-Fetch-Site") == "same-origin":  # on https and on this machine
        return True
    return bool(came_from().path)


def _page() -> str:
    """The address that shows this page again: that of the form, where a form was sent."""
    if request.method == "GET":
        return request.full_path.removesuffix("?")
    return came_from().geturl() or "/"


def _speak() -> None:
    g.language = ExitStack()
    g.language.enter_context(speaking(language_of_request()))


def _fall_silent(_error: BaseException | None) -> None:
    g.pop("language", ExitStack()).close()


def _of_page() -> dict[str, object]:
    return {
        "language": chosen(),
        "language_tag": TAGS.get(chosen(), chosen()),
        "other_languages": [
            (tag, TAGS.get(tag, tag), name) for tag, name in LANGUAGES.items() if tag != chosen()
        ],
        "page_address": _page(),
        "texts": texts_of_scripts(),
    }
