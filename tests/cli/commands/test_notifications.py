"""Ways to be told of runs, from the terminal."""

from __future__ import annotations

import json

import pytest

from cli.commands import suggestions
from core.notifications.deliverer import Deliverer
from tests.cli.commands.test_completion import offered
from tests.core.notifications.conftest import receiver

__all__ = ["receiver"]


@pytest.fixture
def settings(settings):
    """Those of a server whose webhooks may reach this machine."""
    return settings.model_copy(update={"webhook_hosts": ("127.0.0.1",)})


@pytest.fixture
def deliver(database, settings):
    return Deliverer(database, settings).deliver


@pytest.fixture
def notifications(trainyard):
    """Runs a command of them that does well."""

    def run(*arguments, **more):
        done = trainyard("notifications", *arguments, **more)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


@pytest.fixture
def chat(notifications):
    """The address of a chat that is there as webhook 1: it is a secret, and piped in."""
    address = "https://chat.example/a-secret"
    notifications("add", "-", "--kind", "slack", "--on", "failed", input=address + "\n")
    return address


def test_a_webhook_is_added_tried_and_what_was_sent_is_sent_again(
    notifications, receiver, deliver, monkeypatch
):
    monkeypatch.setattr(suggestions, "LONGEST_WAIT_S", 60)
    made = notifications("add", receiver.address, "--on", "ended", "--on", "failed")
    assert "whsec_" in made
    assert receiver.address in (listed := notifications())
    assert "ended, failed" in listed
    assert "whsec_" not in listed

    receiver.answers.append((503, {}, b"not now"))
    notifications("test", "1")
    assert deliver() == 1
    assert "not now" in (sent := notifications("log"))
    assert "waiting" in sent
    replayed = json.loads(notifications("replay", "1", "--json"))
    assert deliver() == 1

    assert "delivered" in notifications("log")
    ids = [headers["webhook-id"] for _, headers, _ in receiver.got]
    assert ids == [replayed["event_id"]] * 2
    assert offered(monkeypatch, "trainyard notifications test ", 3) == ["1"]
    assert offered(monkeypatch, "trainyard notifications replay ", 3) == ["1"]


def test_events_are_taken_behind_commas_too(notifications, trainyard, chat):
    notifications("add", "https://hooks.example/x", "--on", "failed, ended", "--on", "failed")
    assert "ended, failed" in notifications()
    notifications("events", "2", "--on", "waited,measured")
    assert "waited, measured" in notifications()

    refused = trainyard("notifications", "events", "2", "--on", "failed,sometimes")
    assert refused.exit_code == 2
    assert "sometimes" in refused.output


def test_a_webhook_is_changed_and_forgotten(notifications, chat, tmp_path):
    own = tmp_path / "secret"
    own.write_text("SEC123\n")
    notifications("add", "https://d.example/", "--kind", "dingtalk", "--secret-file", str(own))
    assert "waited" in notifications("events", "1", "--on", "waited")

    notifications("disable", "1")
    first, second = json.loads(notifications("--json"))["webhooks"]
    assert (first["address"], first["enabled"], first["events"]) == (chat, False, ["waited"])
    assert (second["kind"], second["events"]) == ("dingtalk", ["ended"])
    assert "disabled" in notifications()
    notifications("enable", "1")
    notifications("remove", "2")

    assert [each["enabled"] for each in json.loads(notifications("--json"))["webhooks"]] == [True]


def test_a_new_secret_is_shown_and_that_of_a_chat_is_not_ours(notifications, trainyard, chat):
    refused = trainyard("notifications", "rotate", "1")
    assert (refused.exit_code, "given by the chat" in refused.stderr) == (4, True)
    notifications("add", "https://program.example/")

    assert "whsec_" in notifications("rotate", "2")


def test_mail_and_browser_are_chosen_and_what_is_not_named_stays(notifications, trainyard):
    notifications("choose", "--mail", "ada@lab.example", "--on", "failed=mail,browser")
    notifications("choose", "--metric", "train_loss", "--below", "0,2", "--on", "ended=browser")
    notifications("choose", "--wait-minutes", "5", "--on", "ended=none")

    shown = notifications()
    assert "ada@lab.example" in shown
    assert "waited: after 5 min; measured: train_loss below 0.2" in shown
    chosen = json.loads(notifications("--json"))["choices"]
    assert (chosen["failed"], chosen["ended"]) == (["mail", "browser"], [])
    for wrong in (["--on", "failed"], ["--on", "failed=pigeon"], ["--above", "1", "--below", "2"]):
        assert trainyard("notifications", "choose", *wrong).exit_code == 2
