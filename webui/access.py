"""Who asks, and whether they may: one table of all addresses, and what each of them needs.

Without accounts everybody who reaches the server is its owner. With accounts, a browser shows the
cookie of a login and a program a token; whoever shows neither sees the login page and little else.
Which run somebody may act on is decided in `core.jobs.actors`; whether a private one is there for
somebody at all is decided here, for every address that names one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set as AbstractSet
from dataclasses import replace
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, g, redirect, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import queries
from core.accounts import logins, tokens
from core.accounts.logins import Browser
from core.database.models import LARGEST_KEY, Artifact
from core.errors import Forbidden, NotFound, Unauthenticated
from core.jobs.actors import LOCAL_OWNER, Action, Actor, may, may_on, sees, sees_all
from core.messages import message
from core.roles import Role, Scope
from core.settings import Settings
from webui import context
from webui.addresses import came_from, host_only
from webui.context import Context, current
from webui.live.subscription import Proof
from webui.problems import STRANGER, wants_json


class Need(Enum):
    """What somebody must be for an address."""

    NOTHING = "anybody"
    VIEWER = "anybody with an account, or a token that may read"
    MEMBER = "a member, or a token that may submit"
    ADMINISTRATOR = "an administrator, or a token of one that may everything"
    BROWSER = "anybody who is logged in with a browser"
    MANAGER = "an administrator who is logged in with a browser"
    ITSELF = "what the address itself asks for: a token of its own"


def _all(need: Need, *endpoints: str) -> dict[str, Need]:
    return dict.fromkeys(endpoints, need)


NEEDS: dict[str, Need] = {
    **_all(
        Need.NOTHING,
        *("static", "health.healthz", "health.readyz", "pages.choose_language"),
        *("pages.login", "pages.log_in", "pages.invitation", "pages.accept_invitation"),
        *("pages.go_to_provider", "pages.join_by_provider", "pages.back_from_provider"),
        # for whoever has shown the password, and lacks a second factor
        *("pages.ask_for_code", "pages.check_code", "pages.ask_for_setup"),
        *("pages.begin_setup", "pages.finish_setup", "pages.reopen_door"),
    ),
    **_all(Need.ITSELF, "monitoring.metrics"),
    # what is read
    **_all(
        Need.VIEWER,
        *("api.advice", "api.all_events", "api.artifacts", "api.attempts", "api.checkpoints"),
        *("api.download", "api.download_checkpoint", "api.epochs", "api.evaluation", "api.events"),
        *("api.history_of_job", "api.jobs", "api.logs", "api.metrics", "api.metrics_of_runs"),
        *("api.network", "api.points", "api.queue", "api.resources", "api.show"),
        *("api.spec_schema", "api.storage", "api.streams", "api.workers", "api.me"),
        *("api.openapi", "pages.api"),
        *("pages.coach_of", "pages.compare", "pages.derived_network", "pages.evaluation"),
        *("pages.evaluation_images", "pages.feature_maps", "pages.hardest", "pages.insight"),
        *("pages.job", "pages.jobs", "pages.report", "pages.search", "pages.storage"),
        *("pages.test_image", "pages.tryout", "pages.tryout_as_file", "pages.wall"),
        *("pages.workers", "previews.show", "pages.sharing", "api.sharing", "pages.reopen"),
        # of one's own alone
        *("api.filters", "api.save_filter", "api.remove_filter"),
        *("pages.save_filter", "pages.remove_filter"),
        *("api.notifications", "api.webhooks", "api.deliveries", "pages.notifications"),
    ),
    # runs of one's own; `core.jobs.actors` asks whose each is
    **_all(
        Need.MEMBER,
        *(
            "api.submit_many",
            "api.submit",
            "api.cancel",
            "api.pause",
            "api.resume",
            "api.retry",
            "api.edit",
        ),
        *("api.delete", "api.restore", "api.cancel_many", "api.retry_many", "api.tag_many"),
        *("api.delete_many", "api.restore_many", "previews.ask", "preview_form.ask_as_typed"),
        *("pages.new", "pages.submit", "pages.show_typed", "pages.edit", "pages.save_edit"),
        *("pages.ask_to_cancel", "pages.cancel", "pages.pause", "pages.resume", "pages.retry"),
        *("pages.ask_to_delete", "pages.delete", "pages.restore", "pages.choose_to_delete"),
        *("pages.delete_many", "pages.ask_to_cancel_selected", "pages.cancel_selected"),
        *("pages.retry_selected", "pages.ask_for_tags", "pages.tag_selected"),
        *("pages.restore_selected", "pages.ask_to_retry_selected", "pages.ask_to_restore_selected"),
        # how one is told of them
        *("api.choose_notifications", "api.take_news", "api.add_webhook", "api.change_webhook"),
        *("api.remove_webhook", "api.rotate_webhook", "api.test_webhook", "api.replay_delivery"),
        *("pages.choose_notifications", "pages.add_webhook", "pages.change_webhook"),
        *("pages.remove_webhook", "pages.rotate_webhook", "pages.test_webhook"),
        *("pages.test_mail", "pages.replay_delivery"),
    ),
    **_all(
        Need.ADMINISTRATOR,
        *("api.clean", "api.drain_worker", "api.resume_worker"),
        *("pages.drain_worker", "pages.resume_worker"),
        *("api.limit", "api.limit_everybody", "pages.save_limits"),
        *("api.put_queue", "pages.save_queue"),
        *("api.people", "api.change_person", "api.audit"),
        *("api.invitations", "api.invite", "api.withdraw_invitation"),
    ),
    # no token can make another, or keep its owner out
    **_all(
        Need.BROWSER,
        *("pages.log_out", "pages.account", "pages.change_password", "pages.end_login"),
        *(
            "pages.end_other_logins",
            "pages.make_token",
            "pages.revoke_token",
            "pages.link_provider",
        ),
        *("pages.second_factor", "pages.begin_second_factor", "pages.confirm_second_factor"),
        *("pages.renew_recovery_codes", "pages.turn_off_second_factor"),
    ),
    **_all(
        Need.MANAGER,
        *("pages.people", "pages.invite", "pages.withdraw_invitation", "pages.change_role"),
        *("pages.disable_person", "pages.enable_person", "pages.invite_to_reset", "pages.audit"),
        *("pages.reset_second_factor", "pages.require_second_factor"),
        *("pages.ask_to_disable", "pages.ask_to_reset_second_factor"),
    ),
}
"""What each address needs, by its endpoint. One that is not here is served to nobody."""

OPENS_DOORS = frozenset(
    {"pages.make_token", "pages.end_login", "pages.end_other_logins"}
    | {"pages.invite", "pages.invite_to_reset", "pages.change_role"}
    | {"pages.enable_person", "pages.disable_person"}
    | {"pages.reset_second_factor", "pages.require_second_factor"}
    | {"api.invite", "api.change_person"}
)
"""What lets somebody in later, or keeps somebody out: who comes by a login must have
proved lately who they are (`webui.proof`), as a browser may have been left open."""

_ROLE: dict[Need, Role] = {
    Need.MEMBER: "member",
    Need.ADMINISTRATOR: "administrator",
    Need.MANAGER: "administrator",
}
SCOPES_OF: dict[Need, Scope] = {Need.MEMBER: "submit", Need.ADMINISTRATOR: "admin"}
"""What a token must be allowed for an address; for the others `read`."""
_RANK: dict[str, int] = {
    **{role: rank for rank, role in enumerate(("viewer", "member", "administrator"))},
    **{scope: rank for rank, scope in enumerate(("read", "submit", "admin"))},
}
_TOLD_S = 30 * logins.DAY_S
"""That a browser keeps the cookie of a login that has ended by itself, to be told so."""
NOBODY = Actor("user", "0", STRANGER)
_SAFE = ("GET", "HEAD", "OPTIONS")


def install(app: Flask, settings: Settings) -> None:
    """Let nobody come to an address that is not theirs."""
    app.before_request(_with_accounts if settings.has_accounts else _without_accounts)
    app.context_processor(_of_page)


def refuse_unlisted(app: Flask) -> None:
    """Raise `LookupError` where `NEEDS` does not say what an address of an application needs."""
    lacking = {rule.endpoint for rule in app.url_map.iter_rules()} - set(NEEDS)
    if lacking:
        raise LookupError(f"NEEDS does not say what these need: {sorted(lacking)}")


def cookie_name(settings: Settings) -> str:
    """The name of the cookie of a login: of this installation alone, and on TLS of this host alone.

    Browsers give cookies to every port of a host.
    """
    made = hashlib.sha256(f"login {settings.signing_key}".encode()).hexdigest()[:12]
    return host_only(f"trainyard_login_{made}")


def browser() -> Browser:
    """Where this request comes from."""
    return Browser(request.remote_addr or "", request.user_agent.string)


def keep_login(response: Response, secret: str) -> Response:
    """Have a browser show a login from now on."""
    settings = current().settings
    response.set_cookie(
        cookie_name(settings),
        secret,
        max_age=int(settings.login_days * logins.DAY_S + _TOLD_S),
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",  # whoever follows a link from a mail is still there; posts are looked at
    )
    return response


def shows_ended_login() -> bool:
    """Whether a browser shows a login that was ended, or never was: nobody is told which."""
    return cookie_name(current().settings) in request.cookies and login_of_request() is None


def forget_login(response: Response) -> Response:
    """Have a browser show its login no more."""
    response.delete_cookie(
        cookie_name(current().settings), secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return response


def keep_half_login(response: Response, secret: str) -> Response:
    """Have a browser show, for some minutes, that the password was right."""
    response.set_cookie(
        _half_cookie(),
        secret,
        max_age=int(logins.HALF_S),
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )
    return response


def half_login_of_request() -> str:
    """The secret of a login that lacks a second factor, or nothing."""
    return request.cookies.get(_half_cookie(), "")


def forget_half_login(response: Response) -> Response:
    """Have a browser show no more that the password was right."""
    response.delete_cookie(
        _half_cookie(), secure=request.is_secure, httponly=True, samesite="Strict"
    )
    return response


def _half_cookie() -> str:
    return f"{cookie_name(current().settings)}_half"


def proof_of_request() -> Proof | None:
    """By what whoever asks came in, for a stream that ends with it."""
    found: Proof | None = g.get("proof")
    return found


def is_fresh() -> bool:
    """Whether whoever asks by a login has proved lately who they are; a token is a proof itself."""
    return bool(g.get("is_fresh", True))


def still_valid(parts: Context, proofs: AbstractSet[Proof]) -> AbstractSet[Proof]:
    """Those of some logins and tokens that have not ended."""
    numbers = {
        kind: [each.number for each in proofs if each.kind == kind] for kind in ("login", "token")
    }
    with parts.database.reading() as session:
        of_logins = logins.alive(session, numbers["login"], logins.lifetime(parts.settings))
        of_tokens = tokens.alive(session, numbers["token"])
    return {
        *(Proof("login", number) for number in of_logins),
        *(Proof("token", number) for number in of_tokens),
    }


def login_of_request() -> int | None:
    """The number of the login by which this is asked; None: it is none."""
    proof = proof_of_request()
    return proof.number if proof and proof.kind == "login" else None


def _without_accounts() -> None:
    needed = NEEDS.get(request.endpoint or "")
    if needed in (Need.BROWSER, Need.MANAGER) or (request.endpoint or "") in OF_ACCOUNTS:
        raise NotFound(message("accounts.none"))
    _use(LOCAL_OWNER)


OF_ACCOUNTS = frozenset(
    {"pages.login", "pages.log_in", "pages.invitation", "pages.accept_invitation"}
    | {"pages.go_to_provider", "pages.join_by_provider", "pages.back_from_provider"}
    | {"pages.ask_for_code", "pages.check_code", "pages.ask_for_setup"}
    | {"pages.begin_setup", "pages.finish_setup"}
    | {"api.people", "api.change_person", "api.audit"}
    | {"api.invitations", "api.invite", "api.withdraw_invitation"}
)
"""What is there with accounts alone."""


def _with_accounts() -> Response | None:
    needed = NEEDS.get(request.endpoint or "", Need.VIEWER)  # what is nowhere is for no stranger
    if needed is Need.ITSELF:
        _use(_asker_if_any())
        return None
    actor = _asker()
    if needed is Need.NOTHING:
        _use(actor or NOBODY)
        return None
    if actor is None:
        return _to_login()
    _use(actor)
    _refuse_unless_enough(actor, needed)
    if request.view_args and not sees_all(actor):
        with current().database.reading() as session:
            _refuse_private(session, actor, request.view_args)
    return None


def _use(actor: Actor) -> None:
    g.who = actor.name
    context.use(replace(current(), actor=actor))


def _asker() -> Actor | None:
    """Whoever asks: by a token where one is shown, else by a login."""
    kind, _, shown = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return _by_token(shown.strip())
    return _by_login()


def _asker_if_any() -> Actor:
    """Whoever asks, or nobody, where something else than a token of a person may be shown."""
    try:
        return _asker() or NOBODY
    except Unauthenticated:
        return NOBODY


def _by_token(text: str) -> Actor:
    database = current().database
    with database.reading() as session:
        found = tokens.find(session, text)
    if found is None:
        raise Unauthenticated(message("token.refused"))
    if not found.is_seen:
        tokens.used(database, found.token_id)
    g.proof = Proof("token", found.token_id)
    return found.actor


def _by_login() -> Actor | None:
    settings, database = current().settings, current().database
    secret = request.cookies.get(cookie_name(settings))
    if not secret:
        return None
    with database.reading() as session:
        found = logins.find(session, secret, logins.lifetime(settings))
    if found is None:
        return None
    _refuse_unless_own_page()
    if not found.is_seen:
        logins.seen(database, found.login_id)
    g.proof = Proof("login", found.login_id)
    g.is_fresh = found.is_fresh
    return found.actor


def _refuse_unless_own_page() -> None:
    """Refuse what changes something by a cookie, unless a page of ours sends it.

    Forms have a token of their own besides; what scripts send to the API has this alone. Another
    site's post was refused before, by what it says of where it comes from: this one says nothing.
    """
    says = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if request.method not in _SAFE and not any(says):
        raise Forbidden(message("request.from_nowhere"))


def _to_login() -> Response:
    """Send a person to the login; a program, or a script of a page, learns that one is needed."""
    is_navigation = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    if wants_json() or "part" in request.args or not is_navigation:
        needed = "login.token_required" if wants_json() else "login.required"
        raise Unauthenticated(message(needed))
    back = request.full_path.removesuffix("?") if request.method in _SAFE else came_from().geturl()
    query = f"?{urlencode({'next': back})}" if back not in ("", "/") else ""
    response = redirect(f"{url_for('pages.login')}{query}", HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse_unless_enough(actor: Actor, needed: Need) -> None:
    role, scope = _ROLE.get(needed, "viewer"), SCOPES_OF.get(needed, "read")
    if needed in (Need.BROWSER, Need.MANAGER) and login_of_request() is None:
        raise Forbidden(message("token.not_for_this"))
    if _RANK[actor.role] < _RANK[role]:
        about = {"name": actor.name, "role": actor.role, "needed": role}
        raise Forbidden(message("role.too_low", **about))
    if _RANK[actor.scope] < _RANK[scope]:
        raise Forbidden(message("token.scope", scope=actor.scope, needed=scope))


def _refuse_private(session: Session, actor: Actor, named: dict[str, Any]) -> None:
    """Raise `NotFound` where an address names a private run of somebody else."""
    job_id = named.get("job_id")
    if "artifact_id" in named:
        artifact_id = min(named["artifact_id"], LARGEST_KEY)
        job_id = session.scalar(select(Artifact.job_id).where(Artifact.id == artifact_id))
        if job_id is not None and not sees(actor, queries.job(session, job_id)[0]):
            raise NotFound(message("artifact.unknown", artifact_id=named["artifact_id"]))
    elif job_id is not None:
        queries.refuse_unseen(session, job_id, actor.name)


def _may(actor: Actor, action: Action, owner: str | None = None) -> bool:
    """Whether whoever looks at a page may do something, to a run of an owner."""
    return may(actor, action) if owner is None else may_on(actor, action, owner)


def _of_page() -> dict[str, Any]:
    """What pages are told of whoever looks at them."""
    parts = current()
    has_accounts = parts.settings.has_accounts
    actor = parts.actor if "context" in g or not has_accounts else NOBODY
    return {
        "me": actor if has_accounts and actor is not NOBODY else None,
        "is_outside": actor is NOBODY,
        "may": partial(_may, actor),
        "provider": parts.openid.name if parts.openid else "",
        "is_administrator": actor.is_administrator,
    }
