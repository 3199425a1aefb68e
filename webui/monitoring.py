"""`/metrics`: the installation and this web process, in the text that Prometheus reads.

One collector looks at the database once a scrape (`core/monitoring.py`). What a process counts by
itself, requests above all, is counted where it happens: several processes of one server count in
files of a folder that they share (`webui/processes.py`). Each application has a registry of its
own, so that two in one process, as in tests, do not add up.

A further source, such as the outbox of notifications, is a field of `core.monitoring.Reading` and a
line in `_gauges`.
"""

from __future__ import annotations

import hmac
import ipaddress
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from core import versions
from core.errors import DatabaseUnavailable, Forbidden
from core.messages import message
from core.monitoring import Monitor, Reading
from webui.context import current
from webui.context import of as context_of
from webui.processes import shared_folder

_KEY = "trainyard.monitoring"

WAITS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600)
"""Where the waits are counted apart: an idle worker claims at once, a full one in hours."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

blueprint = Blueprint("monitoring", __name__)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """What the processes of a server count, each where it happens."""

    registry: CollectorRegistry
    """Of this process alone."""
    installation: Installation
    requests: Counter
    durations: Histogram
    streams: Gauge
    housekeeping: Gauge

    def note_round(self) -> None:
        """A round of this process's housekeeping is over."""
        self.housekeeping.set_to_current_time()

    def everything(self) -> CollectorRegistry:
        """What is told: the installation, and what all processes of this server counted."""
        whole = CollectorRegistry()
        whole.register(self.installation)
        if shared_folder() is None:
            whole.register(self.registry)
        else:
            MultiProcessCollector(whole)  # type: ignore[no-untyped-call]  # registers itself
        return whole


def install(app: Flask) -> None:
    """Count the requests of an application. Whoever refuses requests is installed after this."""
    registry = CollectorRegistry()
    folder = shared_folder()
    shared = None if folder is None else folder / "events.json"
    app.extensions[_KEY] = Monitoring(
        registry,
        Installation(Monitor(context_of(app).database, shared), registry),
        Counter(
            "trainyard_http_requests",
            "Requests that were answered, by the template of their address.",
            ("method", "route", "status"),
            registry=registry,
        ),
        Histogram(
            "trainyard_http_request_duration_seconds",
            "Time until a request's answer was there; of a live stream, until it was open.",
            ("route",),
            registry=registry,
        ),
        Gauge(
            "trainyard_streams",
            "Live streams that are open.",
            registry=registry,
            multiprocess_mode="livesum",
        ),
        Gauge(
            "trainyard_housekeeping_timestamp_seconds",
            "When the last whole round of housekeeping ended, of the process that is furthest "
            "behind.",
            registry=registry,
            multiprocess_mode="livemin",
        ),
    )
    app.before_request(_begin)
    app.after_request(_count)


def of(app: Flask) -> Monitoring:
    """What an application counts."""
    found = app.extensions[_KEY]
    assert isinstance(found, Monitoring)
    return found


@blueprint.get("/metrics")
def metrics() -> Response:
    """Everything, for Prometheus."""
    if not _may_read():
        raise Forbidden(message("actor.may_not_monitor"))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    try:
        content = encode(of(current_app).everything())
    except struct.error:  # the file of a process that was started a moment ago is empty yet
        content = encode(of(current_app).everything())
    response = Response(content, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def _may_read() -> bool:
    """An administrator, or whoever has the token; without one, who asks from this host itself."""
    parts = current()
    if parts.settings.has_accounts and parts.actor.is_administrator:
        return True
    token = parts.settings.metrics_token
    if token:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), token.encode())
    is_passed_on = {"X-Forwarded-For", "Forwarded", "X-Real-IP"} & set(dict(request.headers))
    return not is_passed_on and _is_loopback(request.remote_addr or "")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _begin() -> None:
    g.began_at = time.perf_counter()


def _count(response: Response) -> Response:
    monitoring = of(current_app)
    route = request.url_rule.rule if request.url_rule is not None else "unknown"
    method = request.method if request.method in METHODS else "other"
    monitoring.requests.labels(method, route, str(response.status_code)).inc()
    if "began_at" in g:
        monitoring.durations.labels(route).observe(time.perf_counter() - g.began_at)
    return response


class Installation(Collector):
    """Looks at the database for each scrape. Where it is away, the rest is told all the same."""

    def __init__(self, monitor: Monitor, registry: CollectorRegistry) -> None:
        """Begin to look.

        Args:
            monitor: who looks.
            registry: takes what is counted from look to look.
        """
        self._monitor = monitor
        self._events = Counter(
            "trainyard_run_events",
            "What happened to runs since the server looks, by kind; lost: a lease ran out.",
            ("kind",),
            registry=registry,
        )
        self._waits = Histogram(
            "trainyard_claim_wait_seconds",
            "From the moment from which a run could be claimed to its claim.",
            registry=registry,
            buckets=WAITS_S,
        )
        self._events.labels("lost")  # so that it is 0 before the first

    def describe(self) -> list[Metric]:
        """Nothing: a registry that asks must not look at the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything, as of now."""
        try:
            reading, happened = self._monitor.look()
        except DatabaseUnavailable:
            yield _gauge("trainyard_database_up", _UP, 0)
        else:
            for kind, count in happened.events.items():
                self._events.labels(kind).inc(count)
            for waited_s in happened.claim_waits:
                self._waits.observe(waited_s)
            yield _gauge("trainyard_database_up", _UP, 1)
            yield from _gauges(reading)
        build = InfoMetricFamily("trainyard_build", "Which release this is.")
        build.add_metric([], {"version": versions.own()})
        yield build


_UP = "Whether the database answers."


def _gauges(reading: Reading) -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "trainyard_queue_depth", "Runs that wait in a queue.", labels=("queue",)
    )
    age = GaugeMetricFamily(
        "trainyard_queue_oldest_age_seconds",
        "How long the run has waited that could have been claimed first.",
        labels=("queue",),
    )
    for line in reading.lines:
        depth.add_metric([line.queue], line.length)
        age.add_metric([line.queue], line.oldest_s)
    runs = GaugeMetricFamily("trainyard_runs", "Runs, by their state.", labels=("state",))
    for state, count in reading.states.items():
        runs.add_metric([state], count)
    overdue = GaugeMetricFamily(
        "trainyard_duty_overdue_seconds",
        "For how long periodic work of the installation is due and was not begun.",
        labels=("duty",),
    )
    for name, seconds in reading.overdue_s.items():
        overdue.add_metric([name], seconds)
    workers = GaugeMetricFamily(
        "trainyard_workers",
        "Live workers, those of them that are drained or rest; those lost in the last day.",
        labels=("status",),
    )
    for status in ("live", "drained", "resting", "lost"):
        workers.add_metric([status], getattr(reading.crew, status))
    yield from (depth, age, runs, overdue, workers)
    yield _gauge("trainyard_slots", "Slots of live workers.", reading.crew.slots)
    yield _gauge("trainyard_slots_in_use", "Slots on which runs run.", reading.crew.slots_in_use)
    yield _gauge(
        "trainyard_outbox_waiting",
        "Messages that are not delivered yet, by webhook or mail.",
        reading.unsent.waiting,
    )
    yield _gauge(
        "trainyard_outbox_overdue_seconds",
        "For how long the first of them is due and was not tried.",
        reading.unsent.overdue_s,
    )
    if reading.database_bytes is not None:
        yield _gauge("trainyard_database_bytes", "Size of the database.", reading.database_bytes)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value)
