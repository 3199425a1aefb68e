"""`trainyard mcp` where its package is missing."""

from __future__ import annotations

from cli.commands import agents


def test_without_its_package_a_sentence_says_what_to_install(trainyard, monkeypatch):
    monkeypatch.setattr(agents, "find_spec", lambda name: None)

    result = trainyard("mcp")

    assert result.exit_code == 1
    assert "pip install 'trainyard[agents]'" in result.stderr
