"""The blueprint of the API; each file beside this one adds the addresses of a resource."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
