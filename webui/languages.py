"""The language of a request: what its reader chose, else what the browser asks for.

Only pages are translated. Programs are answered in English, with codes that do not change.
"""

from __future__ import annotations

from contextlib import ExitStack

from flask import Flask, g, request

from core.languages import ENGLISH, LANGUAGES, chosen, speaking, texts_of_scripts
from core.languages.texts import unfilled, unfilled_plural
from webui.problems import wants_json

COOKIE = "language"


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
    if wants_json():
        return ENGLISH
    remembered = request.cookies.get(COOKIE, "")
    asked = (tag.partition("-")[0].lower() for tag, _ in request.accept_languages)
    return next((tag for tag in (remembered, *asked) if tag in LANGUAGES), ENGLISH)


def _speak() -> None:
    g.language = ExitStack()
    g.language.enter_context(speaking(language_of_request()))


def _fall_silent(_error: BaseException | None) -> None:
    g.pop("language", ExitStack()).close()


def _of_page() -> dict[str, object]:
    return {"language": chosen(), "languages": LANGUAGES, "texts": texts_of_scripts()}
