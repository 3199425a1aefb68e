"""The exit statuses that docs/reference/terminal.md promises."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cli import exits
from cli.main import main
from core.errors import Conflict, InvalidInput, NotFound, Unavailable
from core.jobs import claim, endings
from core.jobs.endings import Failure
from core.messages import plain
from tests.cli.test_client import answering, page, serving


@pytest.mark.parametrize(
    ("state", "status"), [("succeeded", 0), ("failed", 1), ("cancelled", 3), ("paused", 1)]
)
def test_a_run_that_is_followed_gives_its_end_as_status(state, status):
    assert exits.of_state(state) == status


def test_each_error_has_its_status():
    assert exits.of_error(InvalidInput.one("epochs", "must be at least 1")) == exits.USAGE
    assert exits.of_error(Conflict("no")) == exits.REFUSED
    assert exits.of_error(NotFound("no")) == exits.of_error(Unavailable("no")) == exits.FAILED


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_follow_exits_as_the_run_has_ended(trainyard, database, claimant, end):
    trainyard("submit", "--preset", "quick")
    if end == "cancelled":
        trainyard("cancel", "1")
    else:
        lease = claim.claim(database, claimant, 30)
        if end == "failed":
            endings.end(database, lease, "failed", Failure("ValueError", plain("no luck"), ""))
        else:
            endings.succeed(database, lease, "c" * 64, [])

    assert trainyard("follow", "1").exit_code == {"succeeded": 0, "failed": 1, "cancelled": 3}[end]


@pytest.mark.parametrize("status", [401, 403, 409, 429])
def test_what_a_server_refuses_exits_with_4(status, monkeypatch, tmp_path):
    problem = json.dumps({"detail": "No, thank you."})
    with serving(answering(page(problem, status, "application/problem+json"))) as url:
        monkeypatch.setenv("TRAINYARD_URL", url)
        monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
        result = CliRunner().invoke(main, ["jobs"])

    assert (result.exit_code, result.stderr) == (4, "No, thank you.\n")
