"""PostgreSQL and Redis by TLS, with certificates on both sides, as their addresses ask for it."""

import pytest
from sqlalchemy import make_url, text

from core import settings
from core.database.engine import Database, upgrade
from core.errors import DatabaseUnavailable
from core.messaging.notify import Notifier, celery_app
from core.messaging.pubsub import Wakeups
from tests.certificates import behind_tls, write_certificate

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("ours"), HOST)


@pytest.fixture(scope="module")
def of_another(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("another"), HOST)


@pytest.fixture
def redis_by_tls(redis_server, redis_url, certificate):
    """The address of a Redis that speaks TLS alone, with whoever shows a certificate."""
    shown, key = certificate
    with behind_tls(redis_server.port, certificate) as port:
        yield (
            f"rediss://{HOST}:{port}/0?ssl_ca_certs={shown}&ssl_certfile={shown}&ssl_keyfile={key}"
        )


def given(monkeypatch, name, address):
    """An address as the settings hand it over."""
    monkeypatch.setenv(f"TRAINYARD_{name.upper()}", str(address))
    return getattr(settings.load(), name)


def test_redis_by_tls_notifies_and_wakes(monkeypatch, redis_by_tls):
    url = given(monkeypatch, "redis_url", redis_by_tls)

    assert Notifier(url).notify("default")
    assert Wakeups(url).trouble(["default"]) is None
    with celery_app(url).connection_for_read() as connection:  # what a worker listens by
        connection.ensure_connection(max_retries=1, timeout=10)
        with connection.SimpleQueue("default") as queue:
            assert queue.get(timeout=10).headers["task"] == "trainyard.look"


def test_a_redis_with_another_certificate_is_not_believed(redis_by_tls, certificate, of_another):
    url = redis_by_tls.replace(f"ca_certs={certificate[0]}", f"ca_certs={of_another[0]}")

    assert not Wakeups(url).check()
    assert not Notifier(url).notify("default")


@pytest.fixture
def postgres_by_tls(postgres, certificate):
    """The address of a database into which a certificate alone lets somebody."""
    address = make_url(postgres.new_database())
    upgrade(address.render_as_string())
    with postgres.certified(address.database, certificate):
        yield address


def asking(address, certificate, root):
    shown, key = map(str, certificate)
    query = {"sslmode": "verify-full", "sslrootcert": str(root), "sslcert": shown, "sslkey": key}
    return address.update_query_dict(query).render_as_string(hide_password=False)


def test_postgresql_by_tls_knows_us_by_a_certificate(monkeypatch, postgres_by_tls, certificate):
    url = asking(postgres_by_tls, certificate, certificate[0])

    shown = text("SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    with (
        Database(given(monkeypatch, "database_url", url), pool_size=1) as database,
        database.reading() as session,
    ):
        row = session.execute(shown).one()

    assert tuple(row) == (True, "/CN=trainyard")


def test_a_postgresql_with_another_certificate_is_not_believed(
    postgres_by_tls, certificate, of_another
):
    for url in (
        asking(postgres_by_tls, certificate, of_another[0]),
        asking(postgres_by_tls, of_another, certificate[0]),
        postgres_by_tls.render_as_string(),
    ):
        with (
            Database(url, pool_size=1) as database,
            pytest.raises(DatabaseUnavailable),
            database.reading() as session,
        ):
            session.execute(text("SELECT 1"))
