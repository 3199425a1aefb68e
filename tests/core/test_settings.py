"""Settings: bad values are refused by the name of their variable."""

import stat

import pytest

from core import settings
from core.settings import BadSettings, Settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRAINYARD_PORT", "many"),
        ("TRAINYARD_PORT", "70000"),
        ("TRAINYARD_DATABASE_URL", "mysql://host/name"),
        ("TRAINYARD_DATABASE_URL", "nonsense"),
        ("TRAINYARD_DATABASE_URL", "sqlite://"),
        ("TRAINYARD_REDIS_URL", "amqp://host"),
        ("TRAINYARD_ARTIFACTS_URL", "ftp://host/folder"),
        ("TRAINYARD_HOST", "0.0.0.0"),
        ("TRAINYARD_HOST", "example.org"),
        ("TRAINYARD_URL", "example.org"),
        ("TRAINYARD_SLOTS", "0"),
        ("TRAINYARD_QUEUES", " , "),
        ("TRAINYARD_LEASE_SECONDS", "0"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)

    with pytest.raises(BadSettings, match=variable):
        settings.load()


def test_the_server_is_kept_on_loopback_unless_the_risk_is_named(monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOST", "0.0.0.0")
    with pytest.raises(BadSettings, match="no accounts"):
        settings.load()

    monkeypatch.setenv("TRAINYARD_ALLOW_ANYONE_ON_THE_NETWORK", "1")
    assert settings.load().host == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.5.5.5"])
def test_loopback_addresses_are_fine(monkeypatch, host):
    monkeypatch.setenv("TRAINYARD_HOST", host)

    assert settings.load().host == host


def test_everything_lies_in_the_home_folder_by_default(tmp_path):
    made = Settings(home=tmp_path)

    assert made.database_address == f"sqlite:///{tmp_path}/trainyard.db"
    assert made.artifacts_address == f"file://{tmp_path}/artifacts"
    assert made.data_folder == tmp_path / "data"


def test_settings_survive_the_environment_of_a_child(monkeypatch, tmp_path):
    made = Settings(home=tmp_path, queues=("a", "b"), slots=2, port=9000, secret_key="s")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)

    assert settings.load() == made


def test_postgresql_is_spoken_to_by_psycopg():
    made = Settings(database_url="postgresql://user:pass@host/name")

    assert made.database_address == "postgresql+psycopg://user:pass@host/name"


def test_the_signing_key_is_made_once_and_is_nobody_elses(tmp_path):
    first, second = Settings(home=tmp_path / "h"), Settings(home=tmp_path / "h")

    assert first.signing_key == second.signing_key
    assert stat.S_IMODE((tmp_path / "h" / "secret_key").stat().st_mode) == 0o600
