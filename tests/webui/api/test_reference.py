"""The reference of the API names every address, and every field of every answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.webui import addresses
from webui.api import shapes
from webui.api.shapes import advice, curves, jobs, problems, records, retention, spec

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text()

FORMER = re.compile(r"^\| `(GET) (/\S+)` \|", re.MULTILINE)
"""An address of version 0.1 in the table of those that are still answered."""

DESCRIBED = [
    ("POST /jobs", shapes.JobShape),
    ("POST /jobs", jobs.Progress),
    ("POST /jobs", jobs.QueueStatusShape),
    ("POST /jobs", jobs.SnapshotShape),
    ("POST /jobs", jobs.LastEpoch),
    ("POST /jobs", jobs.Error),
    ("POST /jobs", shapes.Reason),
    ("POST /jobs/bulk", shapes.QueuedShape),
    ("GET /jobs/{id}/epochs", shapes.Epoch),
    ("GET /jobs/{id}/epochs", shapes.MetricSample),
    ("GET /jobs/{id}/epochs", shapes.ResourceSample),
    ("GET /jobs/{id}/epochs", shapes.LogLine),
    ("GET /jobs/{id}/epochs", shapes.ArtifactShape),
    ("GET /jobs/{id}/epochs", shapes.AttemptShape),
    ("GET /metrics", shapes.CurveShape),
    ("GET /metrics", shapes.CurvesShape),
    ("GET /metrics", curves.Statistics),
    ("GET /jobs/{id}/events/history", shapes.EventShape),
    ("GET /workers", shapes.WorkerShape),
    ("GET /workers", shapes.RestShape),
    ("GET /queue", shapes.QueueShape),
    ("GET /queue", shapes.LineShape),
    ("GET /queue", shapes.HourShape),
    ("POST /network", shapes.NetworkShape),
    ("POST /network", spec.Block),
    ("GET /spec", shapes.PresetShape),
    ("GET /spec", shapes.DatasetShape),
    ("GET /spec", shapes.SpecShape),
    ("GET /jobs/{id}/evaluation", shapes.EvaluationShape),
    ("GET /jobs/{id}/evaluation", records.ClassScore),
    ("GET /jobs/{id}/evaluation", records.Calibration),
    ("GET /jobs/{id}/evaluation", records.Bin),
    ("GET /jobs/{id}/evaluation", records.Mistake),
    ("GET /jobs/{id}/advice", shapes.AdvicesShape),
    ("GET /jobs/{id}/advice", shapes.AdviceShape),
    ("GET /jobs/{id}/advice", advice.EvidenceShape),
    ("GET /jobs/{id}/advice", advice.SeriesShape),
    ("GET /jobs/{id}/advice", advice.IntervalShape),
    ("POST /previews", shapes.PreviewShape),
    ("GET /previews/{key}.png", shapes.WaitingShape),
    ("GET /healthz", shapes.HealthShape),
    ("POST /jobs/delete", shapes.ManyShape),
    ("POST /jobs/delete", shapes.RefusedShape),
    ("GET /filters", shapes.FilterShape),
    ("GET /sharing", shapes.SharingShape),
    ("GET /sharing", shapes.ShareShape),
    ("GET /sharing", shapes.LimitsShape),
    ("GET /sharing", shapes.QueuePolicyShape),
    ("POST /clean", shapes.CleanShape),
    ("POST /clean", retention.AmountShape),
    ("GET /storage", shapes.StorageShape),
    ("GET /storage", shapes.UsageShape),
    ("GET /storage", shapes.RunUsageShape),
    ("GET /me", shapes.MeShape),
    ("GET /people", shapes.PersonShape),
    ("GET /invitations", shapes.InvitationShape),
    ("GET /invitations", shapes.NewInvitationShape),
    ("GET /audit", shapes.AccountEventShape),
    ("GET /notifications", shapes.NotificationsShape),
    ("GET /webhooks", shapes.WebhookShape),
    ("GET /deliveries", shapes.DeliveryShape),
    ("Errors", shapes.Problem),
    ("Errors", problems.FieldProblem),
]
"""Under which heading each shape is described."""


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


def described():
    """Method and path of each address that the reference names, in headings and in the table."""
    for heading in re.findall(r"^## ((?:GET|POST|PUT|PATCH|DELETE) .*)$", REFERENCE, re.MULTILINE):
        method, before = "", ""
        for part in heading.split(", "):
            method, _, path = part.rpartition(" ") if " " in part else (method, "", part)
            # `POST /jobs/{id}/pause, /resume`: the last segment alone
            before = path if " " in part else before.rsplit("/", 1)[0] + path
            yield method, before
    yield from FORMER.findall(REFERENCE)


SECTIONS = dict(part.split("\n", 1) for part in REFERENCE.split("\n## ")[1:])


def section(first):
    """What the reference says under the heading that begins with an address."""
    [found] = [text for heading, text in SECTIONS.items() if heading.split(",")[0] == first]
    return found


def test_the_reference_names_the_addresses_that_are_there_and_no_other(app):
    there = {
        (method, re.sub(r"\{(?!key)\w+\}", "{id}", addresses.PLACE.sub(r"{\1}", rule)))
        for method, rule in addresses.of_api(app)
    }

    assert {(method, path.removeprefix(addresses.PREFIX)) for method, path in there} == set(
        described()
    )


@pytest.mark.parametrize(
    ("heading", "shape"), DESCRIBED, ids=[shape.__name__ for _, shape in DESCRIBED]
)
def test_the_reference_names_every_field(heading, shape):
    text = section(heading)

    names = [info.alias or name for name, info in shape.model_fields.items()]
    assert [name for name in names if f'"{name}"' not in text] == []


def test_every_shape_of_an_answer_is_described():
    known = {shape for _, shape in DESCRIBED} | {
        shapes.Listing,
        shapes.OpenShape,
        shapes.SparseShape,
    }

    def below(shape):
        for each in shape.__subclasses__():
            yield each
            yield from below(each)

    made = {each for each in below(shapes.Shape) if "[" not in each.__name__}
    assert made - known == set()
