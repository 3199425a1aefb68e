"""Accounts: what is refused at the door, and what happened to people, logins and tokens."""

from __future__ import annotations

from core.messages.template import Template

ACCOUNTS: dict[str, Template] = {
    "login.required": "Log in first.",
    "login.token_required": "Send a token: the header Authorization: Bearer ty_… . Tokens are made "
    "on the page My account; trainyard login stores one.",
    "login.refused": "The name and the password do not belong together.",
    "login.too_many_tries": "There were too many tries. Wait {wait_s:duration}, then try again.",
    "login.wrong_code": "This code does not hold, or was used before. The app shows a new one "
    "every 30 seconds.",
    "login.prove_again": "This opens doors to others, and you showed your password longer than "
    "{minutes:number} minutes ago. Do it on the page My account or People, which ask for it again; "
    "or log in again.",
    "login.half_over": "This took too long. Log in again.",
    "second_factor.wrong": "this code does not hold, or was used before",
    "second_factor.is_on": "You have a second factor already.",
    "second_factor.is_off": "{name} has no second factor.",
    "second_factor.no_password": "You have no password here: a second factor is asked for by the "
    "login service.",
    "second_factor.required": "Everybody here needs a second factor: it cannot be turned off.",
    "second_factor.own_first": "Set up your own second factor first, on the page My account.",
    "login.unknown": "There is no such login; it may have ended.",
    "login.disabled": "The account of {name} is disabled. Ask an administrator.",
    "openid.lost_way": "This answer of the login service belongs to no login that was begun in "
    "this browser, or came too late. Begin again.",
    "openid.refused": "The login service did not let you in, or its word does not hold: {detail}",
    "openid.away": "The login service at {host} does not answer as it should: {detail}",
    "identity.unknown": "Nobody here logs in by {issuer} with this identity. Ask an administrator "
    "for an invitation, or log in and link the two on the page My account.",
    "identity.of_another": "This identity belongs to somebody else here.",
    "token.refused": "This token is not known, has expired, or was revoked. Make another on the "
    "page My account.",
    "token.scope": "This token may {scope:word} only, and this needs one that may {needed:word}.",
    "token.unknown": "There is no such token.",
    "token.too_many": "There are {most} tokens already: revoke one first.",
    "token.not_for_this": "A token cannot do this: log in with a browser.",
    "role.too_low": "{name} is a {role:word} here, and this needs the role {needed:word}. "
    "Administrators give roles.",
    "password.too_short": "use at least {least} characters; 15 and more are good",
    "password.common": "this is one of the passwords that are tried first; choose another",
    "password.wrong": "this is not your password",
    "password.differs": "the two are not the same",
    "person.unknown": "There is nobody named {name} here.",
    "person.name_taken": "{name} is somebody's name already",
    "person.last_administrator": "{name} is the only administrator: make somebody else one first.",
    "invitation.unknown": "This link leads to no invitation.",
    "invitation.over": "This link was used already, or its time is over.",
    "invitation.too_many": "{most} invitations are open already: withdraw some first.",
    "accounts.none": "This server has no accounts: it serves its own machine alone.",
    "account.invited": "{name} made an invitation for a new {role:word}",
    "account.invitation_withdrawn": "{name} withdrew an invitation for a new {role:word}",
    "account.joined": "{name} joined as {role:word}, invited by {invited_by}",
    "account.logged_in": "{name} logged in from {address}",
    "account.login_failed": "Somebody at {address} tried to log in as {person}",
    "account.code_failed": "Somebody at {address} knew the password of {person}, and no code",
    "account.second_factor_on": "{name} has a second factor from now on",
    "account.second_factor_off": "{name} turned the second factor off",
    "account.second_factor_reset": "{name} took the second factor of {person} away",
    "account.second_factor_required": "{name} asks a second factor of everybody",
    "account.second_factor_not_required": "{name} leaves it to everybody whether to have a second "
    "factor",
    "account.recovery_code_used": "{name} used a recovery code; {left} are left",
    "account.recovery_codes_made": "{name} made new recovery codes",
    "account.logged_out": "{name} logged out",
    "account.login_ended": "{name} ended a login of their own from {address}",
    "account.logins_ended": "{name} ended all other logins",
    "account.password_changed": "{name} chose a new password",
    "account.password_reset": "{name} chose a new password by a link of {invited_by}",
    "account.password_reset_invited": "{name} made a link for a new password of {person}",
    "account.role_changed": "{name} changed the role of {person} from {former:word} to {role:word}",
    "account.disabled": "{name} disabled the account of {person}",
    "account.enabled": "{name} enabled the account of {person}",
    "account.token_made": "{name} made the token {token} with the scope {scope:word}",
    "account.token_revoked": "{name} revoked the token {token}",
    "account.preemption_allowed": "{name} allowed preemption in queue {queue}",
    "account.preemption_forbidden": "{name} no longer allows preemption in queue {queue}",
    "account.identity_linked": "{name} logs in by {issuer} from now on",
}
