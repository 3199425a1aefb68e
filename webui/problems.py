"""Errors as answers: problem+json (RFC 9457) for programs, a page for people.

Every error that Trainyard raises on purpose is turned into an answer here and nowhere else.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, json, render_template, request
from werkzeug.exceptions import HTTPException, SecurityError

from core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    TrainyardError,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from core.languages import gettext
from core.logs import get_logger
from core.messages import Message, as_json, message
from webui.api.shapes import Problem
from webui.request_ids import request_id

RETRY_AFTER_S = 5
STRANGER = "nobody"
"""The name of whoever has shown neither a login nor a token."""
_INNER = ("database.", "redis.", "storage.")

_TURNED_AWAY = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
}
"""Answers that are written down of programs too: somebody may be trying the doors."""

log = get_logger(__name__)

_STATUS: dict[type[TrainyardError], int] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    Gone: HTTPStatus.GONE,
    Conflict: HTTPStatus.CONFLICT,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,  # before BadRequest, which it is too
    BadRequest: HTTPStatus.BAD_REQUEST,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def install(app: Flask) -> None:
    """Answer every error of an application."""
    app.register_error_handler(TrainyardError, _on_trainyard_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_surprise)


def problem(status: int, detail: str, **more: Any) -> Response:
    """A problem+json answer; `more` is a `code` with its `params`, or `errors`."""
    title = HTTPStatus(status).phrase
    body = Problem(type="about:blank", title=title, status=status, detail=detail, **more)
    return Response(
        json.dumps(body.as_json()), status=status, content_type="application/problem+json"
    )


def refusal(status: int, reason: Message) -> Response:
    """A problem+json answer that has a reason."""
    return problem(status, reason.text, **as_json(reason))


def wants_json() -> bool:
    """Whether this request was made by a program."""
    return request.path.startswith("/api/") or request.path in ("/healthz", "/readyz")


def as_unavailable(error: Unavailable, response: Response) -> Response:
    """An answer that says that a service is away, and when to ask again; it is logged."""
    log.error(
        "service_unavailable", **_asked(), code=error.reason.code, reason=error.reason.english
    )
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _on_trainyard_error(error: TrainyardError) -> Response:
    status = next(
        (code for kind, code in _STATUS.items() if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    if isinstance(error, InvalidInput):
        errors = [each.as_json() for each in error.errors]
        response = _answer(status, str(error), errors=errors)
    else:
        response = refused(status, _shown(error.reason))
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(int(error.retry_after_s) + 1)
    if isinstance(error, Unauthenticated) and wants_json():
        response.headers["WWW-Authenticate"] = 'Bearer realm="trainyard"'
    return as_unavailable(error, response) if isinstance(error, Unavailable) else response


def _shown(reason: Message) -> Message:
    """What whoever asks is told: a stranger learns no address and no user of a service of ours."""
    is_stranger = g.get("who", STRANGER) == STRANGER
    return message("service.away") if is_stranger and reason.code.startswith(_INNER) else reason


def _on_http_error(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    code = f"http.{error.name.lower().replace(' ', '_')}"
    if isinstance(error, SecurityError):  # no page: its links would name a host that we refuse
        return problem(status, str(error.description), code=code, params={})
    if status < HTTPStatus.BAD_REQUEST:  # a redirect is raised as an error too
        return Response(error.get_response().get_data(), status, error.get_response().headers)
    if status == HTTPStatus.NOT_FOUND:  # ours are not HTTP errors: no route leads there
        return refused(status, message("request.unknown_address"))
    detail = error.description or HTTPStatus(status).phrase
    response = _answer(status, detail, code=code, params={})
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _on_surprise(error: Exception) -> Response:
    log.error("request_failed", **_asked(), exc_info=error)
    return refused(HTTPStatus.INTERNAL_SERVER_ERROR, message("request.failed"))


def broken(error: Exception) -> str:
    """What stands on a page, of which a part is sent already, where the rest cannot be made."""
    status = (
        HTTPStatus.SERVICE_UNAVAILABLE
        if isinstance(error, Unavailable)
        else HTTPStatus.INTERNAL_SERVER_ERROR
    )
    log.error("request_failed", **_asked(), exc_info=error)
    title, advice = _in_words(status)
    return render_template("broken.html", title=title, advice=advice, request_id=request_id())


def _asked() -> dict[str, str]:
    """Who has asked for what, from where."""
    return {
        "method": request.method,
        "path": _path(),
        "address": request.remote_addr or "",
        "who": g.get("who", ""),
        "request_id": request_id(),
    }


def _path() -> str:
    """The path of the request, without the secret of a link: whoever reads logs is not invited."""
    secret = (request.view_args or {}).get("secret")
    return request.path.replace(secret, "…") if secret else request.path


def refused(status: int, reason: Message) -> Response:
    """An answer that has a reason: problem+json for programs, a page for people."""
    return _answer(status, reason.text, **as_json(reason))


def _answer(status: int, detail: str, **more: Any) -> Response:
    if status in _TURNED_AWAY or (status < HTTPStatus.INTERNAL_SERVER_ERROR and not wants_json()):
        log.info("request_refused", **_asked(), status=int(status), code=more.get("code"))
    if wants_json():
        return problem(status, detail, **more)
    title, advice = _of_links().get(more.get("code", "")) or _in_words(status)
    page = render_template(
        "error.html",
        status=status,
        title=title,
        advice=advice,
        detail=detail,
        request_id=request_id(),
        is_retryable=request.method == "GET" and status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    return Response(page, status=status, content_type="text/html; charset=utf-8")


def _in_words(status: int) -> tuple[str, str]:
    """What a status means for a person, and what to do."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return gettext("Not available right now"), gettext(
            "Runs continue meanwhile, and nothing is lost. Try again in a few seconds."
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return gettext("Something went wrong here"), gettext(
            "This is not your fault. Try again; if it happens again, give the number below to "
            "whoever runs this server: its log says under it what happened."
        )
    of_stranger = _in_words_for_strangers(status) if g.get("who", STRANGER) == STRANGER else None
    if of_stranger:
        return of_stranger
    words = {
        HTTPStatus.NOT_FOUND: (
            gettext("There is nothing here"),
            gettext(
                "The address may be mistyped, or what was here is deleted. A deleted run can be "
                "restored for a while."
            ),
        ),
        HTTPStatus.CONFLICT: (
            gettext("That is not possible now"),
            gettext("The page that you came from may have been out of date. Open it again."),
        ),
        HTTPStatus.GONE: (
            gettext("This page is out of date"),
            gettext("Open what you were looking at again, from the list of runs."),
        ),
        HTTPStatus.FORBIDDEN: (gettext("This was refused"), gettext("Nothing was done.")),
        HTTPStatus.UNAUTHORIZED: (gettext("Log in first"), gettext("Nothing was done.")),
    }
    general = (gettext("That did not work"), gettext("Nothing was done. Go back and try again."))
    return words.get(HTTPStatus(status), general)


def _in_words_for_strangers(status: int) -> tuple[str, str] | None:
    """The same for whoever has no account: nothing of runs, which they do not see."""
    if status == HTTPStatus.GONE:
        return gettext("This page is out of date"), gettext("Open it again.")
    if status == HTTPStatus.NOT_FOUND:
        return gettext("There is nothing here"), gettext("The address may be mistyped.")
    return None


def _of_links() -> dict[str, tuple[str, str]]:
    """What to do about a link that opens no door, whoever follows it."""
    another = gettext(
        "Ask whoever sent you the link for another one. If you have an account already, log in."
    )
    return {
        "invitation.over": (gettext("This link works no more"), another),
        "invitation.unknown": (gettext("This link may be mistyped or cut off"), another),
        "login.half_over": (gettext("This login took too long"), gettext("Nothing was done.")),
    }
