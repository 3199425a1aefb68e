"""A real server of the web application."""

from __future__ import annotations

import httpx
import pytest

from tests.serving import serving


@pytest.fixture
def served(app):
    """The server, and its address."""
    with serving(app) as (server, address):
        yield server, address


@pytest.fixture
def browser(served):
    with httpx.Client(base_url=served[1], timeout=20) as made:
        yield made


@pytest.fixture
def hub(served):
    """Who watches, and what."""
    return served[0].hub
