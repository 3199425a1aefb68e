"""`/metrics`: well-formed, complete, for those whom it concerns; and the files that read it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from core.database.engine import Database
from tests.services import wait_until
from webui import monitoring
from webui.app import create_app

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "trainyard.json"
NAME = re.compile(r"\btrainyard_\w+")


@pytest.fixture
def database_kind():
    """SQLite alone: what is read is tested on both in `tests/core/test_monitoring.py`."""
    return "sqlite"


def samples(client, **options):
    answer = client.get("/metrics", **options)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_tell_of_the_installation_and_of_the_requests(client):
    body = {"name": "x", "preset": "quick"}
    assert client.post("/api/v1/jobs", json=body).status_code == 201
    client.get("/api/v1/jobs/99")
    client.get("/nothing/here")

    found = samples(client)

    assert found["trainyard_database_up",] == 1
    assert found["trainyard_queue_depth", "default"] == 1
    assert found["trainyard_runs", "queued"] == 1
    assert found["trainyard_workers", "live"] == 0
    assert found["trainyard_run_events_total", "lost"] == 0
    of_one = "trainyard_http_requests_total", *sorted(("GET", "/api/v1/jobs/<int:job_id>", "404"))
    assert found[of_one] == 1
    assert found["trainyard_http_requests_total", *sorted(("GET", "unknown", "404"))] == 1


def test_metrics_are_told_though_the_database_is_away(settings, tmp_path):
    away = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/nothing/there.db"})
    app = create_app(away)

    assert samples(app.test_client())["trainyard_database_up",] == 0


def test_metrics_are_for_this_host_or_for_whoever_has_the_token(app, client, settings):
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", environ_base=elsewhere).status_code == 403
    # a proxy on this host passes on what others ask
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403

    guarded = create_app(settings.model_copy(update={"metrics_token": "secret"})).test_client()

    assert guarded.get("/metrics").status_code == 403
    wrong = {"Authorization": "Bearer secre"}
    assert guarded.get("/metrics", headers=wrong).status_code == 403
    right = {"Authorization": "Bearer secret"}
    assert guarded.get("/metrics", headers=right, environ_base=elsewhere).status_code == 200


def test_a_server_tells_of_its_streams_and_of_its_housekeeping(served, browser):
    assert samples(browser)["trainyard_streams",] == 0
    with browser.stream("GET", "/api/v1/events"):
        wait_until(lambda: samples(browser)["trainyard_streams",] == 1, "the stream is counted")
    ended = ("trainyard_housekeeping_timestamp_seconds",)
    wait_until(lambda: abs(time.time() - samples(browser)[ended]) < 60, "house is kept")


def exported(app):
    """The names that are there, with the endings that Prometheus adds."""
    families = [*monitoring.of(app).everything().collect()]
    names = {family.name for family in families}
    for family in families:
        ends = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_count", "_sum"],
            "info": ["_info"],
        }
        names |= {family.name + end for end in ends.get(family.type, [])}
    return names


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=["rules", "dashboard"])
def test_each_metric_that_a_file_asks_for_is_exported(app, path):

    asked = set(NAME.findall(path.read_text()))

    assert len(asked) > 5
    assert asked <= exported(app)


def test_the_rules_are_rules_and_each_says_what_to_do():
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    rules = group["rules"]
    assert len(rules) >= 6
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} <= set(rule["annotations"])
    promtool = shutil.which("promtool")
    if promtool:
        subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)
        tests = RULES.with_name("alerts_test.yml")
        ran = subprocess.run(
            [promtool, "test", "rules", str(tests)], check=False, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_has_nothing_to_say_against_the_text(client):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("NOT RUN: promtool is not on this machine")
    text = client.get("/metrics").text
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dashboard_has_panels_that_do_not_overlap():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8
    assert all(target["expr"] for panel in panels for target in panel["targets"])


def test_two_applications_do_not_count_for_each_other(app, client, settings):
    other = create_app(settings).test_client()
    client.get("/healthz")

    of_other = samples(other)

    assert ("trainyard_http_requests_total", *sorted(("GET", "/healthz", "200"))) not in of_other
    with Database(settings.database_url) as database:
        database.check()
