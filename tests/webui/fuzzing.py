"""Asks the API for everything that its document allows, and for much that it does not.

Schemathesis makes the requests, in all of its phases: the examples, each value at its bounds, what
is drawn by chance, and chains of requests along the links. No answer may be a 5xx, and none may be
one that the document does not describe.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

DOCUMENT = "/api/v1/openapi.json"
HELD = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_schema_conformance", "response_headers_conformance"),
)
"""What every answer is held against. Others of Schemathesis ask that what fits the schemas is
taken, and nothing else is: what cannot work together is refused here, and no schema says that."""


@dataclass
class Report:
    """What became of a run."""

    cases: int = 0
    by_phase: dict[str, int] = field(default_factory=dict)
    by_status: dict[int, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """One of each kind, by its address and what is wrong."""


def fuzz(app, examples: int, headers=None, *, has_bounds: bool = True) -> Report:
    """Ask an application.

    Args:
        app: the application.
        examples: those of an address that are drawn by chance, and the chains.
        headers: of each request.
        has_bounds: whether each value is tried at its bounds, which are thousands of requests.
    """
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    config = _config(examples, headers, has_bounds=has_bounds)
    schema = schemathesis.openapi.from_wsgi(DOCUMENT, app, config=config, headers=headers)
    report = Report()
    for event in from_schema(schema).execute():
        if isinstance(event, ScenarioFinished):
            _count(report, event)
        elif isinstance(event, FatalError):
            raise event.exception
        elif isinstance(event, NonFatalError):
            report.failures[f"{event.label}: {type(event.value).__name__}"] = str(event.value)[
                :1500
            ]
    return report


def _config(examples, headers, *, has_bounds) -> SchemathesisConfig:
    generation = {"deterministic": True, "max-examples": examples, "no-shrink": True}
    checks = {"enabled": False, **{name: {"enabled": True} for name in HELD}}
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": headers,
            "continue-on-failure": True,
            "generation": {**generation, "database": "none"},
            "checks": checks,
            # what another method is answered is asked by tests of ours
            "phases": {"coverage": {"enabled": has_bounds, "unexpected-methods": []}},
        }
    )


def _count(report: Report, event: ScenarioFinished) -> None:
    cases = len(event.recorder.interactions)
    report.cases += cases
    phase = event.phase.name.lower()
    report.by_phase[phase] = report.by_phase.get(phase, 0) + cases
    for interaction in event.recorder.interactions.values():
        status = interaction.response.status_code if interaction.response else 0
        report.by_status[status] = report.by_status.get(status, 0) + 1
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                key = f"{event.recorder.cases[case_id].value.operation.label}: {failure.title}"
                request = event.recorder.interactions[case_id].request
                asked = f"{request.method} {request.uri} {request.body!r:.300}"
                report.failures.setdefault(key, f"{failure.message[:600]}\n  {asked}")
