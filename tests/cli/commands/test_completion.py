"""What a shell offers."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.commands import suggestions
from cli.main import main


def offered(monkeypatch, words, at):
    """What bash would offer at a place of a line."""
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(at))
    environment = {"_TRAINYARD_COMPLETE": "bash_complete"}
    shown = CliRunner().invoke(main, [], prog_name="trainyard", env=environment)
    return [line.partition(",")[2] for line in shown.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_its_script(shell):
    shown = CliRunner().invoke(main, ["completion", shell])

    assert shown.exit_code == 0, shown.output
    assert "_TRAINYARD_COMPLETE" in shown.stdout


def test_commands_runs_and_tags_are_completed(trainyard, monkeypatch):
    monkeypatch.setattr(suggestions, "LONGEST_WAIT_S", 60)
    trainyard("submit", "--preset", "quick", "--tag", "thesis")

    assert "compare" in offered(monkeypatch, "trainyard com", 1)
    assert offered(monkeypatch, "trainyard show ", 2) == ["1"]
    assert offered(monkeypatch, "trainyard compare 1 ", 3) == ["1"]
    assert offered(monkeypatch, "trainyard jobs --tag th", 3) == ["thesis"]


def test_a_server_that_is_away_offers_nothing(trainyard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_URL", "http://127.0.0.1:1")

    assert offered(monkeypatch, "trainyard show ", 2) == []
