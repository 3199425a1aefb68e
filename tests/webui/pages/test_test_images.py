"""Pages of test images: those of a cell, of a class, and all errors; and their pictures."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from core import derived, predictions
from core.protocol.reports import Evaluated
from tests.reported import evaluated
from tests.webui.pages.conftest import get
from webui.pages import addressed, pictures
from webui.pages.predicted import choose, every

LABELS = [0] * 10 + [1] * 10
PREDICTED = [0] * 8 + [1] * 2 + [0] + [1] * 9
PIXELS = 8 * 8


@pytest.fixture
def database_kind():
    """What is asked of the database here is tried on both elsewhere."""
    return "sqlite"


def content(**changes):
    """Of twenty images: eight cats and nine dogs are right."""
    found = evaluated().content | {
        "labels": predictions.pack(LABELS),
        "predictions": predictions.pack(PREDICTED),
        "confidences": predictions.pack([n * 3000 for n in range(20)]),
        "mistakes": [],
    }
    return {**found, **changes}


@pytest.fixture
def images(client, report):
    """A run on the digits; gets a page of its test images."""
    job_id = report({"dataset": "digits"}, Evaluated(content=content()))

    def page(query="", status=200):
        return get(client, f"/jobs/{job_id}/evaluation/images{query}", status)

    return page


@pytest.fixture
def stored(context, tmp_path):
    """The file of the digits' test images, as a worker makes it: image n has the gray of n."""
    path = tmp_path / "images"
    path.write_bytes(b"".join(bytes([n]) * PIXELS for n in range(20)))
    key = derived.ask(context.database, derived.test_images("digits"))[0].key
    derived.finish(context.database, key, context.storage.put(path))
    return key


def pairs(page):
    return [each.text for each in page.all("span", **{"class": "pair"})]


def test_a_cell_has_the_images_of_its_classes_most_confident_first():
    assert [each.index for each in choose(content(), 0, 1)] == [9, 8]
    assert [each.index for each in choose(content(), 1, 0)] == [10]
    assert [each.index for each in choose(content(), 0, None)] == [*range(9, -1, -1)]
    assert [each.index for each in choose(content(), None, 0)] == [10, *range(7, -1, -1)]


def test_without_a_class_all_errors_are_meant():
    assert [each.index for each in choose(content(), None, None)] == [10, 9, 8]


def test_the_confidence_of_an_image_is_that_of_its_prediction():
    assert every(content())[9].confidence == pytest.approx(27_000 / 65_535)


def test_an_evaluation_of_an_earlier_release_knows_what_it_kept():
    mistakes = [{"index": 9, "label": 0, "predicted": 1, "confidence": 0.7, "image": ""}]
    without_confidences = content(mistakes=mistakes)
    del without_confidences["confidences"]
    first = evaluated().content

    assert [each.confidence for each in every(without_confidences)][8:10] == [None, 0.7]
    assert [each.index for each in choose(without_confidences, 0, 1)] == [9, 8]
    assert len(every(first)) == len(first["mistakes"])
    assert choose(first, 1, 1) == []


def test_a_page_shows_the_images_of_a_cell(images, stored):
    page = images("?true=0&predicted=1")

    assert pairs(page) == ["cat → dog", "cat → dog"]
    assert "2 of the 10 test images of this class" in page.text
    assert "The other way round: 1" in page.text
    alts = [each.attributes["alt"] for each in page.all("img")]
    assert alts == ["Test image 9", "Test image 8"]
    source = page.all("img")[0].attributes["src"].removeprefix("data:image/png;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(source)))
    assert (picture.mode, picture.size, picture.getpixel((3, 3))) == ("L", (8, 8), 9)


def test_without_pictures_the_page_waits_for_a_worker_and_tells_what_it_knows(images):
    page = images("?true=0&predicted=1")

    assert pairs(page) == ["cat → dog", "cat → dog"]
    assert page.all("img") == []
    [notice] = [each for each in page.all("div") if "data-waiting" in each.attributes]
    assert notice.attributes["data-waiting"].endswith("/images?page=1&true=0&predicted=1")
    assert "worker" in notice.text


def test_pictures_that_are_lost_are_made_again(images, stored, context):
    row = derived.find(context.database, stored)
    context.storage.delete(derived.blob_of(row))

    assert images("?true=0&predicted=1").all("img") == []
    assert derived.find(context.database, stored) is None
    images("?true=0&predicted=1")
    assert derived.find(context.database, stored).taken_at is None


def test_errors_that_a_run_kept_need_no_worker(client, report):
    job_id = report({"dataset": "digits"}, evaluated())

    page = get(client, f"/jobs/{job_id}/evaluation/images?true=0&predicted=1")

    assert [each.attributes["width"] for each in page.all("img")] == ["112"] * 30
    assert "by an earlier release" in page.text
    assert [each for each in page.all("div") if "data-waiting" in each.attributes] == []


def test_a_page_has_so_many_images_and_leads_to_the_others(images, stored, monkeypatch):
    monkeypatch.setattr(addressed, "ON_A_PAGE", 4)

    first, last = images("?true=0"), images("?true=0&page=3")

    assert len(first.all("img")) == 4
    assert len(last.all("img")) == 2
    assert first.one("a", rel="next").attributes["href"].endswith("?page=2&true=0")
    assert last.all("a", rel="next") == []
    assert "Page 3 of 3" in last.text


@pytest.mark.parametrize(
    "query", ["true=2", "true=x", "predicted=-1", "page=0", "page=2", "true=²"]
)
def test_what_is_no_class_and_no_page_is_refused(images, query):
    images(f"?{query}", 422)


def test_a_cell_without_images_says_so(client, report):
    nothing_wrong = content(predictions=predictions.pack(LABELS))
    job_id = report({"dataset": "digits"}, Evaluated(content=nothing_wrong))

    page = get(client, f"/jobs/{job_id}/evaluation/images?true=0&predicted=1")

    assert "There are none." in page.text


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_picture_is_the_pixels_as_a_png(channels, mode):
    pixels = bytes(range(2 * 2 * channels))

    picture = Image.open(io.BytesIO(pictures.png(pixels, 2, channels)))

    assert (picture.mode, picture.size) == (mode, (2, 2))
    assert picture.tobytes() == pixels
