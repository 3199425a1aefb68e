"""Who uses the terminal, and accounts that are made on the server's own machine."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pyotp
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.tokens import keep
from core import settings
from core.accounts import logins, people, second_factor, tokens
from core.accounts.logins import Browser
from tests.serving import serving
from tests.webui.people import PASSWORD, shared


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    with shared(settings, monkeypatch, compiled_templates) as made:
        yield made


@pytest.fixture
def trainyard(place, settings, monkeypatch, tmp_path):
    """Runs a command of the terminal, with what is piped into it."""
    with serving(place.app) as (_, address):
        monkeypatch.setenv("TRAINYARD_URL", address)
        monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "terminal"))
        monkeypatch.setenv("TRAINYARD_DATABASE_URL", settings.database_address)
        yield lambda *arguments, piped="": CliRunner().invoke(main, arguments, input=piped)


@pytest.fixture
def token(place):
    made, _ = tokens.make(place.database, place.join("eve"), "terminal", "submit", None)
    return made


def test_without_a_token_the_terminal_says_how_to_get_one(trainyard):
    refused = trainyard("jobs")

    assert refused.exit_code
    assert "trainyard login" in refused.output + refused.stderr


def test_a_token_is_piped_in_and_kept_in_a_file_of_its_owner_alone(trainyard, token, tmp_path):
    answer = trainyard("login", piped=f"{token}\n")

    [path] = [each for each in (tmp_path / "terminal").rglob("*") if token in _text(each)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "You are eve (member)" in answer.output
    assert token not in answer.output
    assert "eve, member; the token may: submit." in trainyard("whoami").output
    assert json.loads(trainyard("whoami", "--json").output)["name"] == "eve"
    assert not trainyard("submit", "--name", "x", "--private").exit_code
    assert json.loads(trainyard("show", "1", "--json").output)["private"] is True


def test_after_a_login_the_commands_go_to_that_server(trainyard, token, monkeypatch):
    address = os.environ["TRAINYARD_URL"]
    monkeypatch.delenv("TRAINYARD_URL")

    trainyard("login", "--url", address, piped=f"{token}\n")

    assert "eve, member" in trainyard("whoami").output
    keep(settings.load(), "https://trains.example", token)
    refused = trainyard("whoami")
    assert refused.exit_code == 2
    assert refused.stderr.count(address) == 1
    assert "--url" in refused.stderr


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def test_who_sees_a_run_is_changed_at_the_terminal(trainyard, token):
    trainyard("login", piped=f"{token}\n")
    trainyard("submit", "--name", "x")

    for option, expected in (("--private", True), ("--public", False)):
        changed = json.loads(trainyard("edit", "1", option, "--json").output)
        assert changed["private"] is expected


def test_lists_say_whose_each_run_is_and_which_are_private(trainyard, token):
    trainyard("login", piped=f"{token}\n")
    trainyard("submit", "--name", "hushed", "--private")
    trainyard("submit", "--name", "seen")

    head, *rows = trainyard("jobs").output.splitlines()
    shown = trainyard("show", "1").output

    assert "OWNER" in head.split()
    assert [row.split()[2:4] for row in rows] == [["seen", "eve"], ["hushed", "[private]"]]
    assert all("eve" in row.split() for row in rows)
    assert re.search(r"^owner +eve$", shown, re.MULTILINE)
    assert re.search(r"^seen by +its owner and administrators alone$", shown, re.MULTILINE)
    trainyard("filters", "save", "all", "state=queued")
    assert "OWNER" in trainyard("filters", "show", "all").output


def test_after_a_logout_the_terminal_is_nobody(trainyard, token):
    trainyard("login", piped=f"{token}\n")

    assert "Forgotten" in trainyard("logout").output
    assert trainyard("whoami").exit_code
    assert "There was no token" in trainyard("logout").output


@pytest.mark.parametrize("piped", ["", "x", "ty_" + "a" * 50])
def test_what_is_no_token_is_refused_before_it_is_sent(trainyard, piped):
    assert trainyard("login", piped=piped).exit_code


def test_a_revoked_token_is_not_kept(trainyard, place, token, tmp_path):
    with place.database.writing() as session:
        session.delete(session.get_one(tokens.Token, 1))

    assert trainyard("login", piped=f"{token}\n").exit_code
    assert not [each for each in (tmp_path / "terminal").rglob("*") if token in _text(each)]


def test_the_first_account_is_made_by_a_link_that_the_server_prints(trainyard, place):
    link = trainyard("admin", "invite").output.strip()

    found = re.fullmatch(r"http://127\.0\.0\.1:\d+(/invitations/\S+)", link)
    assert found is not None, link
    assert "administrator" in place.app.test_client().get(found[1]).text


def test_a_token_for_a_script_is_made_on_the_server(trainyard, place):
    place.join("eve")

    made = trainyard("admin", "token", "eve", "--scope", "read", "--days", "1").output

    assert "read" in trainyard("login", piped=made).output + trainyard("whoami").output
    assert "nobody" in trainyard("admin", "token", "nobody").stderr


def test_an_administrator_who_is_locked_out_is_let_in_from_the_server(trainyard, place):
    place.join("ada", "administrator")
    assert "has no second factor" in trainyard("admin", "remove-second-factor", "ada").stderr
    with people.changing(place.database) as session:
        person = people.named(session, "ada")
        app = pyotp.TOTP(second_factor.begin(session, person))
        second_factor.confirm(session, person, app.now())

    assert "Everybody" in trainyard("admin", "require-second-factor").output
    assert "by the password alone" in trainyard("admin", "remove-second-factor", "ada").output

    begun = logins.log_in(place.database, "ada", PASSWORD, Browser("127.0.0.1", "tests"))
    assert begun.lacks == "setup"
    trainyard("admin", "require-second-factor", "--off")
    assert place.browser("ada").get("/people").status_code == 200


def test_doctor_says_whether_there_is_an_administrator(trainyard, place, monkeypatch):
    monkeypatch.setenv("TRAINYARD_ACCOUNTS", "shared")

    def words():
        checks = json.loads(trainyard("doctor", "--json").output)
        return next(each["words"] for each in checks if each["subject"] == "accounts")

    assert "trainyard admin invite" in words()
    place.join("ada", "administrator")
    assert words() == "people: 1, administrators among them: 1"
