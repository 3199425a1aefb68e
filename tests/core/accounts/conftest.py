"""An installation with people."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from core.accounts import invitations, logins, passwords, people
from core.accounts.logins import Browser, Lifetime

PASSWORD = "correct horse battery"
BROWSER = Browser("10.0.0.7", "Firefox")
LIFETIME = Lifetime(idle_s=3600.0, whole_s=86_400.0)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch):
    """Passwords are hashed as ever, with less work."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(1, 8, 1))
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def join(database):
    """Makes the account of somebody, by an invitation."""

    def made(name, role="member"):
        secret = invitations.invite(database, people.CONSOLE, role)
        return people.as_actor(invitations.accept(database, secret, name, PASSWORD))

    return made


@pytest.fixture
def ada(join):
    """An administrator."""
    return join("ada", "administrator")


@pytest.fixture
def log_in(database):
    """Logs somebody in; the secret of the cookie."""

    def begun(name, password=PASSWORD, browser=BROWSER):
        return logins.log_in(database, name, password, browser)[0]

    return begun


@pytest.fixture
def find(database):
    """Who a cookie's secret is of."""

    def found(secret, lifetime=LIFETIME):
        with database.reading() as session:
            return logins.find(session, secret, lifetime)

    return found
