"""The pages as the server sends them: whole, escaped, and usable without JavaScript."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from sqlalchemy import delete, update

from core import queries, workers
from core.database.models import Epoch, JobEvent
from core.datasets.builtin import DATASETS
from core.errors import DatabaseUnavailable
from core.jobs import claim, endings, lifecycle, snapshots
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import plain
from core.protocol.reports import Line, Shrunk, StepMetrics
from core.spec import shapes
from core.spec.presets import PRESETS, resolve
from core.storage.blobs import Blob
from tests.reported import epoch_end, evaluated, started
from tests.webui import addresses
from webui.context import Context
from webui.forms.describing import preset_texts

VOID = {"input", "meta", "link"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())


class Page(HTMLParser):
    """The elements of a page, each with all the text inside it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data):
        for element in self._open:
            element.parts.append(data)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag and wanted.items() <= element.attributes.items()
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, found)
        return found[0]

    @property
    def text(self) -> str:
        return self.one("body").text


def get(client, address: str, status: int = 200) -> Page:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    return Page(answer.text)


def token(client) -> str:
    page = get(client, "/jobs/new")
    return page.one("input", name="csrf_token").attributes["value"]


def post_run(client, **fields: str):
    return client.post("/jobs", data={"csrf_token": token(client), "preset": "quick", **fields})


@pytest.fixture
def context(app) -> Context:
    return app.extensions["trainyard"]


@pytest.fixture
def database(context):
    return context.database


@pytest.fixture
def submitted(database):
    def submit(name: str = "a run", **changes):
        where = {key: changes.pop(key) for key in ("queue", "priority") if key in changes}
        return lifecycle.submit(
            database, LOCAL_OWNER, name=name, spec=resolve("quick", changes), **where
        )

    return submit


@pytest.fixture
def worker_id(database) -> int:
    return workers.register(
        database,
        workers.WorkerFacts(
            "yard-one", 4711, "1.2.3", ["default"], [{"kind": "cpu", "name": "CPU, 2 cores"}], 2
        ),
    )


@pytest.fixture
def running(database, submitted, worker_id):
    """Starts a run and writes down an epoch, a point and a line of it."""

    def start(name: str = "a run", line: str = "hello") -> tuple[int, Lease]:
        job = submitted(name)
        lease = claim.claim(database, Claimant(worker_id, ["default"], name="yard-one"), 600)
        assert lease is not None
        recorder = Recorder(database, lease, 600)
        for report in (
            started(batches=469),
            Line(text=line),
            StepMetrics(
                step=100,
                epoch=1,
                batch=100,
                train_loss=0.51234,
                learning_rate=0.1,
                images_per_s=12345.6,
                eta_s=75,
            ),
        ):
            recorder.record(report)
        recorder.flush()
        return job.id, lease

    return start


@pytest.fixture
def succeeded(database, running):
    def finish(name: str = "a run") -> int:
        job_id, lease = running(name)
        recorder = Recorder(database, lease, 600)
        recorder.record(
            epoch_end(step=469, batch=469, test_loss=0.04, test_accuracy=0.9876, seconds=4.8)
        )
        recorder.flush()
        files = [
            Publication(Blob("ab" * 32, 1_234_567), 1, "pt", "model.pt"),
            Publication(Blob("cd" * 32, 9_876), 1, "onnx", "model.onnx"),
            Publication(Blob("ef" * 32, 321), 1, "of a later version", "model.zip"),
        ]
        endings.succeed(database, lease, "9f" * 32, files)
        return job_id

    return finish


@pytest.fixture
def report(database, worker_id):
    """Starts a run of a spec, and writes down what is reported of it."""

    def write(changes: dict, *reports, ended: bool = True, **ending) -> int:
        job = lifecycle.submit(database, LOCAL_OWNER, name="a run", spec=resolve(None, changes))
        lease = claim.claim(database, Claimant(worker_id, ["default"], name="yard-one"), 600)
        assert lease is not None
        recorder = Recorder(database, lease, 600)
        for each in (started(), *reports):
            recorder.record(each)
        recorder.flush()
        if ended:
            endings.succeed(database, lease, "9f" * 32, [], **ending)
        return job.id

    return write


VALIDATED = {"data": {"validation": 0.1}}
MEASURED = epoch_end(validation_loss=0.3141, validation_accuracy=0.9271)


# the list


def test_an_empty_list_invites_to_make_the_first_run(client):
    page = get(client, "/")
    assert "No runs yet" in page.text
    assert page.one("a", href="/jobs/new?preset=quick").text == "Start your first run"


def test_the_list_shows_what_a_run_has_come_to(client, succeeded):
    job_id = succeeded("done one")
    row = get(client, "/").one("tr", id=f"job-{job_id}")
    for text in ("succeeded", "done one", "epoch 1 of 1", "98.76%", "0.2000", "yard-one"):
        assert text in row.text


def test_the_list_can_be_filtered_by_state(client, submitted, running):
    running("runs")
    submitted("waits")
    page = get(client, "/?state=queued")
    assert "waits" in page.text
    assert "runs" not in page.one("table").text
    assert page.one("a", aria_current="true").text == "queued"
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
    assert [link.attributes["href"] for link in older.all("a") if "Newest" in link.text] == ["/"]
    assert not older.all("a", rel="next")


def test_the_list_keeps_itself_fresh_by_a_part_of_its_own_address(client, submitted):
    submitted("waits")
    address = get(client, "/?state=queued").one("div", id="fresh").attributes["data-refresh"]
    part = Page(client.get(address).text)
    assert "waits" in part.one("table").text
    assert not part.all("html")
    assert not part.all("header")


# the form


def test_the_form_starts_from_the_preset_that_was_chosen(client):
    page = get(client, "/jobs/new?preset=tutorial")
    assert page.one("input", id="epochs").attributes["value"] == "10"
    assert page.one("input", name="preset").attributes["value"] == "tutorial"
    assert "Tutorial" in page.one("a", aria_current="true").text


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


def test_no_id_is_used_twice(client, app, succeeded):
    for address in addresses.of_pages(app) | {f"/jobs/{succeeded()}"}:
        ids = [e.attributes["id"] for e in get(client, address).elements if "id" in e.attributes]
        assert len(ids) == len(set(ids)), address


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
    assert "epochs-error" in wrong.attributes["aria-describedby"]
    assert "whole number" in message.text
    assert page.one("a", href="#epochs").text == "Epochs"
    assert page.one("input", id="name").attributes["value"] == "kept"
    assert page.one("input", id="seed").attributes["value"] == "7"
    assert "selected" in page.one("option", value="adam").attributes
    with database.reading() as session:
        assert not queries.jobs(session).items


def test_all_wrong_fields_are_told_at_once(client):
    page = Page(post_run(client, name=" ", epochs="0", queue="no spaces", priority="x").text)
    for name in ("name", "epochs", "queue", "priority"):
        assert page.one("p", id=f"{name}-error").text
        assert page.one("a", href=f"#{name}")


def test_a_rule_between_fields_is_told_at_its_field(client):
    fields = {"optimizer.kind": "sgd", "optimizer.sgd.momentum": "0"}
    page = Page(post_run(client, name="x", **fields, **{"optimizer.sgd.nesterov": "true"}).text)
    assert "momentum" in page.one("p", id="optimizer.sgd.nesterov-error").text


def test_what_was_typed_is_shown_as_text_in_its_input(client):
    typed = '"><script>alert(1)</script>'
    page = Page(post_run(client, name="x", epochs=typed).text)
    assert page.one("input", id="epochs").attributes["value"] == typed
    assert not [script for script in page.all("script") if "alert" in script.text]


@pytest.mark.parametrize(
    "address", ["/jobs", *(f"/jobs/1/{each}" for each in ("cancel", "pause", "resume", "retry"))]
)
def test_a_post_without_a_token_is_refused(client, submitted, database, address):
    submitted()
    assert client.post(address, data={"name": "x", "preset": "quick"}).status_code == 400
    with database.reading() as session:
        jobs = queries.jobs(session).items
    assert [job.desired for job, _ in jobs] == ["run"]


def test_an_old_run_can_be_run_again_with_changes(client, submitted):
    job = submitted("the old one", epochs=3, optimizer={"kind": "adam"}, queue="night")
    page = get(client, f"/jobs/new?from={job.id}")
    assert page.one("input", id="name").attributes["value"] == "the old one"
    assert page.one("input", id="epochs").attributes["value"] == "3"
    assert page.one("input", id="queue").attributes["value"] == "night"
    assert "selected" in page.one("option", value="adam").attributes
    assert page.one("input", name="preset").attributes["value"] == ""


@pytest.mark.parametrize(("old", "status"), [("99", 404), ("x", 422), ("9" * 40, 422)])
def test_running_again_what_does_not_exist_is_an_error_page(client, old, status):
    get(client, f"/jobs/new?from={old}", status)


def test_sections_that_most_leave_alone_are_folded_and_say_what_is_in_them(client):
    page = get(client, "/jobs/new?preset=tutorial")
    folded = {e.text.split()[0]: e for e in page.all("details", **{"class": "panel folded"})}
    assert set(folded) == {
        "Images",
        "Regularization",
        "Stopping",
        "Computing",
        "Files",
        "Scheduling",
    }
    assert not any("open" in e.attributes for e in folded.values())
    [summary] = [e for e in page.all("summary") if e.text.startswith("Regularization")]
    assert "label smoothing, mix images" in summary.text


def test_a_folded_section_with_an_error_is_open_and_tells_what_was_typed(client):
    page = Page(post_run(client, name="x", **{"stopping.patience": "3"}).text)
    [stopping] = [e for e in page.all("details") if e.text.startswith("Stopping")]
    assert "open" in stopping.attributes
    assert "patience 3" in page.one("span", id="summary-stopping").text
    assert "validation split" in page.one("p", id="stopping.patience-error").text


def test_the_facts_of_each_data_set_stand_by_its_choice(client):
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
    assert "Total2,4102,368" in part.one("table").text


def test_a_network_that_cannot_be_built_is_a_sentence(client):
    part = follows(client, **{"model.kind": "mlp", "model.mlp.hidden": "many"})
    assert not part.all("table")
    said = part.one("p", **{"class": "totals"}).text
    assert said.startswith("This network cannot be built yet. Hidden layers: ")
    assert "whole number" in said


def test_what_is_wrong_elsewhere_does_not_hide_the_network(client):
    assert follows(client, epochs="none", batch_size="").all("table")


def test_the_form_as_typed_can_be_looked_at_again_without_queueing(client, database):
    data = {"csrf_token": token(client), "name": "kept", "preset": "quick", "model.kind": "mlp"}
    page = Page(client.post("/jobs/new", data=data).text)
    assert page.one("input", id="name").attributes["value"] == "kept"
    assert "selected" in page.one("option", value="mlp").attributes
    assert "Flatten" in page.one("table", **{"class": "blocks"}).text
    with database.reading() as session:
        assert not queries.jobs(session).items


def test_a_preset_tells_what_it_was_measured_to_reach(client, monkeypatch):
    measured = dataclasses.replace(PRESETS["quick"], result="99.1% in 6 s")
    monkeypatch.setitem(PRESETS, "quick", measured)
    card = get(client, "/jobs/new").one("a", data_preset="quick")
    assert card.text.endswith("99.1% in 6 s")


# the page of a run


def test_a_run_that_does_not_exist_is_an_error_page_that_says_which_do(client, submitted):
    job = submitted()
    page = get(client, "/jobs/999", 404)
    assert f"the newest is {job.id}" in page.text
    assert page.one("a", href="/jobs/new")


def test_a_running_run_shows_how_far_it_is(client, running):
    job_id, _ = running("moving")
    page = get(client, f"/jobs/{job_id}")
    for text in ("100 of 469", "0.5123", "12,346", "1 min 15 s", "on yard-one"):
        assert text in page.text
    bar = page.one("span", role="progressbar")
    assert bar.attributes["aria-valuenow"] == "21"


def test_the_page_of_a_run_holds_what_its_curves_are_drawn_from(client, running):
    job_id, _ = running()
    data = json.loads(get(client, f"/jobs/{job_id}").one("script", id="run-data").text)
    assert data["metrics"] == [{"step": 100, "train_loss": 0.51234}]
    assert data["over"] is False
    assert data["job"]["id"] == job_id


def test_the_stream_goes_on_where_the_page_ends(client, running, succeeded):
    ended = succeeded()
    data = json.loads(get(client, f"/jobs/{ended}").one("script", id="run-data").text)
    assert data["over"] is True
    answer = client.get(f"/api/v1/jobs/{ended}/events?after={data['position']}")
    assert answer.status_code == 204  # nothing is left to tell


def test_a_finished_run_shows_its_files_with_their_digests(client, succeeded):
    page = get(client, f"/jobs/{succeeded()}")
    files = [link.attributes["href"] for link in page.all("a", **{"class": "file"})]
    assert files == [f"/api/v1/artifacts/{number}/download" for number in (1, 2, 3)]
    assert "ab" * 32 in [code.text for code in page.all("code")]
    assert page.one("code", id="weights").text == "9f" * 32
    for text in ("1.2 MB", "98.76%", "model.pt"):
        assert text in page.text
    assert not page.all("form", action="/jobs/1/cancel")


def test_each_file_says_what_it_is_for(client, succeeded):
    page = get(client, f"/jobs/{succeeded()}")
    assert "weights and spec, for torch · 1.2 MB" in page.one("li", id="file-1").text
    assert "runs without torch" in page.one("li", id="file-2").text
    assert page.one("li", id="file-3").text.startswith("model.zip 321 B")


def test_what_a_validation_split_measures_is_shown_where_there_is_one(client, report):
    with_split = get(client, f"/jobs/{report(VALIDATED, MEASURED)}")
    without = get(client, f"/jobs/{report({}, epoch_end())}")

    for text in ("Validation loss", "0.3141", "Validation accuracy", "92.71%"):
        assert text in with_split.text
        assert text not in without.text
    assert len(with_split.all("b", data_key="validation")) == 2
    assert without.all("b", data_key="validation") == []


def test_the_table_of_epochs_tells_every_measurement(client, report):
    page = get(client, f"/jobs/{report(VALIDATED, MEASURED)}")
    row = page.one("tr", data_epoch="1")
    assert row.text == "10.20000.31410.100092.71%90.00%0.10.75412 MB2.0 s9"
    data = json.loads(page.one("script", id="run-data").text)
    assert [key for key, _ in data["columns"]][2:5] == [
        *("validation_loss", "test_loss", "validation_accuracy"),
    ]


def test_an_epoch_of_an_earlier_version_has_no_norm_and_no_memory(client, report, database):
    job_id = report({}, epoch_end())
    with database.writing() as session:
        session.execute(update(Epoch).values(gradient_norm=None, memory_bytes=None))
    assert "0.1––2.0 s" in get(client, f"/jobs/{job_id}").one("tr", data_epoch="1").text


def test_a_run_that_ended_early_says_why(client, report):
    why = "Stopped after epoch 1: the validation loss did not improve for 5 epochs."
    page = get(client, f"/jobs/{report(VALIDATED, MEASURED, stop_reason=plain(why))}")
    assert [e.text for e in page.all("section", **{"class": "notice"})] == [why]


def test_a_run_whose_batches_did_not_fit_says_how_they_are_computed(client, report):
    page = get(client, f"/jobs/{report({}, Shrunk(micro_batch=16), ended=False)}")
    notice = page.one("section", **{"class": "notice warn"}).text
    assert "computed in micro-batches of 16 images" in notice
    assert "Batch norm" in notice


def test_an_attempt_says_in_what_precision_it_computes(client, report):
    timeline = get(client, f"/jobs/{report({}, ended=False)}").one("section", id="part-timeline")
    assert "Started on CPU in fp32, 2 threads" in timeline.text


def test_a_run_on_several_devices_says_so(client, database):
    job = lifecycle.submit(database, LOCAL_OWNER, name="wide", spec=resolve(None, {"devices": 4}))
    assert "4 devices" in get(client, f"/jobs/{job.id}").one("header", id="part-head").text
    one = lifecycle.submit(database, LOCAL_OWNER, name="narrow", spec=resolve(None, {}))
    assert "devices" not in get(client, f"/jobs/{one.id}").one("header", id="part-head").text


def test_a_warning_in_the_log_is_marked(client, report):
    job_id = report({}, Line(text="fine"), Line(level="warning", text="careful"))
    lines = get(client, f"/jobs/{job_id}").all("div", **{"class": "line"})
    assert [line.attributes["data-level"] for line in lines] == ["info", "warning"]


# the evaluation of a run


def test_a_run_leads_to_its_evaluation_once_there_is_one(client, report):
    going = get(client, f"/jobs/{report({}, evaluated(), ended=False)}")
    without = get(client, f"/jobs/{report({})}")
    done = report({}, evaluated())
    page = get(client, f"/jobs/{done}")

    assert going.all("section", data_evaluation="/jobs/1/evaluation?part=1") == []
    assert without.all("a", href="/jobs/2/evaluation") == []
    assert page.one("a", href=f"/jobs/{done}/evaluation")
    assert page.one("section", data_evaluation=f"/jobs/{done}/evaluation?part=1")


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


def test_a_confusion_is_shaded_by_its_share_of_the_class(client, report):
    page = get(client, f"/jobs/{report({}, evaluated())}/evaluation")
    [wrong] = page.all("td", title="cat: 2 of 10 predicted as dog")
    [right] = page.all("td", title="dog: 9 of 10 correct")
    assert (wrong.text, wrong.attributes["style"]) == ("2", "--shade: 0.447")
    assert right.attributes["class"] == "right"


def test_most_errors_are_folded_away(client, report):
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
    assert "There is no job 99" in get(client, "/jobs/99/evaluation", 404).text


def test_a_failed_run_shows_its_error_and_traceback(client, database, running):
    job_id, lease = running()
    failure = Failure("ValueError", plain("the loss is <nan>"), "Traceback <module>")
    endings.end(database, lease, "failed", failure)
    page = get(client, f"/jobs/{job_id}")
    assert page.one("section", role="alert").text.startswith("ValueError the loss is <nan>")
    assert page.one("pre").text == "Traceback <module>"


def test_a_run_with_several_attempts_shows_each(client, database, running, worker_id):
    job_id, lease = running()
    endings.end(database, lease, "lost", Failure("lost", plain("not heard from")))
    claim.claim(database, Claimant(worker_id, ["default"], name="yard-one"), 600)
    page = get(client, f"/jobs/{job_id}")
    assert "not heard from" in page.one("li", id="attempt-1").text
    assert "Attempt 2 running" in page.one("li", id="attempt-2").text
    assert "attempt 2" in page.one("header", id="part-head").text


def test_a_queued_run_says_that_no_worker_is_live(client, submitted):
    assert "No worker is live" in get(client, f"/jobs/{submitted().id}").text


def test_a_queued_run_says_that_no_worker_serves_its_queue(client, submitted, worker_id):
    job = submitted(queue="night")
    notice = get(client, f"/jobs/{job.id}").one("section", **{"class": "notice warn"})
    assert notice.text.startswith("No live worker serves queue night.")


def test_a_queued_run_says_that_no_worker_has_its_device(client, submitted, worker_id):
    job = submitted(device="cuda")
    page = get(client, f"/jobs/{job.id}")
    assert "No live worker that serves queue default has a CUDA GPU." in page.text


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_queued_run_that_has_a_slot_is_about_to_start(client, submitted, worker_id, device):
    page = get(client, f"/jobs/{submitted(device=device).id}")
    notice = page.one("section", **{"class": "notice"})
    assert notice.text.startswith("About to start. It has not started yet.")


def test_a_queued_run_says_its_place_on_its_page_and_in_the_list(client, running, submitted):
    running()
    submitted("before it")
    submitted("before it")
    job = submitted("waits")
    assert "Next in line" not in get(client, f"/jobs/{job.id}").text
    assert "2 runs ahead on 2 CPU slots" in get(client, f"/jobs/{job.id}").text
    assert "3rd in line" in get(client, "/").one("tr", id=f"job-{job.id}").text


def test_a_stopped_worker_counts_as_gone(client, database, submitted, worker_id):
    workers.mark_stopped(database, worker_id)
    assert "No worker is live" in get(client, f"/jobs/{submitted().id}").text


def test_cancelling_a_queued_run_ends_it(client, submitted):
    job = submitted()
    answer = client.post(f"/jobs/{job.id}/cancel", data={"csrf_token": token(client)})
    assert answer.status_code == 303
    head = get(client, answer.headers["Location"]).one("header", id="part-head")
    assert head.attributes["data-state"] == "cancelled"


def test_a_running_run_that_is_cancelled_says_so_with_the_seconds(client, running):
    job_id, _ = running()
    client.post(f"/jobs/{job_id}/cancel", data={"csrf_token": token(client)})
    page = get(client, f"/jobs/{job_id}")
    head = page.one("header", id="part-head")
    assert head.attributes["data-state"] == "running"
    assert "Cancelling, " in head.text
    assert buttons(page) == ["[Cancelling, … s]"]  # how many depends on how busy the machine is


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry"])
def test_asking_something_of_what_does_not_exist_is_an_error_page(client, action):
    answer = client.post(f"/jobs/9/{action}", data={"csrf_token": token(client)})
    assert answer.status_code == 404


def press(client, job_id: int, action: str, **fields: str) -> Page:
    """Send the form of a button of a run's page, and see what the page is then."""
    page = get(client, f"/jobs/{job_id}")
    assert page.all("form", action=f"/jobs/{job_id}/{action}")
    token = page.all("input", name="csrf_token")[0].attributes["value"]
    answer = client.post(f"/jobs/{job_id}/{action}", data={"csrf_token": token, **fields})
    assert answer.status_code == 303
    return get(client, answer.headers["Location"])


def buttons(page: Page) -> list[str]:
    """What can be asked of a run, and, in brackets, what cannot."""
    return [
        f"[{re.sub('[0-9]+ s', '… s', button.text)}]"
        if "disabled" in button.attributes
        else button.text
        for button in page.all("button")
        if "button" in (button.attributes.get("class") or "").split()
    ]


def secure(database, job_id: int) -> None:
    with database.writing() as session:
        snapshots.add(session, job_id, 1, SnapshotRef(2, 950, Blob("a" * 64, 5)))


def test_a_queued_run_can_be_paused_and_resumed(client, submitted):
    job = submitted()
    assert buttons(get(client, f"/jobs/{job.id}")) == ["Pause", "Cancel"]
    paused = press(client, job.id, "pause")
    assert buttons(paused) == ["Resume", "Cancel"]
    head = paused.one("header", id="part-head")
    assert head.attributes["data-state"] == "paused"
    assert paused.all("span", **{"class": "badge", "data-state": "paused"})
    notice = paused.one("section", **{"class": "notice"})
    assert notice.text == "Paused by owner just now. It has not started yet."
    assert buttons(press(client, job.id, "resume")) == ["Pause", "Cancel"]


def test_a_run_that_is_being_paused_says_so_with_the_seconds_and_can_go_on(client, running):
    job_id, _ = running()
    pausing = press(client, job_id, "pause")
    assert buttons(pausing) == ["[Pausing, … s]", "Resume", "Cancel"]
    assert pausing.one("span", **{"class": "badge", "data-state": "pausing"})
    assert buttons(press(client, job_id, "resume")) == ["Pause", "Cancel"]


def test_a_paused_run_says_who_paused_it_and_from_where_it_goes_on(client, database, running):
    job_id, lease = running()
    secure(database, job_id)
    lifecycle.pause(database, job_id, Actor("user", "u", "ada <b>"))
    endings.end(database, lease, "paused")
    page = get(client, f"/jobs/{job_id}")
    notice = page.one("section", **{"class": "notice"})
    assert notice.text == "Paused by ada <b> just now. It resumes from epoch 3, batch 13."
    attempt = page.one("li", id="attempt-1").text
    assert "Paused just now Pause requested by ada <b> just now" in attempt
    row = get(client, "/?state=paused").one("tr", id=f"job-{job_id}")
    assert "epoch 1 of 1" in row.text


def test_a_failed_run_can_be_tried_again_and_lives_again(client, database, running):
    job_id, lease = running()
    endings.end(database, lease, "failed", Failure("ValueError", plain("no")))
    failed = get(client, f"/jobs/{job_id}")
    assert buttons(failed) == ["Retry"]
    assert "A retry starts from scratch." in failed.text
    again = press(client, job_id, "retry")
    assert again.one("header", id="part-head").attributes["data-state"] == "queued"
    assert json.loads(again.one("script", id="run-data").text)["over"] is False
    assert not again.all("section", role="alert")
    assert "Resumed by owner just now." in again.text


@pytest.mark.parametrize(
    ("from_scratch", "place"),
    [("", "resumes from epoch 3, batch 13"), ("true", "starts from scratch")],
)
def test_a_retry_goes_on_from_a_resume_point_or_from_nothing(
    client, database, running, from_scratch, place
):
    job_id, lease = running()
    secure(database, job_id)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no")))
    failed = get(client, f"/jobs/{job_id}")
    assert buttons(failed) == ["Restart from scratch", "Retry"]
    assert [each.attributes["value"] for each in failed.all("input", name="from_scratch")] == [
        "true"
    ]
    assert "A retry resumes from epoch 3, batch 13." in failed.text
    again = press(client, job_id, "retry", from_scratch=from_scratch)
    assert f"It {place}." in again.text


@pytest.mark.parametrize("action", ["pause", "resume", "retry"])
def test_what_does_not_fit_the_state_is_an_error_page_with_a_sentence(client, succeeded, action):
    job_id = succeeded()
    assert buttons(get(client, f"/jobs/{job_id}")) == []
    answer = client.post(f"/jobs/{job_id}/{action}", data={"csrf_token": token(client)})
    assert answer.status_code == 409
    assert f"Run {job_id} is succeeded" in Page(answer.text).text


def test_a_running_run_says_when_it_was_last_heard_of(client, database, running):
    job_id, lease = running()
    heard = [
        e for e in get(client, f"/jobs/{job_id}").all("time") if "data-heartbeat" in e.attributes
    ]
    assert [bool(re.fullmatch("[0-9]+ s ago", element.text)) for element in heard] == [True]
    endings.end(database, lease, "drained")
    assert "last heard" not in get(client, f"/jobs/{job_id}").text


def test_a_timeline_says_who_did_what_the_newest_first(client, database, running):
    job_id, lease = running()
    assert "running for" in get(client, f"/jobs/{job_id}").one("li", id="attempt-1").text
    endings.end(database, lease, "crashed", Failure("crash", plain("killed by SIGKILL")))
    page = get(client, f"/jobs/{job_id}")
    heading, *entries = re.split(" just now ?", page.one("li", id="attempt-1").text)
    assert re.fullmatch("Attempt 1 crashed took [0-9.]+ s Crashed: killed by SIGKILL", heading)
    assert entries == [
        "Started on CPU in fp32, 2 threads",
        "Claimed by yard-one as attempt 1",
        "",
    ]
    assert page.one("li", id="attempt-0").text == "Submitted by owner just now"
    reason = "Its last attempt crashed (killed by SIGKILL); try 2 of 3 in about"
    assert reason in page.text
    assert "next try in" in get(client, "/").one("tr", id=f"job-{job_id}").text


def test_the_snapshots_of_an_attempt_are_one_line_of_the_timeline(client, database, running):
    job_id, lease = running()
    recorder = Recorder(database, lease, 600)
    for epoch in (1, 2, 3):
        recorder.secure(SnapshotRef(epoch, epoch * 938, Blob("a" * 64, 5)))
        recorder.flush()
    entries = get(client, f"/jobs/{job_id}").all("li", data_kind="snapshot")
    assert [each.text for each in entries] == [
        "3 snapshots, the last at step 2,814, 3 epochs done just now"
    ]


def test_an_attempt_of_an_earlier_release_shows_its_facts(client, database, running):
    job_id, lease = running()
    endings.end(database, lease, "crashed", Failure("crash", plain("killed by SIGKILL")))
    with database.writing() as session:
        session.execute(delete(JobEvent))
    shown = get(client, f"/jobs/{job_id}").one("li", id="attempt-1").text
    for text in ("crashed", "on yard-one", "started just now", "killed by SIGKILL"):
        assert text in shown


def test_the_parts_that_change_are_the_same_alone_as_in_the_page(client, running):
    job_id, _ = running()
    whole = get(client, f"/jobs/{job_id}")
    part = Page(client.get(f"/jobs/{job_id}?part=1").text)
    ids = {e.attributes["id"] for e in part.elements if "data-part" in e.attributes}
    assert ids == {e.attributes["id"] for e in whole.elements if "data-part" in e.attributes}
    assert len(ids) == 6
    assert not part.all("script")


MARKUP = "<script>alert('x')</script> & <b>bold</b>"


def test_a_name_with_markup_is_shown_as_text(client, succeeded):
    job_id = succeeded(MARKUP)
    for address in ("/", f"/jobs/{job_id}", f"/jobs/{job_id}?part=1", f"/jobs/new?from={job_id}"):
        page = Page(client.get(address).text)
        assert not [script for script in page.all("script") if script.text.startswith("alert")]
        assert any(MARKUP in element.text for element in page.elements)


def test_a_line_of_the_log_is_shown_as_text(client, running):
    job_id, _ = running(line=MARKUP + " \x1b[31mred\x07")
    line = get(client, f"/jobs/{job_id}").one("div", **{"class": "line"})
    assert MARKUP in line.text
    assert "\x1b" not in line.text
    assert "␛[31mred␇" in line.text


def test_a_name_cannot_end_the_data_of_the_page(client, submitted):
    job = submitted("</script><script>alert(1)</script>")
    page = get(client, f"/jobs/{job.id}")
    assert json.loads(page.one("script", id="run-data").text)["job"]["name"] == job.name


# the workers


def test_the_workers_page_shows_who_is_there_and_what_they_run(client, running):
    job_id, _ = running()
    row = get(client, "/workers").one("tr", id="worker-1")
    for text in ("live", "yard-one", "CPU, 2 cores", "1 of 2", f"#{job_id}", "default", "1.2.3"):
        assert text in row.text
    assert get(client, "/workers").one("a", href=f"/jobs/{job_id}")


def test_a_worker_that_stopped_is_shown_as_stopped(client, database, worker_id):
    workers.mark_stopped(database, worker_id)
    row = get(client, "/workers").one("tr", id=f"worker-{worker_id}")
    assert row.attributes["data-state"] == "stopped"


def test_without_workers_the_page_says_how_to_start_one(client):
    assert "trainyard worker" in get(client, "/workers").text


# every page


def test_no_page_has_script_of_its_own(client, app):
    for address in addresses.of_pages(app) | {"/nowhere"}:
        answer = client.get(address)
        page = Page(answer.text)
        for script in page.all("script"):
            assert script.attributes.get("type") in ("module", "application/json"), address
            assert not script.text.strip() or script.attributes["type"] == "application/json"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert not [name for e in page.elements for name in e.attributes if name.startswith("on")]


def test_every_file_that_a_page_names_exists(client, app, succeeded):
    for address in addresses.of_pages(app) | {f"/jobs/{succeeded()}"}:
        page = get(client, address)
        files = [e.attributes["href"] for e in page.all("link")]
        files += [e.attributes["src"] for e in page.all("script") if "src" in e.attributes]
        for file in files:
            answer = client.get(file)
            assert answer.status_code == 200, file
            answer.close()


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("x", None)])
def test_the_theme_that_was_chosen_is_remembered(client, cookie, theme):
    client.set_cookie("theme", cookie)
    assert get(client, "/").one("html").attributes.get("data-theme") == theme


def test_the_error_page_needs_no_database(client, context, monkeypatch):
    def away(*_):
        raise DatabaseUnavailable("The database does not answer.")

    monkeypatch.setattr(type(context.database), "reading", away)
    page = get(client, "/", 503)
    assert "The database does not answer." in page.text
