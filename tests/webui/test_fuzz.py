"""Whatever the API is asked, it answers as its document says, and never with a 5xx.

`make fuzz` asks more: `FUZZ=100` are the examples of each address.
"""

from __future__ import annotations

import os

import pytest

from core.accounts import tokens
from tests.webui.fuzzing import fuzz
from tests.webui.people import Installation, hash_quickly
from tests.webui.seeded import seed
from webui.app import create_app

EXAMPLES = int(os.environ.get("FUZZ", "0"))


@pytest.fixture(params=["sqlite", "postgresql"] if EXAMPLES else ["sqlite"])
def database_kind(request):
    """The whole run asks both kinds of database; SQLite alone otherwise."""
    return request.param


@pytest.mark.skipif(EXAMPLES > 0, reason="the whole run is asked for")
def test_a_few_requests_of_each_kind_are_answered_as_described(app):
    seed(app)

    report = fuzz(app, examples=1, has_bounds=False)

    assert report.failures == {}
    assert report.cases > 50
    assert report.by_status[200] > 10


@pytest.mark.timeout(3600)
@pytest.mark.skipif(EXAMPLES == 0, reason="asked for by `make fuzz`")
def test_every_request_is_answered_as_described(settings, monkeypatch):
    hash_quickly(monkeypatch)
    app = create_app(settings.model_copy(update={"accounts": "shared", "requests_per_minute": 0}))
    place = Installation(app)
    owner = place.join("owner", "administrator")
    token, _ = tokens.make(place.database, owner, "fuzz", "admin", None)
    seed(app)

    report = fuzz(app, EXAMPLES, {"Authorization": f"Bearer {token}"})
    place.database.dispose()

    print(report.cases, report.by_phase, dict(sorted(report.by_status.items())))
    for kind, example in report.failures.items():
        print(f"{kind}\n  {example}")
    assert list(report.failures) == []
    assert report.cases >= 5000
    assert report.by_status[200] > 500
