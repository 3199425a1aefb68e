"""Every setting of Trainyard, read from `TRAINYARD_*` variables in this one file.

A value that cannot be used is refused with the variable's name and what to write instead.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import TrainyardError
from core.messages import message
from core.spec.validation import WrongValue, explain

PRIVATE_FOLDER = 0o700
PREFIX = "TRAINYARD_"
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
DEFAULT_PORT = 8327


class BadSettings(TrainyardError):
    """One or more `TRAINYARD_*` variables hold values that cannot be used."""


MOST_REQUESTS = 600
"""That a person may make of the API in a minute, where nothing else is set."""


class Settings(BaseSettings):
    """The settings of one process. Field `database_url` is variable `TRAINYARD_DATABASE_URL`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    home: Annotated[
        Path, Field(description="Folder of the database, blobs, datasets and logs.")
    ] = Path("~/.trainyard")
    host: Annotated[str, Field(description="Address that the web server listens on.")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=1, le=65535, description="Port that the web server listens on.")
    ] = DEFAULT_PORT
    url: Annotated[
        str | None, Field(description="Address of the server that the terminal talks to.")
    ] = None
    database_url: Annotated[
        str, Field(description="SQLAlchemy address; empty: SQLite inside TRAINYARD_HOME.")
    ] = ""
    redis_url: Annotated[
        str, Field(description="Address of the Redis server that notifies the workers.")
    ] = "redis://127.0.0.1:6379/0"
    storage_url: Annotated[
        str,
        Field(description="Where blobs live: file:///folder or s3://bucket/prefix; empty: home."),
    ] = ""
    data: Annotated[
        Path | None, Field(description="Folder of the datasets; empty: inside TRAINYARD_HOME.")
    ] = None
    secret_key: Annotated[
        str,
        Field(description="Signs form tokens; empty: made once and kept in TRAINYARD_HOME."),
    ] = ""
    trusted_hosts: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Further host names, comma separated, that browsers may use; with the port "
            "(trains.example:8080) where a proxy does not pass it on."
        ),
    ] = ()
    token: Annotated[
        SecretStr | None,
        Field(description="API token that the terminal shows; else what trainyard login stored."),
    ] = None
    accounts: Annotated[
        Literal["auto", "local", "shared"],
        Field(
            description="shared: people log in; local: whoever reaches this machine's loopback is "
            "the one owner; auto: local where TRAINYARD_HOST is loopback and no other host is "
            "trusted, else shared."
        ),
    ] = "auto"
    login_idle_hours: Annotated[
        float, Field(ge=0.01, le=8760, description="Hours after which an unused login ends.")
    ] = 72.0
    login_days: Annotated[
        float, Field(ge=0.01, le=365, description="Days after which a login ends in any case.")
    ] = 30.0
    requests_per_minute: Annotated[
        int | None,
        Field(
            ge=0,
            le=1_000_000,
            description="How often a person may ask the API; 0: without limit; empty: 600 where "
            "people have accounts, else without limit.",
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Addresses or networks of proxies in front, comma separated: what they say "
            "of a request (X-Forwarded-For, X-Forwarded-Proto) is believed. None by default."
        ),
    ] = ()
    metrics_token: Annotated[
        str,
        Field(description="Whoever sends it may read /metrics; empty: this host alone may."),
    ] = ""
    web_threads: Annotated[
        int,
        Field(
            ge=4,
            le=1024,
            description="Requests that a process answers at once; a page that is watched is none.",
        ),
    ] = 64
    web_processes: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Processes of the web server behind one port. One serves a team; more use "
            "more cores where many programs submit or many people look.",
        ),
    ] = 1
    slots: Annotated[
        int | None,
        Field(ge=1, le=64, description="Runs at once on a worker; empty: one a GPU, or one."),
    ] = None
    queues: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Queues that a worker serves, comma separated."),
    ] = ("default",)
    worker_name: Annotated[
        str, Field(max_length=120, description="Name of the worker; empty: the host's name.")
    ] = ""
    lease_seconds: Annotated[
        float,
        Field(ge=4, le=600, description="How long a silent worker keeps a run before others may."),
    ] = 15.0
    grace_seconds: Annotated[
        float, Field(ge=0.1, le=600, description="Time to stop before a run's process is killed.")
    ] = 10.0
    hang_seconds: Annotated[
        float,
        Field(
            ge=1,
            le=86_400,
            description="Time without progress after which a run is taken to hang, and ended; "
            "longer where its own steps are.",
        ),
    ] = 300.0
    report_every_step: Annotated[
        bool,
        Field(
            description="Make each batch a metric sample, instead of one a second or a hundred "
            "batches."
        ),
    ] = False
    undo_hours: Annotated[
        float,
        Field(
            ge=0,
            le=8760,
            description="Hours in which a deleted run can be restored; then it is gone for good.",
        ),
    ] = 24.0
    keep_snapshots_days: Annotated[
        float,
        Field(ge=0, description="Days that failed and paused runs keep snapshots; 0: for ever."),
    ] = 0.0
    keep_artifacts_days: Annotated[
        float, Field(ge=0, description="Days that ended runs keep their artifacts; 0: for ever.")
    ] = 0.0
    keep_logs_days: Annotated[
        float, Field(ge=0, description="Days that ended runs keep their log; 0: for ever.")
    ] = 0.0
    keep_workers_days: Annotated[
        float,
        Field(ge=0, description="Days that ended workers without runs are listed; 0: for ever."),
    ] = 7.0
    keep_tag: Annotated[
        str, Field(max_length=60, description="Runs with this tag keep everything; empty: none.")
    ] = "keep"
    unnamed_hours: Annotated[
        float,
        Field(
            ge=0.01,
            le=8760,
            description="Hours after which a file in the store that no run names is deleted.",
        ),
    ] = 24.0
    log_format: Annotated[
        Literal["console", "json"],
        Field(description="How log lines are written: console, or json for programs."),
    ] = "console"

    openid_issuer: Annotated[
        str,
        Field(
            pattern=r"^(https?://\S+)?$",
            description="Address of an OpenID provider by which people may log in; empty: none.",
        ),
    ] = ""
    openid_client_id: Annotated[
        str, Field(description="What the OpenID provider calls this server.")
    ] = ""
    openid_client_secret: Annotated[
        SecretStr | None,
        Field(description="Secret of this server at the OpenID provider; empty: it has none."),
    ] = None
    openid_name: Annotated[
        str, Field(max_length=40, description="What the login calls the provider; empty: its host.")
    ] = ""
    openid_role: Annotated[
        Literal["", "viewer", "member"],
        Field(
            description="Role of people whom the provider knows and nobody has invited; empty: "
            "they are refused."
        ),
    ] = ""

    webhook_hosts: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Host names and networks (10.1.0.0/16), comma separated, that webhooks may "
            "reach though they are private."
        ),
    ] = ()
    webhook_hosts_only: Annotated[
        bool, Field(description="Whether webhooks may reach those alone, and no public address.")
    ] = False
    smtp_url: Annotated[
        SecretStr | None,
        Field(
            description="smtp://user:password@host:port or smtps://…: the server that takes mail; "
            "empty: none is sent."
        ),
    ] = None
    mail_from: Annotated[
        str, Field(max_length=254, description="Who mail is from: an address of mail.")
    ] = ""

    @field_validator("trusted_hosts", "trusted_proxies", "queues", "webhook_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        *("slots", "data", "url", "token", "openid_client_secret", "smtp_url"),
        "requests_per_minute",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return value.removeprefix("[").removesuffix("]")

    @field_validator("home", "data")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else value

    @field_validator("queues")
    @classmethod
    def _some_queue(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise WrongValue(message("setting.queues"))
        return value

    @field_validator("trusted_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_host_name(each) for each in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise WrongValue(message("setting.trusted_proxy", text=each)) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value:
            return value
        # SQLAlchemy takes longer to import than all else here, and the start of `up` waits for it
        from sqlalchemy.engine import make_url  # noqa: PLC0415
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        try:
            url = make_url(value)
        except (ArgumentError, ValueError):
            raise WrongValue(message("setting.database_address")) from None
        backend = url.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise WrongValue(message("setting.other_database", backend=backend))
        if backend == "sqlite" and url.database in (None, "", ":memory:"):
            raise WrongValue(message("setting.sqlite_file"))
        if backend == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return url.render_as_string(hide_password=False)

    @field_validator("redis_url")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://")) or not _has_good_port(value):
            raise WrongValue(message("setting.redis_address"))
        return value

    @field_validator("storage_url")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if value and not value.startswith("file:///") and not _names_a_bucket(value):
            raise WrongValue(message("setting.storage_address"))
        return value

    @field_validator("webhook_hosts")
    @classmethod
    def _names_or_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_name_or_network(each) for each in value)

    @field_validator("smtp_url")
    @classmethod
    def _known_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        address = value.get_secret_value() if value else ""
        if address and not (
            address.startswith(("smtp://", "smtps://"))
            and _has_good_port(address)
            and urlsplit(address).hostname
        ):
            raise WrongValue(message("setting.mail_server"))
        return value

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value and not _is_web_address(value):
            raise WrongValue(message("setting.server_address"))
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _loopback_alone(self) -> Self:
        if self.accounts == "local" and not _is_loopback(self.host):
            raise WrongValue(message("setting.open_to_others", prefix=PREFIX, host=self.host))
        return self

    @model_validator(mode="after")
    def _openid_is_whole(self) -> Self:
        if self.openid_issuer and not self.openid_client_id:
            raise WrongValue(message("setting.openid_client", prefix=PREFIX))
        return self

    @property
    def most_requests(self) -> int:
        """How often somebody may ask the API in a minute; 0: as often as they like."""
        if self.requests_per_minute is not None:
            return self.requests_per_minute
        return MOST_REQUESTS if self.has_accounts else 0

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.smtp_url is not None and not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", self.mail_from):
            raise WrongValue(message("setting.mail_from", prefix=PREFIX))
        return self

    @cached_property
    def own_address(self) -> str:
        """Where people reach the pages: what messages link to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.url or f"http://{host}:{self.port}"

    @cached_property
    def has_accounts(self) -> bool:
        """Whether people log in."""
        if self.accounts != "auto":
            return self.accounts == "shared"
        names = (urlsplit(f"//{each}").hostname or "" for each in self.trusted_hosts)
        return not (_is_loopback(self.host) and all(map(_is_loopback, names)))

    @cached_property
    def data_folder(self) -> Path:
        """The folder of the datasets."""
        return self.data or self.home / "data"

    @cached_property
    def database_address(self) -> str:
        """The SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{self.home / 'trainyard.db'}"

    @cached_property
    def storage_address(self) -> str:
        """The address of the blob store."""
        return self.storage_url or (self.home / "artifacts").as_uri()

    @cached_property
    def storage_keys(self) -> dict[str, str]:
        """The credentials of the object store that lie in files, by the names of its options.

        Raises:
            BadSettings: a file cannot be read, or the value is given besides.
        """
        found = {name: _in_file(name) for name in STORAGE_KEYS}
        return {name.removeprefix("AWS_").lower(): text for name, text in found.items() if text}

    def make_home(self) -> None:
        """Make the home folder where there is none: its owner alone can read what is in it."""
        self.home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)

    @cached_property
    def signing_key(self) -> str:
        """The key that signs form tokens; made on first use and kept in the home folder."""
        if self.secret_key:
            return self.secret_key
        path = self.home / "secret_key"
        if not path.exists():
            self.make_home()
            scratch = path.with_name(f"secret_key.{os.getpid()}")
            scratch.touch(mode=0o600)
            scratch.write_text(secrets.token_urlsafe(32))
            try:
                os.link(scratch, path)  # never replaces a key that another process made first
            except FileExistsError:
                pass
            finally:
                scratch.unlink()
        return path.read_text()

    def environment(self) -> dict[str, str]:
        """These settings as `TRAINYARD_*` variables, to hand to a process that we start."""
        values: dict[str, str] = {}
        for name, value in self.model_dump().items():
            if isinstance(value, tuple):
                values[variable(name)] = ",".join(value)
            elif isinstance(value, SecretStr):
                if name != "token":  # which is of the terminal alone
                    values[variable(name)] = value.get_secret_value()
            elif isinstance(value, bool):
                values[variable(name)] = "1" if value else "0"
            elif value is not None:
                values[variable(name)] = str(value)
        return values


def variable(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    return PREFIX + field.upper()


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Raises:
        BadSettings: naming each variable that cannot be used, and why.
    """
    try:
        chosen = Settings(**_by_old_names() | _from_files() | overrides)
        _ = chosen.storage_keys  # refused now, and not by the first run that stores something
        return chosen
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = f"{variable(str(problem['loc'][0]))}: " if problem["loc"] else ""
            lines.append(name + explain(Settings, problem).text)
        raise BadSettings("\n".join(lines)) from None


OLD_NAMES = {"TRAINYARD_ARTIFACTS_URL": "storage_url"}
"""Variables by the names that they had in earlier releases. Today's name, where set, counts."""


SECRETS = (
    *("database_url", "redis_url", "secret_key", "metrics_token"),
    *("token", "openid_client_secret", "smtp_url"),
)
"""Fields that may hold a secret: `TRAINYARD_SECRET_KEY_FILE` names a file with the value."""

STORAGE_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Variables of the object store, whose library reads them itself, but none of their files."""

FILE = "_FILE"


def _from_files() -> dict[str, str]:
    """The secrets that are in files, as container engines and service managers hand them over.

    Raises:
        BadSettings: a file cannot be read, or the value is given besides.
    """
    found = {field: _in_file(variable(field)) for field in SECRETS}
    return {field: text for field, text in found.items() if text is not None}


def _in_file(name: str) -> str | None:
    """The value of a variable that lies in a file; None where no file is named."""
    path = os.environ.get(name + FILE)
    if not path:
        return None
    if os.environ.get(name):
        raise BadSettings(message("setting.file_and_value", name=name))
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = getattr(error, "strerror", None) or "no text"
        reason = message("setting.file", name=name + FILE, path=path, detail=detail)
        raise BadSettings(reason) from None


def _by_old_names() -> dict[str, str]:
    return {
        field: os.environ[old]
        for old, field in OLD_NAMES.items()
        if os.environ.get(old) and not os.environ.get(variable(field))
    }


def _has_good_port(address: str) -> bool:
    """Whether the port of an address, where it has one, is a number that a port can be."""
    try:
        _ = urlsplit(address).port
    except ValueError:
        return False
    return True


def _names_a_bucket(address: str) -> bool:
    return address.startswith("s3://") and bool(urlsplit(address).netloc)


def _host_name(text: str) -> str:
    """A host's name, or its name and port, as a browser writes them, from how a person does."""
    bare = (text.partition("://")[2] or text).rstrip("/").lower()
    try:
        found = urlsplit(f"//[{bare}]" if bare.count(":") > 1 and "[" not in bare else f"//{bare}")
        host = (found.hostname or "").encode("idna").decode()
        port = found.port
    except ValueError:
        raise WrongValue(message("setting.trusted_host", text=text)) from None
    is_address = ":" in host  # urlsplit has checked it
    is_alone = "@" not in bare and found.geturl() == f"//{found.netloc}"
    if not is_alone or not (is_address or _HOST.fullmatch(host)):
        raise WrongValue(message("setting.trusted_host", text=text))
    name = f"[{host}]" if is_address else host
    return f"{name}:{port}" if port else name


def _name_or_network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        name = text.lower().rstrip(".")
        if "/" in name or not _HOST.fullmatch(name):
            raise WrongValue(message("setting.webhook_host", text=text)) from None
        return name


def _is_web_address(address: str) -> bool:
    if not address.startswith(("http://", "https://")) or not _has_good_port(address):
        return False
    return bool(urlsplit(address).hostname)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
