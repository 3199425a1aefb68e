"""What a network has learned, as a page shows it."""

from __future__ import annotations

import json

import pytest

from core import derived, predictions
from core.datasets.builtin import DATASETS
from core.jobs.endings import Publication
from core.storage.blobs import Blob
from tests.reported import PNG
from tests.webui.pages.conftest import get
from webui.pages.insight import FINEST, clusters
from worker.training.outputs import insight as made

EMBEDDING = {
    "features": 512,
    "explained": [0.4, 0.15],
    "total": 8,
    "count": 4,
    "x": predictions.pack([0, 0, FINEST, FINEST]),
    "y": predictions.pack([0, FINEST, 0, 0]),
    "labels": predictions.pack([1, 1, 2, 2]),
    "predictions": predictions.pack([1, 2, 2, 2]),
}
CONTENT = {
    "filters": {"all": 80, "shown": [{"image": PNG, "lowest": -0.42, "highest": 0.31}] * 64},
    "embedding": EMBEDDING,
}


@pytest.fixture
def database_kind():
    """What is asked of the database here is tried on both elsewhere."""
    return "sqlite"


@pytest.fixture
def job_id(report):
    return report({"dataset": "digits"}, files=[Publication(Blob("ab" * 32, 5), 1, "pt", "m.pt")])


@pytest.fixture
def computed(client, job_id, context, tmp_path):
    """The page, once a worker has computed what it shows."""
    get(client, f"/jobs/{job_id}/insight")
    key, asked = derived.take(context.database, ["digits"])
    assert asked["kind"] == "insight"
    path = tmp_path / "insight"
    path.write_text(json.dumps(CONTENT))
    derived.finish(context.database, key, context.storage.put(path))
    return get(client, f"/jobs/{job_id}/insight")


def test_page_and_worker_have_one_scale():
    assert FINEST == made.FINEST


def test_it_is_computed_when_somebody_looks(client, job_id):
    page = get(client, f"/jobs/{job_id}/insight")

    [notice] = [each for each in page.all("div") if "data-waiting" in each.attributes]
    assert notice.attributes["data-waiting"] == f"/jobs/{job_id}/insight"
    assert page.one("a", href=f"/jobs/{job_id}/insight").text == "Look again"


def test_filters_are_shown_with_their_weights(computed):
    filters = [each for each in computed.all("img") if "Filter" in each.attributes["alt"]]

    assert len(filters) == 64
    assert filters[0].attributes["alt"] == "Filter 1: weights from -0.4200 to 0.3100"
    assert "The first 64 of 80." in computed.text


def test_the_map_is_drawn_from_its_data_and_told_in_a_table(computed):
    data = json.loads(computed.one("script", id="map-data").text)

    assert (data["x"], data["labels"]) == ([0, 0, FINEST, FINEST], [1, 1, 2, 2])
    assert (data["total"], data["dataset"]) == (8, "digits")
    assert "40.00% of the variance from left to right, 15.00% from bottom to top" in computed.text
    assert computed.all("td")[1].text == "0.00%"
    names = [each.text for each in computed.all("button") if "data-label" in each.attributes]
    assert names == ["1", "2", "Errors"]


def test_the_table_says_which_class_is_the_nearest():
    one, two = clusters(EMBEDDING, DATASETS["digits"])

    assert (one.name, one.count, one.x, one.y, one.spread) == ("1", 2, 0, 0.5, 0.5)
    assert (one.nearest, one.distance) == ("2", pytest.approx(1.25**0.5))
    assert (two.x, two.y, two.spread) == (1, 0, 0)


def test_of_one_class_there_is_no_nearest():
    [only] = clusters(EMBEDDING | {"labels": predictions.pack([3] * 4)}, DATASETS["digits"])

    assert (only.nearest, only.distance) == (None, None)


def test_a_run_without_weights_has_no_such_page(client, report):
    job_id = report({"dataset": "digits"})

    assert "has no weights yet" in get(client, f"/jobs/{job_id}/insight", 404).text
