"""`trainyard doctor`: looks at everything that a run needs, and says what to fix."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from rich.table import Table
from rich.text import Text

from cli import tokens
from cli.client import Client, believed
from cli.render import text
from cli.stack import broker, endpoint
from core import formats, queries, versions, workers
from core.accounts import people
from core.database.engine import Database
from core.datasets.builtin import DATASETS
from core.errors import TrainyardError, Unauthenticated
from core.messaging.pubsub import Wakeups
from core.settings import FILE, OLD_NAMES, PREFIX, SECRETS, Settings, variable
from core.storage import store

LOW_DISK_BYTES = 2_000_000_000
OF_OTHERS = 0o077
OPENID_TIMEOUT_S = 10.0

State = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    subject: str
    state: State
    words: str

    def as_json(self) -> dict[str, Any]:
        """The check for other programs."""
        return asdict(self)


def examine(settings: Settings) -> list[Check]:
    """Look at everything; nothing is changed."""
    up = endpoint.find_running(settings.home)
    checks = [
        Check("python", "good", sys.version.split()[0]),
        _unknown_variables(settings),
        _home(settings),
        _packages(),
        _libraries(),
        _database(settings),
        _attempt("storage", lambda: _storage(settings)),
        _redis(settings, up),
        _unencrypted(settings),
        _server(settings, up),
        _accounts(settings, up),
        _workers_there(settings) if _is_elsewhere(settings, up) else _workers(settings),
    ]
    if settings.openid_issuer:
        checks.append(_openid(settings))
    return checks + [_dataset(settings, name) for name in DATASETS]


def table(checks: Sequence[Check]) -> Table:
    """The checks for people."""
    marks = {"good": Text("ok", "green"), "note": Text("note", "yellow"), "bad": Text("BAD", "red")}
    return text.table(("", "WHAT", ""), ((marks[c.state], c.subject, c.words) for c in checks))


def _attempt(subject: str, look: Callable[[], str]) -> Check:
    try:
        return Check(subject, "good", look())
    except TrainyardError as error:
        return Check(subject, "bad", str(error))


def _openid(settings: Settings) -> Check:
    """Whether the provider answers, and says that it is the one that is named."""
    issuer = settings.openid_issuer
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = httpx.get(address, timeout=OPENID_TIMEOUT_S, trust_env=False)
        known = dict(answer.raise_for_status().json())
    except (httpx.HTTPError, ValueError, TypeError) as error:
        return Check("openid", "bad", f"{address} does not answer as it should: {error}")
    if known.get("issuer") != issuer:
        words = f"{address} calls itself {known.get('issuer')}; set {variable('openid_issuer')} so"
        return Check("openid", "bad", words)
    return Check("openid", "good", f"{issuer} answers")


def _unknown_variables(settings: Settings) -> Check:
    known = {variable(name) for name in type(settings).model_fields} | set(OLD_NAMES)
    known |= {variable(name) + FILE for name in SECRETS}
    unknown = sorted(n for n in os.environ if n.startswith(PREFIX) and n not in known)
    if unknown:
        return Check("settings", "note", f"not settings, so ignored: {', '.join(unknown)}")
    return Check("settings", "good", "all TRAINYARD_ variables are known")


def _home(settings: Settings) -> Check:
    home = settings.home
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(place, os.W_OK):
        return Check("home", "bad", f"{home} cannot be written; set {variable('home')}")
    free = shutil.disk_usage(place).free
    if free > LOW_DISK_BYTES and home.exists() and home.stat().st_mode & OF_OTHERS:
        words = f"others on this machine can read {home}: secrets are in it; chmod go-rwx {home}"
        return Check("home", "note", words)
    state: State = "good" if free > LOW_DISK_BYTES else "bad"
    return Check("home", state, f"{home}, {formats.size(free)} free")


def _packages() -> Check:
    installed = []
    for package in ("trainyard", "torch", "torchvision", "celery", "sqlalchemy", "flask"):
        version = versions.of_package(package)
        installed.append(f"{package} {version}" if version else f"no {package}")
    return Check("packages", "good", ", ".join(installed))


def _libraries() -> Check:
    webui = importlib.util.find_spec("webui")  # found, not imported: the terminal needs no web
    places = webui.submodule_search_locations if webui else None
    if any((Path(place) / "static" / "node_modules").is_dir() for place in places or ()):
        return Check("front end", "good", "libraries are installed")
    return Check("front end", "bad", "libraries are missing; run `make setup`")


def _database(settings: Settings) -> Check:
    database_file = settings.home / "trainyard.db"
    if not settings.database_url and not database_file.exists():
        return Check("database", "note", f"{database_file} is made at the first `up`")

    def look() -> str:
        with (
            Database(settings.database_address, pool_size=1) as database,
            database.reading() as session,
        ):
            counts = queries.count_by_state(session)
        return ", ".join(f"{count} {state}" for state, count in counts.items())

    return _attempt("database", look)


def _storage(settings: Settings) -> str:
    store.connect(settings.storage_address, settings.storage_keys).check()
    return settings.storage_address


def _redis(settings: Settings, up: endpoint.Running | None) -> Check:
    if "redis_url" in settings.model_fields_set:
        trouble = Wakeups(settings.redis_url).trouble()
        if trouble is None:
            return Check("redis", "good", "answers")
        return Check("redis", "bad", f"{trouble} Is {variable('redis_url')} right?")
    if up:
        return Check("redis", "good", "inside the running stack")
    return _attempt("redis", lambda: f"`up` will start {broker.find_server()}")


def _unencrypted(settings: Settings) -> Check:
    """Which services on other hosts are spoken to without TLS, or without looking who they are."""
    found = [
        each
        for each, address, is_safe in _services(settings)
        if not is_safe and not _is_here(urlsplit(address).hostname or "")
    ]
    if not found:
        return Check("tls", "good", "no service on another host is spoken to without it")
    words = f"{', '.join(found)} on another host: without TLS, or without a look at the certificate"
    return Check("tls", "note", f"{words}; docs/how-to/tls.md says how")


def _services(settings: Settings) -> list[tuple[str, str, bool]]:
    """Each service, its address, and whether that asks for TLS and a certificate that fits."""
    database, redis = settings.database_address, settings.redis_url
    bucket = os.environ.get("AWS_ENDPOINT_URL", "")
    mail = settings.smtp_url.get_secret_value() if settings.smtp_url else ""
    return [
        ("database", database, "sslmode=verify-full" in database),
        ("redis", redis, redis.startswith("rediss:") and "cert_reqs=none" not in redis.lower()),
        ("storage", bucket, not bucket.startswith("http:")),
        ("mail", mail, mail.startswith("smtps:")),
    ]


def _is_here(host: str) -> bool:
    return host in ("", "localhost", "::1") or host.startswith("127.")


def _server(settings: Settings, up: endpoint.Running | None) -> Check:
    try:
        url = endpoint.find_url(settings)
    except TrainyardError as error:
        return Check("server", "note", str(error))
    try:
        trusted = believed() if url.startswith("https:") else True
        answer = httpx.get(f"{url}/readyz", timeout=5, trust_env=False, verify=trusted)
    except httpx.TransportError:
        state: State = "bad" if settings.url or up else "note"
        is_here = _is_here(urlsplit(url).hostname or "")
        remedy = "start one: trainyard up" if is_here else "is the address right?"
        return Check("server", state, f"none at {url}; {remedy}")
    if answer.is_success:
        return Check("server", "good", url)
    return Check("server", "bad", f"{url} is not ready: {answer.text[:200]}")


def _is_elsewhere(settings: Settings, up: endpoint.Running | None) -> bool:
    """Whether commands go to a server whose database this home has not."""
    return not (up or settings.database_url) and _chosen(settings) != _default(settings)


def _chosen(settings: Settings) -> str:
    """The server that commands go to; the default one where they would ask which."""
    with contextlib.suppress(TrainyardError):
        return endpoint.find_url(settings)
    return _default(settings)


def _default(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def _asking(settings: Settings) -> Client:
    address = _chosen(settings)
    return Client(address, tokens.token_for(settings, address))


def _accounts(settings: Settings, up: endpoint.Running | None) -> Check:
    """Whether there are accounts where commands go to; by the settings where nothing answers."""
    url = _chosen(settings)
    try:
        with _asking(settings) as client:
            me = client.get("/me")
    except Unauthenticated:
        me = {"accounts": "shared"}
    except TrainyardError:
        return _accounts_by_settings(settings)
    if me["accounts"] == "local":
        return Check("accounts", "good", f"none at {url}: all is its owner's")
    if not _is_elsewhere(settings, up):
        return _people(settings)
    if "name" not in me:
        return Check("accounts", "note", f"{url} has them; log in: trainyard login --url {url}")
    return Check("accounts", "good", f"{url} has them: you are {me['name']} ({me['role']})")


def _accounts_by_settings(settings: Settings) -> Check:
    if settings.has_accounts:
        return _people(settings)
    return Check("accounts", "good", "none by the settings of this machine")


def _people(settings: Settings) -> Check:
    try:
        with (
            Database(settings.database_address, pool_size=1) as database,
            database.reading() as session,
        ):
            found = [each for each in people.everybody(session) if each.disabled_at is None]
    except TrainyardError:
        return Check("accounts", "note", "not known without the database")
    administrators = sum(each.role == "administrator" for each in found)
    if not administrators:
        return Check("accounts", "note", "no administrator yet; make one: trainyard admin invite")
    counted = f"people: {len(found)}, administrators among them: {administrators}"
    return Check("accounts", "good", counted)


def _workers_there(settings: Settings) -> Check:
    try:
        with _asking(settings) as client:
            live = [each for each in client.all("/workers") if each["is_live"]]
    except TrainyardError as error:
        return Check("workers", "note", f"not known: {error}")
    names = [_worker(each["name"], each["slots"]) for each in live]
    if names:
        return Check("workers", "good", ", ".join(names))
    return Check("workers", "note", "none is up; runs wait")


def _worker(name: str, slots: int) -> str:
    return f"{name} ({text.counted(slots, 'slot')})"


def _workers(settings: Settings) -> Check:
    try:
        with (
            Database(settings.database_address, pool_size=1) as database,
            database.reading() as session,
        ):
            names = [_worker(worker.name, worker.slots) for worker in workers.live(session)]
            coming = workers.starting(session)
            lost = [
                f"{worker.name} is lost (last heartbeat {formats.last_heartbeat(worker.silent_s)})"
                for worker in workers.missing(session)
            ]
    except TrainyardError:
        return Check("workers", "note", "not known without the database")
    if lost:
        left = names or ["none is up; runs wait"]
        return Check("workers", "note" if names else "bad", ", ".join([*left, *lost]))
    if names:
        return Check("workers", "good", ", ".join(names))
    return Check("workers", "note", "one is starting" if coming else "none is up; runs wait")


def _dataset(settings: Settings, name: str) -> Check:
    place = settings.data_folder / DATASETS[name].folder
    if place.is_dir():
        return Check(f"data {name}", "good", str(place))
    return Check(
        f"data {name}", "note", f"downloaded at its first run, or: trainyard data fetch {name}"
    )
