"""The list of runs: filtered, paged and kept up to date."""

from __future__ import annotations

import sys
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from core import queries, saved_filters
from core.database.models import Job
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.protocol.reports import StepMetrics
from core.spec.presets import resolve
from tests.core.many import multiply
from tests.reported import epoch_end
from tests.webui.pages.conftest import Page, get
from webui.pages import list_columns, list_view


def test_an_empty_list_invites_to_make_the_first_run(client):
    page = get(client, "/")
    assert "No runs yet" in page.text
    assert page.one("a", href="/jobs/new?preset=quick").text == "Start your first run"


def test_the_list_shows_what_a_run_has_come_to(client, succeeded):
    job_id = succeeded("done one")
    row = get(client, "/").one("tr", id=f"job-{job_id}")
    for text in ("succeeded", "done one", "epoch 1 of 1", "98.76%", "0.2000", "worker-one"):
        assert text in row.text


def test_the_list_can_be_filtered_by_state(client, submitted, running):
    running("runs")
    submitted("waits")
    page = get(client, "/?state=queued")
    assert "waits" in page.text
    assert "runs" not in page.one("table").text
    assert page.one("a", aria_current="true").text == "queued 1"
    assert "No run is failed" in get(client, "/?state=failed").text


def test_an_unknown_state_is_refused_with_the_known_ones(client):
    assert "succeeded" in get(client, "/?state=lazy", 422).text


def test_older_and_newest_lead_through_the_list(client, submitted):
    for number in range(queries.DEFAULT_LIMIT + 1):
        submitted(f"run {number}")
    first = get(client, "/")
    assert not [link for link in first.all("a") if "Newest" in link.text]
    older = get(client, first.one("a", rel="next").attributes["href"])
    assert [link.text for link in older.all("a") if "run " in link.text.lower()][-1] == "run 0"
    assert older.one("a", rel="prev").attributes["href"] == "/"
    assert not older.all("a", rel="next")


def test_the_list_keeps_itself_fresh_by_a_part_of_its_own_address(client, submitted):
    submitted("waits")
    address = get(client, "/?state=queued").one("div", id="fresh").attributes["data-refresh"]
    part = Page(client.get(address).text)
    assert "waits" in part.one("table").text
    assert not part.all("html")
    assert not part.all("header")


def test_the_filters_stand_in_the_address_and_stay_when_one_pages(client, submitted):
    for number in range(queries.DEFAULT_LIMIT + 1):
        submitted(f"run {number}")
    page = get(client, "/?dataset=mnist&text=RUN&state=queued")

    chosen = [option.text for option in page.all("option", selected=None)]
    assert chosen == ["mnist"]
    assert page.one("input", name="text", type="text").attributes["value"] == "RUN"
    following = page.one("a", rel="next").attributes["href"]
    assert "dataset=mnist" in following
    last = get(client, following)
    assert [link.text for link in last.all("a", **{"class": "whole"})] == ["run 0"]
    assert "No run is like that" in get(client, "/?dataset=digits").text


def test_a_tag_leads_to_the_runs_that_have_it(client):
    body = {"name": "mine", "tags": ["thesis"]}
    job_id = client.post("/api/v1/jobs", json=body).json["id"]
    for address in ("/", f"/jobs/{job_id}"):
        link = get(client, address).one("a", **{"class": "tag"})
        assert link.text == "thesis"
        assert "mine" in get(client, link.attributes["href"]).one("table").text


def test_a_sorted_list_has_the_runs_with_a_measurement(client, succeeded, submitted):
    succeeded("done")
    submitted("waits")

    page = get(client, "/?sort=-test_accuracy")

    assert [option.text for option in page.all("option", selected=None)] == [
        "test accuracy, largest first"
    ]
    assert "done" in page.one("table").text
    assert "waits" not in page.one("table").text


def test_a_name_of_before_can_be_clicked_and_turns_nothing(client, submitted, database):
    blank, turning = submitted("one"), submitted("other")
    with database.writing() as session:
        for job, name in ((blank, "\u200b\u2060"), (turning, "a\u202eb\u2067")):
            session.execute(update(Job).where(Job.id == job.id).values(name=name))

    for address in ("/", f"/jobs/{blank.id}", f"/jobs/{turning.id}"):
        assert not set("\u200b\u202e\u2067") & set(client.get(address).text)
    page = get(client, "/")
    assert page.one("a", href=f"/jobs/{blank.id}").text == "(invisible name)"
    assert page.one("a", href=f"/jobs/{turning.id}").text == "a\ufffdb\ufffd"


def test_an_unknown_order_is_refused_with_those_that_there_are(client):
    assert "test_accuracy" in get(client, "/?sort=beauty", 422).text


def headings(page):
    return [each.text.rstrip("↑↓ ") for each in page.all("th")]


def test_the_columns_stand_in_the_address(client, succeeded):
    succeeded("done")
    page = get(client, "/?columns=test_loss,optimizer.learning_rate,seed,nobody_knows_this")

    assert headings(page) == ["Choose", "State", "Name", "Test loss", "Seed", "Learning rate"]
    assert [cell.text for cell in page.all("td")][3:] == ["0.0400", "0", "0.1"]
    assert headings(get(client, "/?columns="))[3:] == []


def test_every_column_can_be_shown_and_sorted_by_where_it_says_so(client, succeeded):
    succeeded("done")
    columns = [each for choice in list_columns.choices() for each in choice.columns]
    page = get(client, f"/?columns={','.join(each.name for each in columns)}")

    assert headings(page)[3:] == [each.title for each in columns]
    links = [each.attributes["href"] for each in page.all("a", **{"class": "sort"})]
    assert len(links) == 2 + sum(each.is_sortable for each in columns)
    for link in links[::3]:
        found = get(client, link)
        ordered = [each for each in found.all("th") if "aria-sort" in each.attributes]
        assert len(ordered) == 1 or "No run is like that" in found.text


def test_the_grid_of_the_list_has_a_width_for_each_heading(client, submitted):
    submitted("waits")
    for address in ("/", "/?columns=", "/?columns=notes,finished,model.kind,batch_size"):
        page = get(client, address)
        style = page.one("table", role="table").attributes["style"]
        widths = style.removeprefix("--columns: ").replace("(19rem, 1fr)", "").split()
        assert len(widths) == len(page.all("th"))


def test_a_heading_sorts_by_its_column_and_then_the_other_way(client, submitted):
    for rate in (0.1, 0.3, 0.02):
        submitted(f"rate {rate}", optimizer={"kind": "sgd", "learning_rate": rate})
    address, names = "/?columns=optimizer.learning_rate", []

    for order in ("ascending", "descending"):
        [*_, heading] = get(client, address).all("a", **{"class": "sort"})
        address = heading.attributes["href"]
        page = get(client, address)
        assert page.one("th", aria_sort=order)
        names.append([link.text for link in page.all("a", **{"class": "whole"})])

    assert names[0] == names[1][::-1] == ["rate 0.02", "rate 0.1", "rate 0.3"]


def test_the_caption_says_by_what_the_list_is_sorted_in_the_language_of_the_reader(
    client, submitted
):
    submitted()
    assert (
        get(client, "/?sort=-optimizer.learning_rate").one("caption").text
        == "Runs, by learning rate"
    )
    client.set_cookie("language", "zh")
    assert get(client, "/?sort=-created").one("caption").text == "任务，按创建时间排序"


def test_no_two_columns_have_the_same_title(client):
    columns = [each for choice in list_columns.choices() for each in choice.columns]
    titles = [each.title for each in columns]

    assert len(set(titles)) == len(titles)
    assert "Patience, Stopping early" in titles


def test_a_row_draws_how_the_loss_went_and_says_it_in_words(client, database, report):
    steps = [
        StepMetrics(
            step=step,
            epoch=1,
            batch=step,
            train_loss=2.0 / step,
            learning_rate=0.1,
            images_per_s=1.0,
            eta_s=0.0,
        )
        for step in range(1, 11)
    ]
    report({"epochs": 1}, *steps, epoch_end(step=10, batch=10))

    drawn = get(client, "/").one("svg", role="img")

    assert drawn.attributes["aria-label"] == "Train loss: from 2.0000 to 0.2000"
    line = get(client, "/").one("polyline").attributes["points"].split()
    assert (line[0], line[-1]) == ("2.0,2.0", "94.0,22.0")


def test_runs_that_differ_by_their_seeds_are_one_row_with_a_mean_that_opens(client, report):
    for seed, accuracy in enumerate((0.9, 0.92, 0.94)):
        report({"seed": seed}, epoch_end(test_accuracy=accuracy))
    report({"epochs": 7}, epoch_end(test_accuracy=0.5))

    page = get(client, "/?group=seed")

    group = page.one("tr", **{"class": "group"})
    assert "92.00% ± 2.00%" in group.text
    assert group.text.startswith("▸ succeeded a run, 3 seeds")
    assert len(page.all("input", type="checkbox", name="run")) == 1
    opened = get(client, page.one("a", aria_expanded="false").attributes["href"].partition("#")[0])
    assert len(opened.all("tr", **{"class": "member"})) == 3
    closed = opened.one("a", aria_expanded="true").attributes["href"].partition("#")[0]
    assert not get(client, closed).all("tr", **{"class": "member"})


def test_a_group_says_how_many_of_its_runs_ended_and_have_a_result(client, report, database):
    for seed, accuracy in enumerate((0.9, 0.92)):
        report({"seed": seed}, epoch_end(test_accuracy=accuracy))
    waits = resolve(None, {"seed": 2})
    lifecycle.submit(database, LOCAL_OWNER, name="a run (seed 2)", spec=waits)

    group = get(client, "/?group=seed").one("tr", **{"class": "group"}).text

    assert "a run, 3 seeds" in group
    assert "2 of 3 ended" in group
    assert "91.00% ± 1.41% (2 of 3)" in group


def test_groups_of_one_name_are_told_apart_by_what_differs_between_each_two(client, submitted):
    for more in ({}, {"epochs": 7, "batch_size": 32}):
        for rate in (0.1, 0.3):
            for seed in (0, 1):
                rule = {"kind": "sgd", "learning_rate": rate, "momentum": 0.5}
                submitted(f"a (seed {seed})", seed=seed, optimizer=rule, **more)

    page = get(client, "/?group=seed")

    differences = [each.text for each in page.all("b", **{"class": "differs"})]
    assert differences == [
        "batch size 32, epochs 7, learning rate 0.3",
        "batch size 32, epochs 7, learning rate 0.1",
        "batch size 128, epochs 1, learning rate 0.3",
        "batch size 128, epochs 1, learning rate 0.1",
    ]


def test_a_group_is_on_one_page_alone_with_all_its_runs(client, submitted, monkeypatch):
    monkeypatch.setattr(list_view, "LIMITS", (2,))
    monkeypatch.setattr(sys.modules["core.queries.groups"], "MOST_ORDERED", 3)
    for seed in range(5):
        submitted(f"seed {seed}", seed=seed)
    submitted("other", epochs=9)

    first = get(client, "/?group=seed")
    second = get(client, first.one("a", rel="next").attributes["href"])

    assert "5 seeds" in first.one("table").text
    assert not second.all("table")
    assert "groups of an earlier one" in second.text


def test_a_row_says_nothing_twice(client, submitted):
    for rate in (0.1, 0.3):
        submitted("first", optimizer={"kind": "sgd", "learning_rate": rate})

    def about(address):
        return [each.text for each in get(client, address).all("span", **{"class": "about"})]

    assert about("/")[0] == "#2 · learning rate 0.3 · mnist · cnn · sgd · 1 epoch"
    columns = "progress,optimizer.learning_rate,epochs,dataset"
    assert about(f"/?columns={columns}") == ["#2 · cnn · sgd", "#1 · cnn · sgd"]
    without_progress = about("/?columns=optimizer.learning_rate,epochs,dataset")
    assert without_progress[0] == "#2 · no worker for it · cnn · sgd"


def test_the_tabs_say_how_many_runs_are_in_each_state(client, submitted, running):
    running("runs")
    submitted("waits")
    submitted("waits too")

    counts = {
        each.attributes["data-state"]: each.text
        for each in get(client, "/?text=waits").all("span", **{"class": "count"})
    }

    assert counts == {
        "queued": "2", "running": "", "paused": "", "succeeded": "", "failed": "", "cancelled": ""
    }  # fmt: skip
    assert "Filter" not in client.get("/?part=1").text
    assert '"running": "1"' in client.get("/?part=1").text


def test_a_form_of_the_list_leads_to_a_short_address(client):
    asked = "text=&dataset=mnist&state=failed&state=queued&columns=&columns=worker&columns=curve"
    answer = client.get(f"/?{asked}&show=1")

    assert answer.status_code == 303
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Location"] == "/?state=failed,queued&dataset=mnist&columns=curve,worker"


def test_the_form_of_the_columns_alone_has_them_remembered(client, submitted):
    submitted("waits")
    client.get("/?columns=&columns=worker&show=columns")
    client.get("/?columns=curve")  # somebody's link
    client.get("/?columns=curve&text=waits&show=1")  # and its list, filtered

    assert headings(get(client, "/"))[3:] == ["Worker"]


def test_a_list_can_be_sorted_by_every_hyperparameter_that_it_has_no_column_for(client):
    page = get(client, "/")

    groups = [each.attributes["label"] for each in page.all("optgroup")]
    assert groups[:2] == ["Measurements", "Run"]
    assert "Optimizer" in groups
    offered = [each.attributes.get("value", "") for each in page.all("option")]
    paths = [each for each in offered if "." in each]
    assert {"optimizer.learning_rate", "-optimizer.learning_rate", "model.kind"} <= {*offered}
    assert len(paths) == len(set(paths))
    for sort in ("-optimizer.learning_rate", "-model.kind"):
        chosen = [
            each.attributes.get("value")
            for each in get(client, f"/?sort={sort}").all("option")
            if "selected" in each.attributes
        ]
        assert chosen == [sort]


def test_runs_of_one_name_are_told_apart_by_what_differs(client, submitted):
    for rate in (0.1, 0.3):
        submitted("first", optimizer={"kind": "sgd", "learning_rate": rate})
    submitted("other")

    told_apart = [each.text for each in get(client, "/").all("b", **{"class": "differs"})]

    assert told_apart == ["learning rate 0.3", "learning rate 0.1"]


def test_a_filter_is_saved_shown_and_forgotten(client, submitted):
    submitted("a run")
    page = get(client, "/?state=queued,running&text=run")
    form = {each.attributes["name"]: each.attributes.get("value") for each in page.all("input")}
    asked = {"csrf_token": form["csrf_token"], "query": form["query"], "name": "mine"}

    answer = client.post("/filters", data=asked)

    assert answer.status_code == 303
    kept = get(client, answer.headers["Location"])
    assert kept.one("a", href="/?state=queued%2Crunning&text=run").text == "mine"
    assert "The filter mine is saved" in kept.one("section", role="status").text
    forgotten = next(form for form in kept.all("form") if "/remove" in form.attributes["action"])
    client.post(forgotten.attributes["action"], data=asked)
    assert "mine" not in get(client, "/").text


def test_a_filter_that_a_program_wrote_is_current_in_its_own_list_and_can_be_forgotten(
    client, database
):
    query = "sort=created&state=failed&state=queued&columns=worker%2Ccurve&limit=50&tag="
    saved_filters.save(database, LOCAL_OWNER.name, "odd", query)

    page = get(client, f"/?{query}")

    assert page.one("a", **{"aria-current": "true", "href": f"/?{query}"}).text == "odd"
    assert page.one("button", **{"aria-label": "Forget the filter odd"})


def at(**chosen):
    return f"/?{urlencode(chosen)}"


def test_the_list_is_filtered_by_values_which_stand_above_it(client, submitted, succeeded):
    succeeded("good one")
    submitted("waits")
    page = get(client, at(filter="test_accuracy > 98% and optimizer.kind = sgd"))
    assert "good one" in page.one("table").text
    assert "waits" not in page.one("table").text
    assert "Values: test_accuracy > 98%" in page.one("p", id="in-force").text
    assert "No run" in get(client, at(filter="test_accuracy > 99%")).text


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("filter", "test_acuracy > 98%", "There is test_accuracy"),
        ("created_from", "yesterday", "Write a date such as"),
        ("created_to", "never", "Write a date such as"),
    ],
)
def test_what_is_mistyped_in_the_form_of_the_list_stays_there_with_the_reason(
    client, submitted, name, typed, says
):
    submitted("waits")

    page = get(client, at(**{name: typed, "owner": "owner"}), 422)

    field = page.one("input", type="text", name=name)
    assert field.attributes["value"] == typed
    assert says.lower() in page.one("span", id=field.attributes["aria-describedby"]).text.lower()
    assert "open" in page.one("details", id="filters").attributes
    assert "waits" in page.one("table").text  # what is right still chooses
    assert typed not in page.one("p", id="in-force").text
    assert not get(client, at(**{name: typed}), 422).all("p", id="in-force")


def test_several_states_and_a_time_stand_in_the_address(client, submitted, running):
    running("runs")
    submitted("waits")

    assert len(get(client, "/?state=queued&state=running").all("a", **{"class": "whole"})) == 2
    assert "No run is like that" in get(client, "/?created_to=2020-01-01").text


def test_what_the_list_is_filtered_by_stands_above_it_and_goes_with_a_click(client, submitted):
    submitted("grid 1")
    page = get(client, "/?tag=grid&text=a&sort=created")

    assert "open" not in page.one("details", id="filters").attributes
    chips = page.one("p", id="in-force").text
    assert "Tag: grid" in chips
    assert "Name has: a" in chips
    [without_tag] = page.all("a", aria_label="Without the filter tag: grid")
    assert without_tag.attributes["href"] == "/?text=a&sort=created"
    assert not get(client, "/?sort=created").all("p", id="in-force")


def test_the_list_says_how_runs_are_compared_and_keeps_the_page_when_its_rows_change(
    client, database, submitted
):
    submitted("first")
    assert "Tick two or more" not in get(client, "/").text
    assert get(client, "/").one("p", **{"class": "faint total"}).text == "1 run"
    multiply(database, 60)

    page = get(client, "/")
    assert page.one("p", **{"class": "faint total"}).text == "61 runs"
    assert "Tick two or more to compare them" in page.text
    older = page.one("a", rel="next").attributes["href"]
    rows = [each.attributes["href"] for each in get(client, older).all("a") if each.text == "100"]
    assert rows == [f"{older}&limit=100"] or rows == [older.replace("?", "?limit=100&")]


def test_the_filter_offers_the_tags_that_there_are_and_folds_the_hyperparameters(client, database):
    for tags in (["night", "thesis"], ["thesis"]):
        spec = resolve("quick", {})
        lifecycle.submit(database, LOCAL_OWNER, name="tagged", spec=spec, tags=tags)

    page = get(client, "/")
    offered = [each.attributes.get("value") for each in page.all("option")]
    assert {"night", "thesis"} <= set(offered)
    [folded] = page.all("details", **{"class": "more-columns"})
    assert "open" not in folded.attributes
    [shown] = get(client, "/?columns=batch_size").all("details", **{"class": "more-columns"})
    assert "open" in shown.attributes
