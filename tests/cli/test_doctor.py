"""The doctor: what is there, what is not, and what to do about it. Nothing is changed."""

import json
import os

import pytest
from click.testing import CliRunner

from cli.doctor import _unencrypted
from cli.main import main
from core import workers
from core.accounts import tokens
from core.settings import load
from core.workers import WorkerFacts
from tests.serving import serving
from tests.webui.people import shared
from tests.webui.provider import providing


@pytest.fixture
def examine(trainyard):
    """The exit status and the checks by subject."""

    def look():
        result = trainyard("doctor", "--json")
        return result.exit_code, {check["subject"]: check for check in json.loads(result.stdout)}

    return look


@pytest.fixture
def _on_the_same_services(monkeypatch, settings):
    monkeypatch.setenv("TRAINYARD_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TRAINYARD_REDIS_URL", settings.redis_url)


@pytest.mark.usefixtures("_on_the_same_services")
def test_services_that_are_there_are_good(examine, claimant):
    _, checks = examine()

    for subject in ("python", "settings", "home", "database", "storage", "redis", "server"):
        assert checks[subject]["state"] == "good", checks[subject]
    assert "ada (1 slot)" in checks["workers"]["words"]
    assert "0 queued" in checks["database"]["words"]


@pytest.mark.usefixtures("_on_the_same_services")
@pytest.mark.parametrize(("is_served", "state"), [(True, "note"), (False, "bad")])
def test_a_lost_worker_is_told(examine, claimant, database, is_served, state):
    with database.writing() as session:
        workers.mark_lost(session, claimant.worker_id)
    if is_served:
        workers.register(database, WorkerFacts("eve", 1, "0", ["default"], [], 1))

    _, checks = examine()

    assert checks["workers"]["state"] == state
    assert "ada is lost" in checks["workers"]["words"]


@pytest.mark.parametrize(
    ("variable", "value", "state"),
    [
        ("TRAINYARD_REDIS_URL", "redis://redis.invalid/0", "note"),
        ("TRAINYARD_REDIS_URL", "rediss://redis.invalid/0", "good"),
        ("TRAINYARD_REDIS_URL", "redis://127.0.0.1:1/0", "good"),
        ("TRAINYARD_DATABASE_URL", "postgresql://db.invalid/x?sslmode=require", "note"),
        ("TRAINYARD_DATABASE_URL", "postgresql://db.invalid/x?sslmode=verify-full", "good"),
        ("AWS_ENDPOINT_URL", "http://s3.invalid", "note"),
    ],
)
def test_a_service_elsewhere_that_is_spoken_to_without_tls_is_noted(
    monkeypatch, variable, value, state
):
    monkeypatch.setenv(variable, value)

    assert _unencrypted(load()).state == state


@pytest.mark.usefixtures("_on_the_same_services")
@pytest.mark.parametrize(
    ("variable", "value", "subject"),
    [
        ("TRAINYARD_REDIS_URL", "redis://127.0.0.1:1/0", "redis"),
        ("TRAINYARD_DATABASE_URL", "postgresql://127.0.0.1:1/x", "database"),
        ("TRAINYARD_URL", "http://127.0.0.1:1", "server"),
    ],
)
def test_a_service_that_is_away_is_bad_and_so_is_the_exit(
    examine, monkeypatch, variable, value, subject
):
    monkeypatch.setenv(variable, value)

    status, checks = examine()

    assert status == 1
    assert checks[subject]["state"] == "bad"


def test_a_server_elsewhere_is_asked_for_its_accounts_and_workers(
    examine, monkeypatch, settings, claimant
):
    _, checks = examine()
    url = os.environ["TRAINYARD_URL"]
    assert checks["accounts"]["words"] == f"none at {url}: all is its owner's"
    assert checks["workers"]["words"] == "ada (1 slot)"

    monkeypatch.setenv("TRAINYARD_URL", "http://127.0.0.1:1")
    _, checks = examine()
    assert checks["accounts"]["words"] == "none by the settings of this machine"
    assert checks["workers"]["words"].startswith("not known: ")


def test_of_a_shared_server_the_doctor_says_who_you_are_there(
    monkeypatch, settings, compiled_templates, tmp_path
):
    def accounts():
        output = CliRunner().invoke(main, ["doctor", "--json"]).stdout
        return next(each for each in json.loads(output) if each["subject"] == "accounts")

    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "terminal"))
    with shared(settings, monkeypatch, compiled_templates) as place:
        text, _ = tokens.make(place.database, place.join("eve"), "terminal", "read", None)
        with serving(place.app) as (_, address):
            monkeypatch.setenv("TRAINYARD_URL", address)
            stranger = accounts()
            monkeypatch.setenv("TRAINYARD_TOKEN", text)
            known = accounts()

    assert stranger["state"] == "note"
    assert f"trainyard login --url {address}" in stranger["words"]
    assert known["words"] == f"{address} has them: you are eve (member)"


def test_a_file_store_that_cannot_be_made_is_bad(examine, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("TRAINYARD_STORAGE_URL", (tmp_path / "a file" / "store").as_uri())

    status, checks = examine()

    assert (status, checks["storage"]["state"]) == (1, "bad")


def test_a_misspelt_setting_is_noted(examine, monkeypatch):
    monkeypatch.setenv("TRAINYARD_TYPO", "1")

    assert "TRAINYARD_TYPO" in examine()[1]["settings"]["words"]


def test_a_home_folder_that_others_can_read_is_noted(examine, tmp_path, monkeypatch):
    home = tmp_path / "home of mine"
    home.mkdir(mode=0o755)
    monkeypatch.setenv("TRAINYARD_HOME", str(home))
    _, checks = examine()
    assert checks["home"]["state"] == "note"
    assert "chmod go-rwx" in checks["home"]["words"]

    home.chmod(0o700)

    _, checks = examine()
    assert checks["home"]["state"] == "good"


def test_the_openid_provider_is_asked_whether_it_is_the_one_that_is_named(examine, monkeypatch):
    with providing() as provider:
        monkeypatch.setenv("TRAINYARD_OPENID_ISSUER", provider.issuer)
        monkeypatch.setenv("TRAINYARD_OPENID_CLIENT_ID", "trainyard")
        assert examine()[1]["openid"]["state"] == "good"
        monkeypatch.setenv("TRAINYARD_OPENID_ISSUER", f"{provider.issuer}/")
        assert "calls itself" in examine()[1]["openid"]["words"]

    assert examine()[1]["openid"]["state"] == "bad"


def test_a_fresh_home_is_only_noted(examine):
    _, checks = examine()

    for subject in ("database", "workers", "data mnist", "data digits"):
        assert checks[subject]["state"] == "note", checks[subject]


def test_people_get_a_table(trainyard):
    output = trainyard("doctor").stdout

    assert "python" in output
    assert "data fashion_mnist" in output
