"""What the pages of logins share: where a browser goes, and that its session is new."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, redirect, session, url_for


def to(endpoint: str, part: str | None = None) -> Response:
    """Send a browser to a page, or to a part of one."""
    response = redirect(url_for(endpoint, _anchor=part), HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return response


def renewed(response: Response) -> Response:
    """Forget what forms were signed with before: nobody can have known it (session fixation)."""
    session.clear()
    return response
