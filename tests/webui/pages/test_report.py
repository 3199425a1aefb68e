"""The report of a run: a page to print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core import formats
from core.database.models import Attempt, Job
from core.protocol.reports import StepMetrics
from tests.reported import epoch_end, evaluated
from tests.webui.pages.conftest import MEASURED, OF_THE_FIRST_EPOCH, VALIDATED, get
from webui.pages.curve_picture import HEIGHT, WIDTH, draw


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


def texts(page, tag):
    return [element.text for element in page.all(tag)]


def test_a_report_has_the_facts_the_curves_the_classes_and_the_digests(client, report):
    second = epoch_end(epoch=2, step=20, test_accuracy=0.8, validation_accuracy=0.7)
    job_id = report(VALIDATED, MEASURED, second, evaluated(), files=OF_THE_FIRST_EPOCH)

    page = get(client, f"/jobs/{job_id}/report")

    assert {"Network", "Optimizer"} <= set(texts(page, "dt"))
    assert {"CNN", "SGD"} <= set(texts(page, "dd"))
    for text in ("90.00%", "92.71%", "0.3141", "Learning rate", "9f" * 32, "ab" * 32):
        assert text in page.text
    assert {"cat", "dog"} <= set(texts(page, "th"))
    assert len(page.all("polyline")) == 5
    assert texts(page, "text").count("published") == 2


def test_a_run_of_one_epoch_has_its_batches_for_a_curve_and_no_box_with_a_dot(client, report):
    batches = [
        StepMetrics(
            step=step, epoch=1, batch=step, train_loss=2 / step, learning_rate=0.1,
            images_per_s=9.0, eta_s=1.0,
        )
        for step in (2, 4, 6)
    ]  # fmt: skip
    job_id = report({}, *batches, epoch_end())

    page = get(client, f"/jobs/{job_id}/report")

    [curve] = [each.attributes["points"] for each in page.all("polyline")[:1]]
    assert len(curve.split()) == 3
    assert "train (batches)" in page.text
    assert texts(page, "text").count("published") <= 1


def test_the_duration_of_a_report_is_that_of_the_attempts_without_what_was_waited(
    client, database, report
):
    job_id = report({}, epoch_end())
    began = datetime(2026, 1, 1, tzinfo=UTC)
    times = {"started_at": began, "finished_at": began + timedelta(minutes=3)}
    with database.writing() as session:
        attempt = session.get(Attempt, (job_id, 1))
        for name, value in times.items():
            setattr(attempt, name, value)
        job = session.get(Job, job_id)
        job.started_at, job.finished_at = began, began + timedelta(hours=5)

    assert (
        "Duration3 min 00 s"
        in get(client, f"/jobs/{job_id}/report").one("dl", **{"class": "report-facts"}).text
    )


def test_a_report_of_a_run_that_has_not_begun_says_so(client, submitted):
    page = get(client, f"/jobs/{submitted('<b>later</b>').id}/report")

    assert "No epoch has finished." in page.text
    assert page.one("h1").text == "<b>later</b>"
    assert page.all("polyline") == []


def test_a_report_of_a_run_whose_dataset_is_not_known_here_shows_what_is(client, report, database):
    job_id = report(VALIDATED, MEASURED, evaluated(), files=OF_THE_FIRST_EPOCH)
    with database.writing() as session:
        job = session.get_one(Job, job_id)
        job.dataset, job.spec = "galaxies", job.spec | {"dataset": "galaxies"}

    page = get(client, f"/jobs/{job_id}/report")

    for text in ("92.71%", "galaxies", "Learning rate", "9f" * 32):
        assert text in page.text
    facts = dict(zip(texts(page, "dt"), texts(page, "dd"), strict=True))
    assert facts["Parameters"] == formats.NOTHING


def test_the_most_frequent_errors_are_printed(client, report):
    confusion = ((5, 3, 0), (0, 5, 1), (7, 0, 5))
    job_id = report({}, epoch_end(), evaluated(("a", "b", "c"), confusion))
    page = get(client, f"/jobs/{job_id}/report")

    assert "Most frequent errors" in texts(page, "h2")
    errors = [each for each in texts(page, "dt") if "→" in each]
    assert [each.replace(" ", "") for each in errors] == ["c→a", "a→b", "b→c"]


def test_of_many_classes_the_weakest_are_printed(client, report):
    names = tuple(f"class {number}" for number in range(30))
    confusion = tuple(tuple(int(row == column) for column in range(30)) for row in range(30))
    page = get(client, f"/jobs/{report({}, epoch_end(), evaluated(names, confusion))}/report")

    assert "The 10 weakest of 30 classes on the test set" in texts(page, "h2")


def test_a_report_of_no_run_is_not_found(client):
    get(client, "/jobs/999/report", 404)


def drawn(column, **more):
    return draw("Loss", range(1, len(column) + 1), {("train", "train"): column}, str, **more)


def test_a_picture_keeps_every_point_inside_and_leaves_gaps_out():
    picture = drawn([2.0, None, 1.0, 0.5])

    places = [tuple(map(float, each.split(","))) for each in picture.lines[0].points.split()]
    assert len(places) == 3
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert [text for _, text in picture.down] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("column", [[1.0], [0.0], [0.5] * 3, [1e-9, 1e9]])
def test_a_picture_of_any_values_has_an_axis(column):
    picture = drawn(column)

    assert picture.across
    assert all(0 <= y <= HEIGHT for y, _ in picture.across)


def test_a_share_is_drawn_within_0_and_1():
    picture = drawn([0.9, 0.99], is_share=True, marks={"best": 2, "published": None})

    assert [text for _, text, _ in picture.marks] == ["best"]
    assert not picture.marks_at_top
    assert drawn([None]) is None


def test_marks_that_stand_near_each_other_have_rows_of_their_own():
    near = drawn([0.9] * 40, marks={"published": 20, "best": 22}).marks
    far = drawn([0.9] * 40, marks={"published": 5, "best": 30}).marks

    assert [row for *_, row in near] == [0, 1]
    assert [row for *_, row in far] == [0, 0]


def test_the_axis_of_a_picture_names_the_last_epoch():
    picture = draw("Loss", list(range(1, 25)), {("train", "train"): [1.0] * 24}, str)

    assert [text for _, text in picture.down] == ["0", "5", "10", "15", "20", "24"]
