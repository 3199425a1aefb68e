"""The form of a new run: what is typed is kept, checked, summarized and queued."""

from __future__ import annotations

import contextlib
import dataclasses
import re

import pytest
from sqlalchemy import update

from core import queries
from core.database.models import Job
from core.datasets.builtin import DATASETS
from core.errors import DatabaseUnavailable
from core.spec import shapes
from core.spec.presets import PRESETS
from tests.webui.pages.conftest import Page, get, post_run, token
from webui.forms.describing import preset_texts


def test_the_form_starts_from_the_preset_that_was_chosen(client):
    page = get(client, "/jobs/new?preset=tutorial")
    assert page.one("input", id="epochs").attributes["value"] == "10"
    assert page.one("input", name="preset").attributes["value"] == "tutorial"
    assert "Tutorial" in page.one("button", aria_current="true").text


def test_an_unknown_preset_in_the_address_is_refused(client):
    assert "no such preset" in get(client, "/jobs/new?preset=bogus", 422).text


def test_every_label_belongs_to_an_input_and_every_description_exists(client):
    page = get(client, "/jobs/new")
    ids = {element.attributes.get("id") for element in page.elements}
    for label in page.all("label"):
        assert label.attributes.get("for") in ids
    for element in page.elements:
        for name in ("aria-describedby", "aria-labelledby"):
            assert set((element.attributes.get(name) or "").split()) <= ids


def test_a_filled_form_queues_a_run_and_leads_to_its_page(client, database):
    answer = post_run(client, name="from the form", epochs="2", queue="night", priority="-3")
    assert answer.status_code == 303
    page = get(client, answer.headers["Location"])
    assert page.one("h1").text == "from the form"
    with database.reading() as session:
        job, _ = queries.job(session, 1)
    assert (job.spec["epochs"], job.queue, job.priority) == (2, "night", -3)
    assert job.spec["model"] == PRESETS["quick"].spec.model_dump(mode="json")["model"]


def test_the_form_as_it_stands_makes_the_run_of_its_preset(client, database):
    page = get(client, "/jobs/new?preset=quick")
    data: dict[str, str] = {}
    for each in page.all("input"):
        kind, name = each.attributes.get("type"), each.attributes.get("name")
        if name and (kind not in ("checkbox", "radio") or "checked" in each.attributes):
            data[name] = each.attributes.get("value") or ""
    data |= {"name": "as it stands", "optimizer.kind": "sgd", "schedule.kind": "one_cycle"}
    data["dataset"] = "mnist"
    assert client.post("/jobs", data=data).status_code == 303
    with database.reading() as session:
        job, _ = queries.job(session, 1)
    assert job.spec == PRESETS["quick"].spec.model_dump(mode="json")


def test_a_wrong_field_keeps_what_was_typed_and_says_what_is_wrong_beside_it(client, database):
    answer = post_run(
        client, name="kept", epochs="a few", **{"optimizer.kind": "adam", "seed": "7"}
    )
    assert answer.status_code == 422
    page = Page(answer.text)
    wrong = page.one("input", id="epochs")
    assert wrong.attributes["value"] == "a few"
    assert wrong.attributes["aria-invalid"] == "true"
    message = page.one("p", id="epochs-error")
    assert "notes-epochs" in wrong.attributes["aria-describedby"]
    assert message.text in page.one("div", id="notes-epochs").text
    assert "whole number" in message.text
    assert page.all("a", href="#epochs")[0].text == "Epochs"
    assert page.one("input", id="name").attributes["value"] == "kept"
    assert page.one("input", id="seed").attributes["value"] == "7"
    assert "selected" in page.one("option", value="adam").attributes
    with database.reading() as session:
        assert not queries.jobs(session).items


def test_all_wrong_fields_are_shown_at_once(client):
    page = Page(post_run(client, name="x" * 999, epochs="0", queue="no spaces", priority="x").text)
    for name in ("name", "epochs", "queue", "priority"):
        assert page.one("p", id=f"{name}-error").text
        assert page.all("a", href=f"#{name}")


def test_an_error_of_a_rule_between_fields_is_shown_at_its_field(client):
    fields = {"optimizer.kind": "sgd", "optimizer.sgd.momentum": "0"}
    page = Page(post_run(client, name="x", **fields, **{"optimizer.sgd.nesterov": "true"}).text)
    assert "momentum" in page.one("p", id="optimizer.sgd.nesterov-error").text


def test_what_was_typed_is_shown_as_text_in_its_input(client):
    typed = '"><script>alert(1)</script>'
    page = Page(post_run(client, name="x", epochs=typed).text)
    assert page.one("input", id="epochs").attributes["value"] == typed
    assert not [script for script in page.all("script") if "alert" in script.text]


def test_an_old_run_can_be_cloned(client, submitted):
    job = submitted("the old one", epochs=3, optimizer={"kind": "adam"}, queue="night")
    page = get(client, f"/jobs/new?from={job.id}")
    assert page.one("input", id="name").attributes["value"] == "the old one"
    assert page.one("input", id="epochs").attributes["value"] == "3"
    assert page.one("input", id="queue").attributes["value"] == "night"
    assert "selected" in page.one("option", value="adam").attributes
    assert page.one("input", name="preset").attributes["value"] == ""


@pytest.mark.parametrize(("old", "status"), [("99", 404), ("x", 422), ("9" * 40, 422)])
def test_cloning_what_does_not_exist_is_an_error_page(client, old, status):
    get(client, f"/jobs/new?from={old}", status)


def test_advanced_sections_are_folded_and_name_their_fields(client):
    page = get(client, "/jobs/new?preset=tutorial")
    folded = {e.text.split()[0]: e for e in page.all("details", **{"class": "panel folded"})}
    assert set(folded) == {
        "Training",
        "Images",
        "Network",
        "Optimizer",
        "Learning",
        "Augmentation",
        "Regularization",
        "Stopping",
        "Computing",
        "Files",
        "Scheduling",
    }
    assert not any("open" in e.attributes for e in folded.values())
    assert "open" not in page.one("details", id="all-fields").attributes
    [summary] = [e for e in page.all("summary") if e.text.startswith("Regularization")]
    assert "label smoothing, mix images" in summary.text


def test_a_folded_section_with_an_error_is_open_and_shows_what_was_typed(client):
    page = Page(post_run(client, name="x", **{"stopping.patience": "3"}).text)
    [stopping] = [e for e in page.all("details") if e.text.startswith("Stopping")]
    assert "open" in stopping.attributes
    assert "patience 3" in page.one("span", id="summary-stopping").text
    assert "validation split" in page.one("p", id="stopping.patience-error").text


def test_the_facts_of_each_dataset_stand_by_its_choice(client):
    facts = get(client, "/jobs/new").one("dl", data_choice="fashion_mnist")
    assert "60,000 to train on" in facts.text
    assert "Ankle boot" in facts.text


def test_the_form_shows_the_blocks_of_its_network(client):
    page = get(client, "/jobs/new?preset=tutorial")
    table = page.one("table", **{"class": "blocks"})
    spec = PRESETS["tutorial"].spec
    blocks = shapes.summary(spec.model, DATASETS[spec.dataset])
    assert f"Total{blocks.parameters:,}{blocks.multiply_adds:,}" in table.text
    assert "8 × 28 × 28" in table.text
    assert "parameters" in page.one("p", **{"class": "totals"}).text


def follows(client, **fields: str):
    """What follows from what is typed in the form."""
    data = {"csrf_token": token(client), **fields}
    answer = client.post("/jobs/new?part=typed", data=data)
    assert answer.status_code == 200
    return Page(answer.text)


def test_what_is_typed_is_counted_and_summarized_by_the_server(client):
    typed = preset_texts()["quick"] | {"epochs": "9", "stopping.patience": "3"}
    part = follows(client, preset="quick", **typed)
    assert part.one("p", id="changes").attributes["data-fields"] == "epochs stopping.patience"
    assert part.one("p", id="changes").text == "2 fields differ from “Quick”."
    assert part.one("span", id="summary-stopping").text == "patience 3"
    assert part.one("span", id="summary-regularization").text == ""


def test_an_empty_name_is_filled_in_as_at_the_terminal(client):
    assert get(client, "/jobs/new").one("input", id="name").attributes["placeholder"] == "quick"
    assert follows(client, dataset="digits").one("div", id="consequences").attributes[
        "data-name"
    ] == ("digits run")
    post_run(client, name=" ")
    assert client.get("/api/v1/jobs").json["items"][0]["name"] == "quick"


def test_what_is_wrong_is_said_beside_its_input_while_one_types(client):
    typed = preset_texts()["quick"] | {"epochs": "0", "stopping.patience": "3", "seed": "5% %s"}
    part = follows(client, preset="quick", **typed)

    assert "Seed: 5% %s (was 0)" in part.one("div", id="consequences").text
    assert "at least 1" in part.one("p", id="epochs-error").text
    assert "at least 1" in part.one("div", id="notes-epochs").text
    assert part.all("a", href="#epochs")[0].text == "Epochs"
    fixed = follows(client, preset="quick", **(typed | {"epochs": "2", "seed": "5"}))
    assert "validation split" in fixed.one("p", id="stopping.patience-error").text
    assert not fixed.all("p", id="epochs-error")


def test_a_field_says_what_it_was_and_a_button_brings_that_back(client, submitted):
    old = submitted("the old one", epochs=3)
    typed = dict(preset_texts()["quick"]) | {"epochs": "9", "batch_size": "64"}
    data = {"csrf_token": token(client), "from": str(old.id), "preset": "", **typed}

    page = Page(client.post("/jobs/new", data=data, follow_redirects=True).text)

    assert "It was 3." in page.one("div", id="notes-epochs").text
    listed = page.one("details", **{"class": "differences"})
    assert "Epochs: 9 (was 3)" in listed.text
    assert "Batch size: 64 (was 128)" in listed.text
    brought = client.post("/jobs/new", data=data | {"back": "epochs"}, follow_redirects=True)
    back = Page(brought.text)
    assert back.one("input", id="epochs").attributes["value"] == "3"
    assert back.one("input", id="batch_size").attributes["value"] == "64"


def test_another_preset_keeps_what_was_typed_without_a_script_too(client):
    typed = preset_texts()["quick"] | {"epochs": "9", "name": "mine"}
    data = {"csrf_token": token(client), "preset": "quick", "choose": "best", **typed}

    page = Page(client.post("/jobs/new", data=data, follow_redirects=True).text)

    assert page.one("input", name="preset").attributes["value"] == "best"
    assert page.one("input", id="epochs").attributes["value"] == "9"
    assert page.one("input", id="name").attributes["value"] == "mine"
    assert page.one("input", id="model.cnn.channels").attributes["value"] == "32, 32, 64, 64, 128"


def test_what_is_typed_stands_in_the_address_and_a_reload_keeps_it_without_a_script(
    client, submitted
):
    old = submitted("the old one", epochs=3)
    typed = dict(preset_texts()["best"]) | {
        "name": "mine & <yours>", "epochs": "0", "model.kind": "mlp", "model.mlp.hidden": "7",
        "model.cnn.channels": "8, 8", "priority": "5",
    }  # fmt: skip
    data = {"csrf_token": token(client), "preset": "best", "from": str(old.id), **typed}

    address = client.post("/jobs/new", data=data).headers["Location"]
    page = get(client, address)

    for name in ("name", "epochs", "model.mlp.hidden", "model.cnn.channels", "priority"):
        assert page.one("input", id=name).attributes["value"] == typed[name]
    assert page.one("input", name="preset").attributes["value"] == "best"
    assert page.one("input", name="from").attributes["value"] == str(old.id)
    assert "at least 1" in page.one("p", id="epochs-error").text
    assert page.one("input", id="batch_size").attributes["value"] == typed["batch_size"]
    assert "batch_size" not in address


def test_the_form_draws_its_learning_rate_and_says_when_it_would_run(client, database, succeeded):
    done = succeeded()
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == done).values(preset="quick"))
    page = get(client, "/jobs/new?preset=quick")

    assert page.one("span", **{"class": "peak"}).text == "0.1"
    assert page.one("polyline").attributes["points"].count(",") > 50
    consequences = page.one("div", id="consequences").text
    assert "Queue: default Starts at once. Takes about" in consequences
    assert "By 1 past run of this network." in consequences
    assert "one run here" in page.one("button", data_preset="quick").text


def test_the_time_of_several_seeds_is_that_of_each_and_of_all(client, succeeded):
    succeeded()

    consequences = follows(client, **preset_texts()["quick"], seeds="0-4")

    text = consequences.one("div", id="consequences").text
    assert re.search(r"5 runs, about .+ each: about .+ in all, \d at a time\.", text)


def test_a_queue_that_nobody_serves_is_told_before_the_submit(client, worker_id):
    consequences = follows(client, **preset_texts()["quick"], queue="night").one(
        "div", id="consequences"
    )

    assert "Queue: night No live worker of this queue can run it." in consequences.text
    assert "Queue: default Starts at once." in consequences.text


def test_a_form_for_several_seeds_makes_a_run_for_each_and_leads_to_their_list(client, database):
    form = form_of(get(client, "/jobs/new"))

    first = submit_form(client, form, seeds="0-2, 7")
    again = submit_form(client, form, seeds="0-2, 7")

    assert first.headers["Location"] == again.headers["Location"] == "/?tag=seeds-1"
    made = [f"once (seed {seed})" for seed in (0, 1, 2, 7)]
    assert sorted(names(database)) == made
    table = get(client, first.headers["Location"]).one("table").text
    assert all(name in table for name in made)


def test_wrong_seeds_are_told_at_their_input(client):
    page = Page(post_run(client, name="x", seeds="0-99").text)
    assert "at most 50" in page.one("p", id="seeds-error").text
    assert page.one("input", id="seeds").attributes["value"] == "0-99"
    assert "0-4" in follows(client, seeds="x").one("p", id="seeds-error").text


def test_the_number_of_runs_that_a_form_would_start_is_told(client):
    assert follows(client, seeds="0-4").one("div", id="consequences").attributes["data-runs"] == "5"
    assert follows(client).one("div", id="consequences").attributes["data-runs"] == "1"


def test_all_fields_are_shown_to_whoever_wants_to_see_them(client):
    client.set_cookie("fields", "all")
    assert "open" in get(client, "/jobs/new").one("details", id="all-fields").attributes


def test_a_clone_that_is_refused_still_says_what_differs_from_the_run(client, submitted):
    job = submitted("the old one", epochs=3)
    typed = {"from": str(job.id), "preset": "", "epochs": "none"}
    page = Page(client.post("/jobs", data={"csrf_token": token(client), **typed}).text)
    assert page.one("input", name="from").attributes["value"] == str(job.id)
    assert "differ" in page.one("p", id="changes").text
    assert page.one("p", id="changes").text.endswith("from “the old one”.")


def test_the_blocks_of_another_network_are_asked_for_alone(client):
    part = follows(client, dataset="digits", **{"model.kind": "mlp", "model.mlp.hidden": "32"})
    assert not part.all("html")
    assert "Total2,4102,368" in part.one("table", **{"class": "blocks"}).text


def test_a_network_that_cannot_be_built_is_a_sentence(client):
    part = follows(client, **{"model.kind": "mlp", "model.mlp.hidden": "many"})
    assert not part.all("table")
    message = part.one("p", **{"class": "totals"}).text
    assert message.startswith("This network cannot be built yet. Hidden layers: ")
    assert "whole number" in message


def test_what_is_wrong_elsewhere_does_not_hide_the_network(client):
    assert follows(client, epochs="none", batch_size="").all("table")


def test_the_form_as_typed_can_be_looked_at_again_without_queueing(client, database):
    data = {"csrf_token": token(client), "name": "kept", "preset": "quick", "model.kind": "mlp"}
    page = Page(client.post("/jobs/new", data=data, follow_redirects=True).text)
    assert page.one("input", id="name").attributes["value"] == "kept"
    assert "selected" in page.one("option", value="mlp").attributes
    assert "Flatten" in page.one("table", **{"class": "blocks"}).text
    with database.reading() as session:
        assert not queries.jobs(session).items


def test_a_preset_shows_its_measured_result(client, monkeypatch):
    measured = dataclasses.replace(PRESETS["quick"], result="99.1% in 6 s")
    monkeypatch.setitem(PRESETS, "quick", measured)
    card = get(client, "/jobs/new").one("button", data_preset="quick")
    assert "99.1% in 6 s measured by us" in card.text


def form_of(page: Page) -> dict[str, str]:
    """The hidden fields of a form, and what names its run."""
    names = ("csrf_token", "submission_token", "preset")
    return {name: page.one("input", name=name).attributes["value"] or "" for name in names}


def submit_form(client, form: dict[str, str], **fields: str):
    return client.post("/jobs", data=form | {"name": "once", **fields})


def names(database) -> list[str]:
    with database.reading() as session:
        return [job.name for job, _ in queries.jobs(session).items]


def test_a_form_that_is_sent_twice_makes_one_run_and_leads_to_it(client, database):
    form = form_of(get(client, "/jobs/new"))

    first, again = submit_form(client, form), submit_form(client, form)

    assert first.headers["Location"] == again.headers["Location"]
    assert names(database) == ["once"]


def test_a_form_that_is_gone_back_to_and_changed_makes_another_run(client, database):
    form = form_of(get(client, "/jobs/new"))

    submit_form(client, form)
    submit_form(client, form, name="twice")
    submit_form(client, form_of(get(client, "/jobs/new")))  # the same again, from a new form

    assert names(database) == ["once", "twice", "once"]


@pytest.fixture
def fault(database, monkeypatch):
    """What a transaction that writes fails with at its end, once it is set."""
    real, faults = database.writing, {"is_committed": False, "count": 0}

    @contextlib.contextmanager
    def writing():
        if faults["count"] and not faults["is_committed"]:
            faults["count"] -= 1
            raise DatabaseUnavailable("The database does not answer.")
        with real() as session:
            yield session
        if faults["count"]:
            faults["count"] -= 1
            raise DatabaseUnavailable("The database does not answer.")

    monkeypatch.setattr(database, "writing", writing)
    return faults


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_form_that_meets_a_database_away_keeps_what_was_typed_and_makes_one_run_in_the_end(
    client, database, fault, is_committed
):
    form = form_of(get(client, "/jobs/new"))
    fault.update(is_committed=is_committed, count=1)

    answer = submit_form(client, form, epochs="9", tags="a, b")

    assert answer.status_code == 503
    page = Page(answer.text)
    assert "does not answer" in page.one("section", id="refusal").text
    assert page.one("input", id="epochs").attributes["value"] == "9"
    assert page.one("input", id="tags").attributes["value"] == "a, b"
    assert len(names(database)) == is_committed
    again = submit_form(client, form_of(page), epochs="9", tags="a, b")
    assert again.status_code == 303
    assert names(database) == ["once"]


def test_a_clone_that_meets_a_database_away_keeps_what_was_typed(
    client, database, submitted, monkeypatch
):
    old = submitted("the old one")
    form = form_of(get(client, f"/jobs/new?from={old.id}"))

    def away(*_, **__):
        raise DatabaseUnavailable("The database does not answer.")

    monkeypatch.setattr(type(database), "writing", away)
    monkeypatch.setattr(type(database), "reading", away)
    answer = client.post("/jobs", data=form | {"name": "kept", "from": str(old.id)})

    assert answer.status_code == 503
    page = Page(answer.text)
    assert page.one("input", id="name").attributes["value"] == "kept"
    assert page.one("input", name="from").attributes["value"] == str(old.id)


def test_a_form_whose_token_has_expired_keeps_what_was_typed_and_works_then(client, database):
    answer = submit_form(client, {"csrf_token": "old", "preset": "quick"}, epochs="9")

    assert answer.status_code == 400
    page = Page(answer.text)
    assert "has expired" in page.one("section", id="refusal").text
    assert page.one("input", id="epochs").attributes["value"] == "9"
    assert names(database) == []
    assert submit_form(client, form_of(page), epochs="9").status_code == 303


def test_where_a_refused_form_was_sent_there_is_the_list(client, submitted):
    submitted("there")

    for address in ("/jobs", "/jobs/", "/jobs?state=queued"):
        assert "there" in get(client, address).one("table").text
    assert client.get("/jobs/new").text.count('href="/jobs"') == 0


def test_a_decimal_comma_is_taken_and_what_can_be_read_in_two_ways_is_told_at_its_input(client):
    taken = post_run(client, name="x", **{"optimizer.sgd.learning_rate": "0,05"})
    assert taken.status_code == 303
    made = client.get("/api/v1/jobs").json["items"][0]
    assert made["spec"]["optimizer"]["learning_rate"] == 0.05

    refused = post_run(client, name="x", epochs="1.000", batch_size="1_0")
    assert refused.status_code == 422
    page = Page(refused.text)
    assert "can be read in two ways" in page.one("p", id="epochs-error").text
    assert "without underscores" in page.one("p", id="batch_size-error").text
    assert page.one("input", id="epochs").attributes["value"] == "1.000"


@pytest.mark.parametrize(
    ("rate", "warning"),
    [("10", "about 333 times the usual one"), ("0.1", None), ("1e-7", "will hardly learn")],
)
def test_a_learning_rate_that_hardly_any_network_learns_at_is_warned_of(client, rate, warning):
    address = f"/jobs/new?preset=quick&optimizer.learning_rate={rate}"
    notices = get(client, address).all("p", id="unusual-rate")

    assert len(notices) == (warning is not None)
    assert not warning or warning in notices[0].text
