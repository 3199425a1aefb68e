"""Saved views of the list, from the terminal."""

from __future__ import annotations


def test_a_view_is_saved_used_and_forgotten(trainyard):
    trainyard("submit", "--dataset", "digits", "--name", "mine")
    trainyard("submit", "--dataset", "mnist", "--name", "other")

    saved = trainyard("filters", "save", "my digits", "dataset=digits&state=queued")

    assert saved.exit_code == 0, saved.output
    assert "my digits" in trainyard("filters", "list").stdout
    shown = trainyard("filters", "show", "my digits").stdout
    assert ("mine" in shown, "other" in shown) == (True, False)
    assert trainyard("filters", "forget", "1").exit_code == 0
    unknown = trainyard("filters", "show", "my digits")
    assert (unknown.exit_code, "no saved view" in unknown.stderr) == (1, True)
