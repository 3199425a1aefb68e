"""What people may be here, and how much of it a token of theirs may do."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["viewer", "member", "administrator"]
"""viewer: sees; member: submits, and acts on runs of their own; administrator: does everything."""

Scope = Literal["read", "submit", "admin"]
"""Of a token, which never may more than its owner: read, what a member may, or everything."""

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)
