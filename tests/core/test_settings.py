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
        ("TRAINYARD_DATABASE_URL", "sqlite:///:memory:"),
        ("TRAINYARD_DATABASE_URL", "postgresql://host:port/name"),
        ("TRAINYARD_REDIS_URL", "amqp://host"),
        ("TRAINYARD_REDIS_URL", "redis://host:port/0"),
        ("TRAINYARD_REDIS_URL", "redis://host:99999/0"),
        ("TRAINYARD_STORAGE_URL", "ftp://host/folder"),
        ("TRAINYARD_STORAGE_URL", "file://folder"),
        ("TRAINYARD_STORAGE_URL", "s3://"),
        ("TRAINYARD_STORAGE_URL", "s3:///prefix"),
        ("TRAINYARD_URL", "example.org"),
        ("TRAINYARD_URL", "http://"),
        ("TRAINYARD_URL", "http://host:port"),
        ("TRAINYARD_URL", "http://host:99999"),
        ("TRAINYARD_SLOTS", "0"),
        ("TRAINYARD_QUEUES", " , "),
        ("TRAINYARD_LEASE_SECONDS", "3.9"),
        ("TRAINYARD_LEASE_SECONDS", "nan"),
        ("TRAINYARD_GRACE_SECONDS", "-1"),
        ("TRAINYARD_WEB_THREADS", "1"),
        ("TRAINYARD_TRUSTED_HOSTS", "*"),
        ("TRAINYARD_TRUSTED_HOSTS", ".example.org"),
        ("TRAINYARD_TRUSTED_HOSTS", "trains.example, a b"),
        ("TRAINYARD_TRUSTED_HOSTS", "trains.example/path"),
        ("TRAINYARD_TRUSTED_HOSTS", "ada@trains.example"),
        ("TRAINYARD_TRUSTED_HOSTS", "trains.example:port"),
        ("TRAINYARD_TRUSTED_HOSTS", "[::1"),
        ("TRAINYARD_TRUSTED_PROXIES", "nginx"),
        ("TRAINYARD_WORKER_NAME", "w" * 121),
        ("TRAINYARD_ACCOUNTS", "perhaps"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)

    with pytest.raises(BadSettings, match=variable) as caught:
        settings.load()
    assert "rror" not in str(caught.value)  # none of pydantic's own words


def test_every_bad_value_is_named_at_once(monkeypatch):
    monkeypatch.setenv("TRAINYARD_PORT", "many")
    monkeypatch.setenv("TRAINYARD_SLOTS", "-1")

    with pytest.raises(BadSettings) as caught:
        settings.load()

    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "TRAINYARD_PORT",
        "TRAINYARD_SLOTS",
    ]


def test_every_setting_says_what_it_is_for():
    for name, field in Settings.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("variable", ["TRAINYARD_SLOTS", "TRAINYARD_DATA", "TRAINYARD_URL"])
def test_an_empty_variable_is_one_that_is_not_set(monkeypatch, variable):
    monkeypatch.setenv(variable, "")

    assert settings.load() == Settings()


def test_names_are_split_at_commas(monkeypatch):
    monkeypatch.setenv("TRAINYARD_QUEUES", "gpu, default,")
    monkeypatch.setenv("TRAINYARD_TRUSTED_HOSTS", "trains.example.org")

    assert settings.load().queues == ("gpu", "default")
    assert settings.load().trusted_hosts == ("trains.example.org",)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Trains.Example", "trains.example"),
        ("https://trains.example/", "trains.example"),
        ("TRAINS.example:8080", "trains.example:8080"),
        ("2001:DB8::1", "[2001:db8::1]"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_host", "my_host"),
    ],
)
def test_a_host_is_named_as_browsers_do(written, name):
    assert Settings(trusted_hosts=written).trusted_hosts == (name,)


def test_the_address_of_the_server_has_no_slash_at_its_end(monkeypatch):
    monkeypatch.setenv("TRAINYARD_URL", "https://trains.example.org/")

    assert settings.load().url == "https://trains.example.org"


def test_whoever_serves_others_has_accounts(monkeypatch):
    assert not settings.load().has_accounts

    monkeypatch.setenv("TRAINYARD_HOST", "0.0.0.0")
    assert settings.load().has_accounts

    monkeypatch.setenv("TRAINYARD_ACCOUNTS", "local")
    with pytest.raises(BadSettings, match="nobody logs in"):
        settings.load()


@pytest.mark.parametrize(
    ("trusted", "has_accounts"), [("trains.example", True), ("127.0.0.1:8443, localhost", False)]
)
def test_a_name_that_others_use_means_accounts(monkeypatch, trusted, has_accounts):
    monkeypatch.setenv("TRAINYARD_TRUSTED_HOSTS", trusted)

    assert settings.load().has_accounts is has_accounts


def test_a_proxy_that_asks_who_is_there_may_stand_before_a_server_without_accounts(monkeypatch):
    monkeypatch.setenv("TRAINYARD_TRUSTED_HOSTS", "trains.example")
    monkeypatch.setenv("TRAINYARD_ACCOUNTS", "local")

    assert not settings.load().has_accounts


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.5.5.5"])
def test_loopback_addresses_are_fine(monkeypatch, host):
    monkeypatch.setenv("TRAINYARD_HOST", host)

    assert settings.load().host == host


def test_an_ipv6_address_may_be_written_as_in_a_url(monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOST", "[::1]")

    assert settings.load().host == "::1"


def test_everything_lies_in_the_home_folder_by_default(tmp_path):
    made = Settings(home=tmp_path)

    assert made.database_address == f"sqlite:///{tmp_path}/trainyard.db"
    assert made.storage_address == f"file://{tmp_path}/artifacts"
    assert made.data_folder == tmp_path / "data"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"queues": ("a", "b"), "slots": 2, "port": 9000, "secret_key": "s"},
        {"host": "0.0.0.0", "accounts": "shared", "trusted_hosts": ("web", "b")},
        {"database_url": "postgresql://user:p%40ss@host:5432/name", "url": "http://web:80"},
        {"storage_url": "s3://bucket/prefix", "lease_seconds": 4.5, "data": "/data"},
    ],
    ids=["defaults", "worker", "open", "database", "store"],
)
def test_settings_survive_the_environment_of_a_child(monkeypatch, tmp_path, values):
    made = Settings(home=tmp_path, **values)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)

    assert settings.load() == made


def test_postgresql_is_spoken_to_by_psycopg():
    made = Settings(database_url="postgresql://user:pass@host/name")

    assert made.database_address == "postgresql+psycopg://user:pass@host/name"


def test_a_home_folder_is_made_for_its_owner_alone(tmp_path):
    Settings(home=tmp_path / "above" / "home").make_home()

    assert stat.S_IMODE((tmp_path / "above" / "home").stat().st_mode) == 0o700


def test_the_signing_key_is_made_once_and_is_nobody_elses(tmp_path):
    first, second = Settings(home=tmp_path / "h"), Settings(home=tmp_path / "h")

    assert first.signing_key == second.signing_key
    assert stat.S_IMODE((tmp_path / "h" / "secret_key").stat().st_mode) == 0o600


def test_a_secret_may_lie_in_a_file(monkeypatch, tmp_path):
    path = tmp_path / "address"
    path.write_text("postgresql://ada:secret@host/name\n")
    monkeypatch.setenv("TRAINYARD_DATABASE_URL_FILE", str(path))

    assert settings.load().database_url == "postgresql+psycopg://ada:secret@host/name"

    monkeypatch.setenv("TRAINYARD_DATABASE_URL", "postgresql://other/name")
    with pytest.raises(BadSettings, match="TRAINYARD_DATABASE_URL_FILE are both set"):
        settings.load()
    monkeypatch.setenv("TRAINYARD_DATABASE_URL", "")
    path.unlink()
    with pytest.raises(BadSettings, match=r"TRAINYARD_DATABASE_URL_FILE: .* cannot be read"):
        settings.load()


def test_the_keys_of_the_object_store_may_lie_in_files(monkeypatch, tmp_path):
    path = tmp_path / "key"
    path.write_text("plugh\n")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(path))

    assert settings.load().storage_keys == {"secret_access_key": "plugh"}

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "xyzzy")
    with pytest.raises(BadSettings, match="AWS_SECRET_ACCESS_KEY_FILE are both set"):
        settings.load()


def test_a_bad_secret_is_refused_without_being_shown(monkeypatch):
    for name, value in (
        ("DATABASE_URL", "xyzzy://ada:plugh@host"),
        ("REDIS_URL", "http://:plugh@x"),
    ):
        monkeypatch.setenv(f"TRAINYARD_{name}", value)
        with pytest.raises(BadSettings) as caught:
            settings.load()
        assert "plugh" not in str(caught.value)
        monkeypatch.delenv(f"TRAINYARD_{name}")
