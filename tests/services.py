"""Real services for the tests, on free ports of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil
import psycopg
import pytest
import redis

from cli.stack import broker
from cli.stack.ports import free_port
from core.database.models import Base
from core.settings import Settings, variable

START_TIMEOUT_S = 120.0


class UnavailableHereError(Exception):
    """A service cannot be had on this machine."""


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting out of the environment."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)


LOOKS_COST = 9
"""One part in ten of the time is spent on looking."""

SLOWEST_LOOK_S = 0.2


def wait_until(
    condition: Callable[[], object],
    what: str,
    timeout: float = START_TIMEOUT_S,
    every: float = 0.02,
) -> None:
    """Look again and again until a condition holds; a test fails with `what` when it does not.

    A look that is dear is taken less often: most of the core is left to what is waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        looked_at = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        assert now < deadline, f"waited {timeout:.0f} s in vain: {what}"
        time.sleep(min(max(every, LOOKS_COST * (now - looked_at)), SLOWEST_LOOK_S))


def wait_until_gone(processes: Sequence[psutil.Process], timeout: float = START_TIMEOUT_S) -> None:
    """Wait until processes have ended. One that waits to be collected by its parent has ended."""
    for process in processes:
        wait_until(lambda process=process: is_gone(process), f"{process} is gone", timeout)


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that waits to be collected by its parent has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class RedisServer:
    """A Redis-protocol server: the machine's own, else the one from the wheel."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [broker.find_server(), *options],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "Redis answers")

    def stop(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    def flush(self) -> None:
        """Forget everything."""
        with redis.Redis.from_url(self.url) as connection:
            connection.flushall()

    def replicate(self, host: str, port: int | str) -> None:
        """Be a replica of another server, which only reads; of `NO` `ONE`: of none."""
        with redis.Redis.from_url(self.url) as connection:
            connection.execute_command("REPLICAOF", host, port)

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as connection, contextlib.suppress(redis.RedisError):
            return bool(connection.ping())
        return False


class Postgres:
    """A PostgreSQL server with a data folder of its own."""

    def __init__(self, connections: int = 200, options: Sequence[str] = ()) -> None:
        """Find the programs; so many connections will be taken at once.

        Args:
            connections: the most.
            options: more of what the server is configured with, each as `name=value`.
        """
        self._options = ("fsync=off", f"max_connections={connections}", *options)
        self._programs = _postgres_programs()
        self._user = _postgres_user()
        # not pytest's folder: that one is closed to the other user
        self._folder = Path(tempfile.mkdtemp(prefix="trainyard-postgres-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", str(self._data), "-U", "trainyard", "-A", "trust", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [
            str(self._programs / "postgres"),
            *("-D", str(self._data), "-h", "127.0.0.1", "-p", str(self._port)),
            *("-k", str(self._folder)),
            *(part for option in self._options for part in ("-c", option)),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self._user
        )
        wait_until(self._answers, "PostgreSQL answers")

    def stop(self) -> None:
        """Stop the server as a crash would; its clients lose their connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown
            self._process.wait(60)
            self._process = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    def new_database(self) -> str:
        """Make a database, and give its address."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._address(name).replace("postgresql://", "postgresql+psycopg://")

    @contextlib.contextmanager
    def certified(self, database: str, certificate: tuple[Path, Path]) -> Iterator[None]:
        """Speak TLS for a while, and let nobody into a database who does not show a certificate."""
        shown, key = (self._folder / each.name for each in certificate)
        for source, target in zip(certificate, (shown, key), strict=True):
            shutil.copy(source, target)
            if self._user:
                shutil.chown(target, self._user)
        rules = self._data / "pg_hba.conf"
        former = rules.read_text()
        only = f"hostssl {database} all all cert\nhostnossl {database} all all reject\n"
        try:
            rules.write_text(only + former)
            self._configure(ssl="on", ssl_cert_file=shown, ssl_key_file=key, ssl_ca_file=shown)
            yield
        finally:
            rules.write_text(former)
            self._configure(ssl="off")

    def _configure(self, ssl: str, **more: object) -> None:
        """Change settings of the server as it runs; new connections have them."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            for name, value in (more | {"ssl": ssl}).items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")
        wait_until(lambda: self._shows("ssl") == ssl, "PostgreSQL has read its settings")

    def _shows(self, name: str) -> object:
        with psycopg.connect(self._address("postgres")) as connection:
            return connection.execute(f"SHOW {name}").fetchall()[0][0]

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _address(self, name: str) -> str:
        return f"postgresql://trainyard@127.0.0.1:{self._port}/{name}"

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self._address("postgres"), connect_timeout=2).close()
            return True
        return False

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self._folder,
            env=_without_locale(os.environ),
        )


_EMPTY_SMALL_TABLES = """
DO $$
DECLARE each record;
BEGIN
    SET LOCAL session_replication_role = replica;  -- no foreign key asks for an order
    FOR each IN SELECT oid::regclass AS name FROM pg_class
        WHERE oid = ANY ('{tables}'::regclass[]) AND pg_relation_size(oid) > 0
    LOOP EXECUTE format('DELETE FROM %s', each.name); END LOOP;
    FOR each IN SELECT format('%I.%I', schemaname, sequencename) AS name FROM pg_sequences
        WHERE last_value IS NOT NULL
    LOOP EXECUTE format('ALTER SEQUENCE %s RESTART', each.name); END LOOP;
END $$
"""
"""A TRUNCATE makes new files for every table and index, which costs more than most tests."""

LARGE_BYTES = 256 * 1024
"""Of a table that is truncated: its rows are many, or what was deleted has left it long."""


def empty_tables(address: str) -> None:
    """Throw everybody off a PostgreSQL database, and all rows out of its tables."""
    plain = address.replace("postgresql+psycopg://", "postgresql://")
    named = [table for table in Base.metadata.tables if table != "instances"]  # of migrations
    tables = ", ".join(named)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with connection.transaction():
            connection.execute(f"LOCK TABLE {tables}")  # whoever is thrown off has let go
            size = "SELECT max(pg_relation_size(each)) FROM unnest(%s::regclass[]) AS each"
            [[largest]] = connection.execute(size, [named]).fetchall()
            if largest > LARGE_BYTES:
                connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
            else:
                connection.execute(_EMPTY_SMALL_TABLES.replace("{tables}", f"{{{tables}}}"))


def _without_locale(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in environment.items() if not k.startswith("LC_") and k != "LANG"}
    return kept | {"LC_ALL": "C.UTF-8"}


def _postgres_programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if debian:
        return debian[-1].parent
    raise UnavailableHereError("no initdb on this machine; install PostgreSQL to run these tests")


def _postgres_user() -> str | None:
    """PostgreSQL refuses root: the user to start it as, or None for our own."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise UnavailableHereError("PostgreSQL refuses root, and there is no other user to start it as")
