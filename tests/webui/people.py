"""An installation with accounts, and clients of some people of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from core.accounts import invitations, logins, passwords, people, tokens
from core.accounts.logins import Browser
from core.jobs.actors import Actor
from webui import access
from webui.app import create_app
from webui.context import of

PASSWORD = "correct horse battery"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
HIDDEN = re.compile(r'<input type="hidden" name="(csrf_token|next)" value="([^"]+)"')


def hash_quickly(monkeypatch):
    """Hash passwords as ever, with less work."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(1, 8, 1))


@contextmanager
def shared(settings, monkeypatch, compiled_templates, *, csrf: bool = False) -> Iterator:
    """An installation with accounts; where `csrf` is false, forms need no token."""
    hash_quickly(monkeypatch)
    app = create_app(settings.model_copy(update={"accounts": "shared"}))
    app.testing = True
    app.config["WTF_CSRF_ENABLED"] = csrf
    app.jinja_env.bytecode_cache = compiled_templates
    made = Installation(app)
    yield made
    made.database.dispose()


@dataclass
class Installation:
    """An application with accounts."""

    app: Flask

    @property
    def database(self):
        return of(self.app).database

    def join(self, name: str, role: str = "member") -> Actor:
        """Make an account."""
        secret = invitations.invite(self.database, people.CONSOLE, role)
        return people.as_actor(invitations.accept(self.database, secret, name, PASSWORD))

    def browser(self, name: str, agent: str = "tests") -> FlaskClient:
        """A browser in which somebody is logged in."""
        secret, _ = logins.log_in(self.database, name, PASSWORD, Browser("127.0.0.1", agent))
        client = self.app.test_client()
        with self.app.test_request_context():
            client.set_cookie(access.cookie_name(of(self.app).settings), secret)
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return client

    def program(self, person: Actor, scope: str = "admin", days: float | None = None):
        """A program that shows a token of somebody."""
        text, _ = tokens.make(self.database, person, "tests", scope, days)
        client = self.app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
        return client


def sent(client, page: str, address: str, base_url: str = "http://localhost", **typed: str):
    """What a form of a page is answered with, sent to an address as a browser would."""
    html = client.get(page, base_url=base_url).text
    hidden = dict(
        re.findall(r'<input type="hidden" name="(csrf_token|next)" value="([^"]+)"', html)
    )
    assert "csrf_token" in hidden, page
    form = {name: unescape(text) for name, text in hidden.items()}
    return client.post(address, base_url=base_url, data=form | typed)
