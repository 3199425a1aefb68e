"""What protects a server without accounts: known hosts only, no forged posts, no foreign script."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFProtect

from core.errors import Forbidden
from core.messages import message
from core.settings import Settings
from webui.problems import refusal

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src 'self'; font-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Styles may be set by script (the curves place their parts so); scripts come from us alone."""

LARGEST_BODY = 1024 * 1024


def install(app: Flask, settings: Settings) -> CSRFProtect:
    """Protect an application."""
    app.config.update(
        SECRET_KEY=settings.signing_key,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        SESSION_COOKIE_NAME="trainyard",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        WTF_CSRF_TIME_LIMIT=None,  # a form may lie open for days
    )
    known = {"localhost", "127.0.0.1", "::1", *_own_host(settings), *settings.trusted_hosts}

    def refuse_unknown_hosts() -> Response | None:
        """Refuse a page elsewhere that points a name of its own at this address."""
        # Flask's TRUSTED_HOSTS would do, but it cannot name an IPv6 address
        host = request.host
        if urlsplit(f"//{host}").hostname not in known:
            # no page: its links would name a host that we refuse
            return refusal(HTTPStatus.BAD_REQUEST, message("request.unknown_host", host=host))
        return None

    app.before_request(refuse_unknown_hosts)
    app.before_request(_refuse_foreign_posts)
    app.after_request(_add_headers)
    return CSRFProtect(app)


def _own_host(settings: Settings) -> list[str]:
    return [] if settings.host in ("0.0.0.0", "::") else [settings.host]  # noqa: S104


def _refuse_foreign_posts() -> None:
    """Refuse what another site makes a browser send here; programs send no Origin."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    origin = request.headers.get("Origin")
    foreign = origin is not None and _place(origin) != request.host
    if foreign or request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise Forbidden(message("request.from_another_site"))


def _place(origin: str) -> str | None:
    """The host and port of an origin; None where it is no address at all."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _add_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if re.match(r"application/(problem\+)?json|text/html", response.content_type or ""):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
