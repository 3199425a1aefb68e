"""What protects every page: known hosts only, no forged posts, no foreign script or frame."""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect

from core.database.instance import instance_of
from core.errors import Forbidden, Gone
from core.messages import message
from core.settings import Settings
from webui import request_ids
from webui.addresses import LARGEST_BODY, host_only
from webui.context import current
from webui.problems import refusal

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src 'self'; font-src 'self'; "
    "form-action 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Styles may be set by script (the curves place their parts so); scripts come from us alone."""

CONTENT_SECURITY_POLICY_OF_NETWORKS = CONTENT_SECURITY_POLICY.replace(
    "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
)
"""For a page that runs a network: WebAssembly may be compiled; text is no script there either."""

YEAR_S = 365 * 86_400
HSTS = f"max-age={YEAR_S}; includeSubDomains"


def install(app: Flask, settings: Settings) -> None:
    """Protect an application from strangers' hosts and sites."""
    app.debug = False  # whatever FLASK_DEBUG says: it is for those who write Flask applications
    app.config.update(
        SECRET_KEY=settings.signing_key,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        SESSION_COOKIE_NAME=_cookie_name(settings),
        SESSION_COOKIE_HTTPONLY=True,
        # whoever follows a link from elsewhere keeps the forms that are open in other tabs
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a form may lie open for days
        WTF_CSRF_SSL_STRICT=False,  # it knows no proxy; where a post comes from is looked at below
    )
    app.session_interface = Cookies()
    gate = Gate(settings)
    app.before_request(gate.refuse_unknown_hosts)
    app.before_request(gate.refuse_foreign_posts)
    app.before_request(_refuse_other_instance)
    app.after_request(_add_headers)


def protect_forms(app: Flask) -> CSRFProtect:
    """Take forms that a page of ours made, and no others."""
    return CSRFProtect(app)


def _cookie_name(settings: Settings) -> str:
    """A name that no other Trainyard on this host has: browsers give cookies to every port.

    Whoever signs with another key could not read the cookie, and would put its own in its place.
    """
    return f"trainyard_{hashlib.sha256(f'cookie {settings.signing_key}'.encode()).hexdigest()[:12]}"


class Cookies(SecureCookieSessionInterface):
    """What signs forms lies in a cookie that on TLS goes to this host alone, and never off it."""

    digest_method = staticmethod(hashlib.sha256)  # Flask's own is SHA-1

    def get_cookie_name(self, app: Flask) -> str:
        """The cookie's name: browsers take a name that begins so from TLS only."""
        return host_only(super().get_cookie_name(app))

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        """Whether it is sent over TLS alone."""
        return request.is_secure


class Gate:
    """Who may come in: requests to a host that is ours, and posts from pages that are."""

    def __init__(self, settings: Settings) -> None:
        named = [urlsplit(f"//{each}") for each in settings.trusted_hosts]
        names = (each.hostname or "" for each in named)
        self._hosts = {"localhost", "127.0.0.1", "::1", *_own_host(settings), *names}
        self._addresses = {(each.hostname, each.port) for each in named if each.port}
        """Those that browsers show, where a proxy in front does not pass the port on."""

    def refuse_unknown_hosts(self) -> Response | None:
        """Refuse a page elsewhere that points a name of its own at this address."""
        # Flask's TRUSTED_HOSTS would do, but it cannot name an IPv6 address
        host = request.host
        if urlsplit(f"//{host}").hostname not in self._hosts:
            # no page: its links would name a host that we refuse
            return refusal(HTTPStatus.BAD_REQUEST, message("request.unknown_host", host=host))
        return None

    def refuse_foreign_posts(self) -> None:
        """Refuse what another site makes a browser send here; programs send no Origin."""
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site == "same-origin":
            return  # the browser knows it by the address that it shows, whatever a proxy made of it
        is_foreign = site == "cross-site" or (site == "same-site" and origin is None)
        if is_foreign or (origin is not None and not self._is_ours(origin)):
            raise Forbidden(message("request.from_another_site"))

    def _is_ours(self, origin: str) -> bool:
        try:
            page, asked = urlsplit(origin), urlsplit(f"//{request.host}")
            port = _port(page, page.scheme)
            is_asked = (page.hostname, port) == (asked.hostname, _port(asked, page.scheme))
        except ValueError:  # no address at all
            return False
        return "@" not in page.netloc and (is_asked or (page.hostname, port) in self._addresses)


def _port(address: SplitResult, scheme: str) -> int | None:
    """The port of an address, or that of its scheme; None: of an unknown one."""
    return address.port or {"http": 80, "https": 443}.get(scheme)


def _own_host(settings: Settings) -> list[str]:
    everywhere = settings.host in ("0.0.0.0", "::")  # noqa: S104
    return [] if everywhere else [settings.host.lower()]


def _refuse_other_instance() -> None:
    """Refuse an address of a page that another database was behind: its runs have other numbers."""
    named = request.args.get("instance")
    if named is None:
        return
    with current().database.reading() as session:
        if named != instance_of(session):
            raise Gone(message("request.other_instance"))


def _add_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers[request_ids.HEADER] = request_ids.request_id()
    if re.match(r"application/(problem\+)?json|text/html", response.content_type or ""):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
