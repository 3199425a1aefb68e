"""Whatever the API can do, the terminal can: each of its addresses is asked by a command."""

from __future__ import annotations

import json
import shlex

import pytest
from flask import request, request_started

from core import previews
from core.spec.presets import resolve

COMMANDS = {
    "api.add_webhook": "notifications add https://example.com/hook --on failed",
    "api.advice": "advice 1",
    "api.artifacts": "show 1",
    "api.attempts": "attempts 1",
    "api.audit": "audit",
    "api.cancel": "cancel 1",
    "api.cancel_many": "cancel 1 2",
    "api.change_person": "people disable eve",
    "api.change_webhook": "notifications disable 1",
    "api.choose_notifications": "notifications choose --on failed=browser",
    "api.clean": "clean --dry-run",
    "api.delete_many": "delete 1",
    "api.deliveries": "notifications log",
    "api.download": "download 1 -o {folder}",
    "api.drain_worker": "workers drain 1",
    "api.edit": "edit 1 --notes x",
    "api.epochs": "export 1",
    "api.evaluation": "evaluation 1",
    "api.events": "follow 1",
    "api.filters": "filters list",
    "api.history_of_job": "history 1",
    "api.invitations": "invite --list",
    "api.invite": "invite",
    "api.jobs": "jobs",
    "api.limit": "limits set eve --running 1",
    "api.limit_everybody": "limits set --running 1",
    "api.logs": "logs 1",
    "api.me": "whoami",
    "api.metrics": "export 1 metrics",
    "api.network": "network",
    "api.notifications": "notifications",
    "api.pause": "pause 1",
    "api.people": "people",
    "api.put_queue": "limits queue default --preempt",
    "api.queue": "queue",
    "api.remove_filter": "filters forget 1",
    "api.remove_webhook": "notifications remove 1",
    "api.replay_delivery": "notifications replay 1",
    "api.resources": "export 1 resources",
    "api.restore_many": "restore 1",
    "api.resume": "resume 1",
    "api.resume_worker": "workers resume 1",
    "api.retry": "retry 1",
    "api.retry_many": "retry 1 2",
    "api.rotate_webhook": "notifications rotate 1",
    "api.save_filter": "filters save mine state=failed",
    "api.sharing": "limits list",
    "api.show": "show 1",
    "api.storage": "storage",
    "api.submit": "submit --preset quick",
    "api.submit_many": "submit --file {file}",
    "api.tag_many": "tag 1 --add x",
    "api.test_webhook": "notifications test 1",
    "api.webhooks": "notifications",
    "api.withdraw_invitation": "invite --withdraw 1",
    "api.workers": "workers",
    "previews.ask": "preview -o {folder}/seen.png",
    "previews.show": "preview -o {folder}/seen.png",
}

"""A command that asks each of them."""

OTHERWISE = {
    "api.all_events": "`top` on a screen hears it: tests/cli/commands/test_live.py",
    "api.checkpoints": "the name that `artifacts` had in version 0.1",
    "api.delete": "`delete` asks for one or several by `delete_many`",
    "api.download_checkpoint": "the name that `download` had in version 0.1",
    "api.metrics_of_runs": "curves to be drawn over each other; `export` has each as a whole",
    "api.openapi": "for programs that make clients",
    "api.points": "the name that `metrics` had in version 0.1",
    "api.restore": "`restore` asks for one or several by `restore_many`",
    "api.spec_schema": "the terminal knows the spec by itself: `submit --help`",
    "api.streams": "all that a browser watches, over one connection",
    "api.take_news": "what a browser shows while no page of ours is looked at",
}
"""Why none does."""


def test_every_address_has_a_command_or_a_reason(app):
    addresses = {
        rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1/")
    }

    assert COMMANDS.keys() | OTHERWISE.keys() == addresses
    assert not COMMANDS.keys() & OTHERWISE.keys()


@pytest.fixture
def files(tmp_path, database, finished):
    """What the commands name."""
    (tmp_path / "runs.json").write_text(json.dumps([{"name": "x", "preset": "quick"}]))
    key = previews.ask(database, previews.request(resolve(None, {})))
    previews.finish(database, key, b"a picture")
    return {"file": str(tmp_path / "runs.json"), "folder": str(tmp_path)}


@pytest.mark.parametrize("endpoint", COMMANDS)
def test_an_address_is_asked_by_its_command(app, trainyard, files, endpoint):
    asked = set()

    def note(_app, **_):
        asked.add(request.endpoint)

    with request_started.connected_to(note, app):
        trainyard(*shlex.split(COMMANDS[endpoint].format(**files)))

    assert endpoint in asked
