"""The hardest images over several runs, and labels that may be mistakes."""

from __future__ import annotations

import pytest

from core import predictions
from core.jobs import deletion
from core.jobs.actors import LOCAL_OWNER
from core.protocol.reports import Evaluated
from tests.reported import evaluated
from tests.webui.pages.conftest import get
from webui.pages import hardest

LABELS = [0, 1, 2, 3]


@pytest.fixture
def database_kind():
    """What is asked of the database here is tried on both elsewhere."""
    return "sqlite"


def content(predicted, labels=LABELS):
    return evaluated().content | {
        "labels": predictions.pack(labels),
        "predictions": predictions.pack(predicted),
        "mistakes": [],
    }


@pytest.fixture
def predicted(report):
    """A finished run on the digits that predicted its four test images so."""

    def write(*labels, **changes):
        return report({"dataset": "digits", **changes}, Evaluated(content=content(labels)))

    return write


def shown(page):
    return [each.text for each in page.all("li") if "wrong in" in each.text]


def test_images_come_by_how_many_runs_get_them_wrong():
    found = hardest.find([content(each) for each in ([0, 1, 9, 8], [0, 1, 2, 8], [5, 1, 2, 7])])

    assert [(each.index, each.wrong) for each in found] == [(3, 3), (0, 1), (2, 1)]
    assert found[0].votes == [(8, 2), (7, 1)]
    assert hardest.find([]) == []


@pytest.mark.parametrize(
    ("votes", "runs", "doubtful"),
    [
        ([(8, 10)], 10, True),
        ([(8, 8), (3, 2)], 10, True),
        ([(8, 7), (3, 3)], 10, False),
        ([(8, 2)], 2, False),
        ([(3, 9), (8, 1)], 10, False),
    ],
)
def test_a_label_is_doubted_where_most_runs_agree_on_another(votes, runs, doubtful):
    wrong = sum(count for label, count in votes if label != 3)

    assert hardest.Hard(0, 3, wrong, votes).is_doubtful(runs) is doubtful


def test_a_page_has_the_images_their_labels_and_what_the_runs_predicted(client, predicted):
    for last in (8, 8, 8):
        predicted(0, 1, 2, last)
    predicted(5, 1, 2, 8)

    page = get(client, "/hardest?dataset=digits")

    assert "By the newest 4 finished runs" in page.text
    first, second = shown(page)
    assert "Label 3" in first
    assert "8 ×4" in first
    assert "wrong in 4 of 4" in first
    assert "0 ×3" in second
    assert "5 ×1" in second
    link = page.one("a", href="/hardest?dataset=digits&runs=20&doubtful=1")
    assert link.text == "These may be mislabels (1)"
    [doubtful] = shown(get(client, link.attributes["href"]))
    assert "Label 3" in doubtful


def test_of_a_single_run_it_is_said_that_these_are_its_own_errors(client, predicted):
    predicted(0, 1, 9, 8)
    assert "only one run to ask" in get(client, "/hardest?dataset=digits").text
    predicted(0, 1, 2, 8)
    assert "only one run to ask" not in get(client, "/hardest?dataset=digits").text


def test_only_the_newest_runs_count(client, predicted):
    predicted(0, 1, 2, 8)
    predicted(0, 1, 2, 3)

    assert shown(get(client, "/hardest?dataset=digits&runs=1")) == []
    assert len(shown(get(client, "/hardest?dataset=digits&runs=2"))) == 1


def test_runs_on_other_images_or_that_are_deleted_do_not_count(client, report, predicted, database):
    gone = predicted(9, 9, 9, 9)
    deletion.delete(database, gone, LOCAL_OWNER, 3600)
    report({"dataset": "digits"}, Evaluated(content=content([0, 1, 2], LABELS[:3])))
    report({"dataset": "digits"}, evaluated())  # of a release that kept no predictions
    report({}, Evaluated(content=content([9, 9, 9, 9])))
    predicted(0, 1, 2, 8)

    page = get(client, "/hardest?dataset=digits")

    assert "By the newest finished run on this dataset:" in page.text
    assert len(shown(page)) == 1


def test_without_a_dataset_one_is_chosen(client, predicted):
    assert "No run has finished yet" in get(client, "/hardest").text
    predicted(0, 1, 2, 3)

    page = get(client, "/hardest")

    assert page.one("a", href="/hardest?dataset=digits").text.startswith("Digits")
    assert page.all("a", href="/hardest?dataset=mnist") == []


@pytest.mark.parametrize(
    "query", ["dataset=nothing", "dataset=digits&runs=0", "dataset=digits&runs=51"]
)
def test_what_is_no_dataset_and_no_count_is_refused(client, query):
    get(client, f"/hardest?{query}", 422)


def test_a_dataset_without_runs_says_so(client):
    assert "No finished run on this dataset" in get(client, "/hardest?dataset=kmnist").text
