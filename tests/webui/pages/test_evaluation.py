"""The page of an evaluation: its shades, the geometry of its diagram, and where it is linked."""

from __future__ import annotations

import pytest

from core.protocol.reports import Evaluated
from tests.reported import evaluated
from tests.webui.pages.conftest import Page, get
from webui.pages.evaluation import FIRST_ERRORS, SIDE
from webui.pages.evaluation import shown as prepared


def shown(**changes):
    return prepared({**evaluated().content, **changes})


def test_a_row_of_the_confusion_is_a_true_class():
    (right, wrong), _ = shown().confusion

    assert (right.count, right.is_correct, right.title) == (8, True, "cat: 8 of 10 correct")
    assert (wrong.count, wrong.is_correct, wrong.title) == (
        2,
        False,
        "cat: 2 of 10 predicted as dog",
    )


def test_one_in_a_hundred_can_be_seen():
    _, wrong = shown(confusion=[[99, 1], [0, 1]]).confusion[0]

    assert wrong.shade == 0.1


def test_a_class_without_images_has_no_shade():
    assert [cell.shade for cell in shown(confusion=[[0, 0], [1, 9]]).confusion[0]] == [0, 0]


def test_the_bars_are_the_bins_that_have_images_and_as_high_as_they_are_right():
    [bar] = shown().bars

    assert (bar.x, bar.width) == (SIDE / 2, SIDE / 2)
    assert (bar.y, bar.height) == (30, 170)  # 85% of 200, from the top
    assert bar.y + bar.height == SIDE
    assert (bar.count, bar.confidence) == (20, 0.9)


def test_a_bar_of_few_images_is_faint():
    def opacity(count):
        bins = [{"lower": 0.9, "upper": 1.0, "count": count, "confidence": 0.95, "accuracy": 1.0}]
        return shown(calibration={"expected_calibration_error": 0, "bins": bins}).bars[0].opacity

    assert [opacity(count) for count in (1, 15, 30, 9000)] == [0.25, 0.5, 1, 1]


@pytest.mark.parametrize(("wrong", "are_all_shown"), [(30, True), (31, False)])
def test_it_is_known_whether_these_are_all_errors(wrong, are_all_shown):
    assert shown(confusion=[[70, wrong], [0, 100]]).has_all_errors is are_all_shown


def test_errors_are_shown_by_the_names_of_their_classes():
    first = shown().errors[0]

    assert (first.index, first.true, first.predicted, first.confidence) == (7, "cat", "dog", 0.99)


@pytest.mark.parametrize("count", [0, 1, FIRST_ERRORS, FIRST_ERRORS + 1])
def test_no_error_is_lost_between_those_shown_and_those_folded_away(count):
    all_of_them = evaluated().content["mistakes"][:count]
    made = shown(mistakes=all_of_them)

    assert len(made.first_errors) == min(count, FIRST_ERRORS)
    assert [*made.first_errors, *made.other_errors] == list(made.errors)


@pytest.mark.parametrize(("names", "long"), [(("0", "12"), False), (("Bag", "1"), True)])
def test_names_that_do_not_fit_over_a_column_are_noticed(names, long):
    assert prepared(evaluated(names).content).has_long_names is long


def test_a_run_leads_to_its_evaluation_once_there_is_one(client, report):
    going = get(client, f"/jobs/{report({}, evaluated(), ended=False)}")
    without = get(client, f"/jobs/{report({})}")
    done = report({}, evaluated())
    page = get(client, f"/jobs/{done}")

    assert not [each for each in going.all("section") if "data-evaluation" in each.attributes]
    assert without.all("a", href="/jobs/2/evaluation") == []
    assert page.one("a", href=f"/jobs/{done}/evaluation")
    [part] = [each for each in page.all("section") if "data-evaluation" in each.attributes]
    assert Page(client.get(part.attributes["data-evaluation"]).text).all("table")


def test_an_evaluation_is_a_page_of_its_own_and_a_part(client, report):
    job_id = report({}, evaluated())
    page = get(client, f"/jobs/{job_id}/evaluation")
    part = Page(client.get(f"/jobs/{job_id}/evaluation?part=1").text)

    assert page.one("h1").text == "a run"
    assert page.one("a", href=f"/jobs/{job_id}")
    assert part.one("section", id="evaluation").text == page.one("section", id="evaluation").text
    assert not part.all("html")
    for text in ("Test-set evaluation", "85.00%", "0.4321", "77.40%", "0.0321"):
        assert text in page.text


def test_a_cell_of_the_confusion_matrix_leads_to_its_images(client, report):
    job_id = report({}, evaluated())
    page = get(client, f"/jobs/{job_id}/evaluation")

    wrong = page.one("a", title="cat: 2 of 10 predicted as dog")
    right = page.one("a", title="dog: 9 of 10 correct")

    images = f"/jobs/{job_id}/evaluation/images"
    assert (wrong.text, wrong.attributes["href"]) == ("2", f"{images}?true=0&predicted=1")
    assert (right.text, right.attributes["href"]) == ("9", f"{images}?true=1&predicted=1")
    assert page.one("td", style="--share: 0.447; --weight: 0.471").text == "2"
    assert page.one("td", style="--share: 0.949; --weight: 1.0").attributes["class"] == "right"


def test_the_classes_can_be_put_in_order(client, report):
    content = evaluated().content
    content["classes"][0] |= {"recall": 0.5, "f1": 0.9}
    job_id = report({}, Evaluated(content=content))

    def order(by):
        page = get(client, f"/jobs/{job_id}/evaluation?by={by}")
        return [row.text[:3] for row in page.all("tr") if "data-label" in row.attributes]

    assert order("") == order("recall") == order("-f1") == order("nonsense") == ["cat", "dog"]
    assert order("-recall") == order("f1") == ["dog", "cat"]
    page = get(client, f"/jobs/{job_id}/evaluation?by=-recall")
    [header] = [each for each in page.all("th") if "aria-sort" in each.attributes]
    assert (header.text, header.attributes["aria-sort"]) == ("Recall", "descending")
    link = page.one("a", data_sort="recall")
    assert link.attributes["href"] == f"/jobs/{job_id}/evaluation?by=recall#classes-title"


def test_it_is_said_how_far_the_confidence_is_off(client, report):
    page = get(client, f"/jobs/{report({}, evaluated())}/evaluation")

    assert "Its confidence is off by 3.21% on average." in page.text
    assert "Its confidence matches its accuracy, within chance: mean confidence 90.00%" in page.text


def test_it_is_overconfident_where_chance_does_not_explain_it(client, report):
    sure = Evaluated(content=evaluated().content | {"count": 2000})
    page = get(client, f"/jobs/{report({}, sure)}/evaluation")

    assert "It is overconfident: mean confidence 90.00%, accuracy 85.00%." in page.text


def test_the_gap_of_a_bin_lies_between_accuracy_and_confidence():
    [bar] = shown().bars

    assert (bar.gap_y, bar.gap_height) == (20, 10)  # from 90% down to 85%, of 200


def test_most_errors_are_folded(client, report):
    page = get(client, f"/jobs/{report({}, evaluated())}/evaluation")
    first, others = page.all("ol", **{"class": "error-list"})
    assert (first.text.count("cat → dog"), others.text.count("cat → dog")) == (24, 6)
    assert "6 more" in [summary.text for summary in page.all("summary")]
    pictures = page.all("img")
    assert len(pictures) == 30
    assert pictures[0].attributes["src"].startswith("data:image/png;base64,iVBOR")
    assert pictures[0].attributes["alt"] == "Test image 7"


def test_a_run_that_was_not_evaluated_has_no_such_page(client, submitted):
    job = submitted()
    assert "has no evaluation" in get(client, f"/jobs/{job.id}/evaluation", 404).text
    assert "There is no run 99" in get(client, "/jobs/99/evaluation", 404).text
