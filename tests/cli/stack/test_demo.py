"""The demo is its owner's alone, or comes in by a token where others have accounts too."""

import pytest
from rich.console import Console

from cli import tokens
from cli.stack import demo, endpoint
from core.settings import Settings


class ReachedError(Exception):
    """What was to be looked at has been seen."""


def test_on_a_stack_of_its_own_nobody_has_to_log_in(tmp_path, monkeypatch):
    chosen = []

    def made(settings, _say):
        chosen.append(settings)
        raise ReachedError

    monkeypatch.setattr(demo, "Stack", made)
    settings = Settings(home=tmp_path, host="0.0.0.0", accounts="shared")

    with pytest.raises(ReachedError):
        demo.run(settings, Console())

    [alone] = chosen
    assert (alone.host, alone.has_accounts) == ("127.0.0.1", False)
    environment = alone.environment()
    assert (environment["TRAINYARD_ACCOUNTS"], environment["TRAINYARD_HOST"]) == (
        "local",
        "127.0.0.1",
    )


def test_on_a_stack_that_is_up_it_shows_the_token_that_is_kept(tmp_path, monkeypatch):
    settings = Settings(home=tmp_path)
    tokens.keep(settings, "http://127.0.0.1:1", "ty_kept")
    shown = []

    def client(url, token=None):
        shown.append((url, token))
        raise ReachedError

    monkeypatch.setattr(demo, "Client", client)
    running = endpoint.Running("http://127.0.0.1:1", 1, 0.0)
    monkeypatch.setattr(endpoint, "find_running", lambda _home: running)

    with pytest.raises(ReachedError):
        demo.run(settings, Console())

    assert shown == [("http://127.0.0.1:1", "ty_kept")]
