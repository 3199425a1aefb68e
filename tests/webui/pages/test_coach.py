"""What the coach says on a run's page: with its evidence drawn, and a corrected clone."""

from __future__ import annotations

import json

import pytest

from core.coach import Bar, Curves, Intervals, Series
from core.jobs import endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Failure
from core.messages import message
from tests.reported import PNG, epoch_end, evaluated
from tests.webui.pages.conftest import get
from webui.pages.diagrams import HEIGHT, WIDTH, diagram, ranges

FLAT = {
    "dataset": "digits",
    "epochs": 4,
    "optimizer": {"kind": "sgd", "learning_rate": 0.00001},
}


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: what a page asks is tested on each kind of database by itself."""
    return "sqlite"


@pytest.fixture
def flat(report):
    """A run that learned nothing, at a learning rate far too low."""
    ends = [
        epoch_end(
            epoch=number, step=10 * number, train_loss=2.302, test_loss=2.303, test_accuracy=0.1
        )
        for number in range(1, 5)
    ]
    return report(FLAT, *ends)


def test_a_run_has_a_place_for_the_coach_after_its_numbers(client, flat):
    page = get(client, f"/jobs/{flat}")

    place = page.one("div", id="coach-place").attributes["data-coach"]
    assert get(client, place).one("article", id="advice-not_learning")
    ids = [each.attributes.get("id") for each in page.elements]
    assert ids.index("part-alerts") < ids.index("part-progress") < ids.index("coach-place")


def test_without_a_script_the_coach_has_a_page_of_its_own(client, flat):
    page = get(client, f"/jobs/{flat}/coach")

    assert "Guessing among 10 classes gives 2.3" in page.text
    assert "Raise the learning rate from 1e-5 to 0.3" in page.text
    assert page.one("article", id="advice-not_learning")


def test_evidence_is_drawn_with_a_title_a_description_and_axes(client, flat):
    page = get(client, f"/jobs/{flat}/coach")

    [image] = [each for each in page.all("svg", role="img") if "aria-labelledby" in each.attributes]
    title, description = image.attributes["aria-labelledby"].split()
    assert page.one("title", id=title).text == "Evidence: Train loss, Test loss"
    assert page.one("desc", id=description).text.startswith("By epoch, from 1 to 4.")
    texts = [each.text for each in page.all("text")]
    assert {"epoch", "loss"} <= set(texts)


def test_the_corrected_clone_is_the_form_with_the_field_changed(client, flat):
    link = next(
        each
        for each in get(client, f"/jobs/{flat}/coach").all("a")
        if each.text == "Clone with this change"
    )

    form = get(client, link.attributes["href"])

    assert f"from={flat}" in link.attributes["href"]
    rate = form.one("input", name="optimizer.sgd.learning_rate")
    assert rate.attributes["value"] == "0.3"


def test_a_good_run_is_left_in_peace(client, succeeded):
    page = get(client, f"/jobs/{succeeded()}/coach")

    assert page.all("article") == []
    assert "The coach sees nothing to improve." in page.text


def test_one_epoch_that_learned_nothing_is_no_good_run(client, report):
    job_id = report(FLAT | {"epochs": 1}, epoch_end(test_loss=2.303, test_accuracy=0.1135))

    page = get(client, f"/jobs/{job_id}/coach")

    assert page.one("article", id="advice-guessing")
    assert "It is right in 11.35% of the test images" in page.text


def test_a_run_that_was_cancelled_is_not_looked_at(client, database, submitted):
    job_id = submitted().id
    lifecycle.cancel(database, job_id, LOCAL_OWNER)

    assert "does not look at runs that were cancelled" in get(client, f"/jobs/{job_id}/coach").text


def test_a_queued_run_is_told_that_it_is_too_early(client, submitted):
    page = get(client, f"/jobs/{submitted().id}/coach")

    assert "Nothing to say yet" in page.text


def test_a_run_that_diverged_is_told_to_lower_its_rate(client, database, running):
    job_id, lease = running()
    reason = message("run.diverged", epoch=1, batch=1, learning_rate=0.1, snapshot=None)
    endings.end(database, lease, "failed", Failure("diverged", reason))

    page = get(client, f"/jobs/{job_id}/coach")

    assert "Lower the learning rate to 0.01." in page.one("article", id="advice-diverged").text
    # one sample is no curve
    assert [
        each for each in page.all("svg", role="img") if "aria-labelledby" in each.attributes
    ] == []


def test_suspicious_labels_are_shown_as_pictures(client, report):
    names = tuple("0123456789")
    content = dict(evaluated(names, tuple((36,) * 10 for _ in names)).content)
    content |= {"count": 360, "accuracy": 0.95}
    content["mistakes"] = [
        {
            "index": n,
            "label": n % 10,
            "predicted": (n + 1 + n // 10) % 10,
            "confidence": 0.99,
            "image": PNG,
        }
        for n in range(18)
    ]
    job_id = report(
        {"dataset": "digits"}, epoch_end(), evaluated().model_copy(update={"content": content})
    )

    page = get(client, f"/jobs/{job_id}/coach")

    assert "18 of 18 errors" in page.text
    assert len(page.all("img")) == 8
    assert page.all("img")[0].attributes["alt"] == "Test image 0"


def test_the_api_gives_the_same_with_its_evidence(client, flat):
    [given] = client.get(f"/api/v1/jobs/{flat}/advice").json["items"]

    assert given["rule"] == "not_learning"
    assert given["changes"] == {"optimizer.learning_rate": 0.3}
    assert given["clone"] == f"/jobs/new?from={flat}&optimizer.learning_rate=0.3"
    assert given["evidence"]["kind"] == "curves"
    assert given["evidence"]["series"][0] == {
        "value": "train_loss",
        "at": [1, 2, 3, 4],
        "values": [2.302] * 4,
    }
    assert json.dumps(given)


def test_of_a_run_that_is_not_there_nothing_is_said(client):
    assert client.get("/api/v1/jobs/99/advice").status_code == 404
    assert client.get("/jobs/99/coach").status_code == 404


CURVE = Series("test_loss", [1, 2, 3], [2.0, 1.0, 0.5])


def test_a_curve_goes_from_edge_to_edge_and_zero_is_at_the_bottom():
    made = diagram(Curves("epoch", [CURVE], 2, 3))

    assert made is not None
    assert made.lines[0].path.startswith("M0.0 ")
    assert f"L{WIDTH}.0 " in made.lines[0].path
    assert made.ticks[0].at == HEIGHT
    assert made.shaded == (WIDTH / 2, WIDTH / 2)


def test_a_single_measurement_is_no_curve():
    assert diagram(Curves("epoch", [Series("train_loss", [1], [2.0])], 1, 1)) is None
    assert diagram(Curves("step", [], 0, 0)) is None


def test_a_curve_that_does_not_move_can_be_drawn():
    made = diagram(Curves("epoch", [Series("test_accuracy", [1, 2], [0.5, 0.5])], 1, 2))

    assert made is not None
    assert "nan" not in made.lines[0].path


def test_where_two_intervals_overlap_is_shaded():
    made = ranges(Intervals([Bar(1, None, 0.5, 0.4, 0.6), Bar(2, None, 0.6, 0.5, 0.8)]))

    assert made.overlap == (WIDTH / 4, WIDTH / 4)
    assert (made.first.text, made.last.text) == ("40.00%", "80.00%")


def test_fields_in_which_runs_differ_are_named_by_their_titles(client, report):
    for epochs, accuracy in ((2, 0.85), (3, 0.8)):
        content = evaluated().content | {"accuracy": accuracy}
        job_id = report(
            {"dataset": "digits", "epochs": epochs, "optimizer": {"learning_rate": epochs / 100}},
            *(epoch_end(epoch=each, step=10 * each) for each in range(1, epochs + 1)),
            evaluated().model_copy(update={"content": content}),
        )
    address = f"/jobs/{job_id}/coach"

    seen = get(client, address).one("article", id="advice-noise").text
    client.set_cookie("language", "zh")
    in_chinese = get(client, address).one("article", id="advice-noise").text

    assert "which differs in epochs, optimizer: Learning rate: on 20 test images" in seen
    assert "两者在 轮数" in in_chinese
