"""What a reload finds: an act's address, opened as a page, leads to the page that the act is of.

An act that answers with a page (a link that is shown once, a form with what is wrong in it, the
question for the password) leaves its own address in the address line of the browser.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, current_app, redirect, request, url_for
from flask.blueprints import BlueprintSetupState

from webui.access import NEEDS, Need


def _all(page: str, *acts: str) -> dict[str, str]:
    return {f"pages.{act}": f"pages.{page}" for act in acts}


PAGE_OF: dict[str, str] = {
    **_all("account", "change_password", "link_provider", "end_login", "end_other_logins"),
    **_all("account", "make_token", "revoke_token", "log_out"),
    **_all("second_factor", "confirm_second_factor", "renew_recovery_codes"),
    **_all("second_factor", "turn_off_second_factor"),
    **_all("ask_for_setup", "finish_setup"),
    **_all("notifications", "test_mail", "add_webhook", "change_webhook", "remove_webhook"),
    **_all("notifications", "rotate_webhook", "test_webhook", "replay_delivery"),
    **_all("people", "invite", "withdraw_invitation", "change_role", "enable_person"),
    **_all("people", "invite_to_reset", "require_second_factor"),
    **_all("job", "pause", "resume", "retry", "restore"),
    **_all("jobs", "save_filter", "remove_filter"),
    **_all("sharing", "save_queue"),
    **_all("workers", "drain_worker", "resume_worker"),
}
"""The page of each act whose address is no page itself."""


def install(blueprint: Blueprint) -> None:
    """Let the address of every act be opened, once each page has added its own."""
    blueprint.record(_add)


def _add(state: BlueprintSetupState) -> None:
    rules = list(state.app.url_map.iter_rules())
    pages = {rule.rule for rule in rules if "GET" in (rule.methods or ())}
    for rule in rules:
        if rule.endpoint.startswith("pages.") and rule.rule not in pages:
            assert rule.endpoint in PAGE_OF, rule.endpoint
            is_door = NEEDS.get(rule.endpoint) is Need.NOTHING
            endpoint = "pages.reopen_door" if is_door else "pages.reopen"
            state.app.add_url_rule(rule.rule, endpoint, reopen, methods=["GET"])


def reopen(**named: Any) -> Response:
    """Send a browser to the page of the act whose address it opens."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    act, _ = adapter.match(method="POST")
    page = PAGE_OF[act]
    places = next(current_app.url_map.iter_rules(page)).arguments
    address = url_for(page, **{name: named[name] for name in places})
    response = redirect(address, HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return response
