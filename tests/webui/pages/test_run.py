"""The page of a run in each of its states, without JavaScript."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import workers
from core.database.models import Attempt, Epoch, Job, Worker
from core.jobs import claim, endings, lifecycle, policies, preemption, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import plain
from core.protocol.reports import Line, Shrunk
from core.spec.presets import resolve
from core.storage.blobs import Blob
from tests import longrun
from tests.reported import epoch_end, started
from tests.webui.pages.conftest import (
    MEASURED,
    OF_THE_FIRST_EPOCH,
    VALIDATED,
    Page,
    get,
    post_run,
    token,
)
from webui.live.news import news
from webui.live.position import Position
from webui.pages.run import BUCKETS


def test_a_run_that_does_not_exist_is_an_error_page_that_says_which_do(client, submitted):
    job = submitted()
    page = get(client, "/jobs/999", 404)
    assert f"the newest is {job.id}" in page.text
    assert page.one("a", href="/jobs/new")


def test_a_run_that_gives_way_says_so_at_its_head(client, database, running, submitted):
    job_id, _ = running()
    with database.writing() as session:
        policies.put(session, LOCAL_OWNER, "default", preempts=True)
        session.execute(update(Worker).values(slots=1))
    high = submitted("high", priority=7)
    assert preemption.preempt(database) == [job_id]

    page = get(client, f"/jobs/{job_id}")
    client.set_cookie("language", "zh")
    translated = get(client, f"/jobs/{job_id}").one("section", id="gives-way").text

    shown = page.one("section", id="gives-way").text
    assert f"It is being paused for run {high.id} of owner, priority 7 over 0;" in shown
    assert f"正在为 owner 的任务 {high.id} 暂停" in translated
    assert page.one("a", href=f"/jobs/{high.id}")
    states = [each.attributes["data-state"] for each in page.all("span", **{"class": "badge"})]
    assert states[0] == "pausing"


def test_a_running_run_shows_how_far_it_is(client, running):
    job_id, _ = running("moving")
    page = get(client, f"/jobs/{job_id}")
    for text in ("100 of 469", "0.5123", "12,346", "1 min 15 s", "on worker-one"):
        assert text in page.text
    bar = page.one("span", role="progressbar")
    assert bar.attributes["aria-valuenow"] == "21"


def test_the_page_of_a_run_holds_what_its_curves_are_drawn_from(client, running):
    job_id, _ = running()
    data = json.loads(get(client, f"/jobs/{job_id}").one("script", id="run-data").text)
    curve = {"at": [100], "count": [1], "values": {"train_loss": {"last": [0.51234]}}}
    assert data["metrics"] == curve
    assert data["over"] is False
    assert data["job"]["id"] == job_id


def test_the_stream_continues_where_the_page_ends(client, running, succeeded):
    ended = succeeded()
    data = json.loads(get(client, f"/jobs/{ended}").one("script", id="run-data").text)
    assert data["over"] is True
    answer = client.get(f"/api/v1/jobs/{ended}/events?after={data['position']}")
    assert answer.status_code == 204  # nothing is left to tell


def test_a_finished_run_shows_its_files_with_their_digests(client, succeeded):
    page = get(client, f"/jobs/{succeeded()}")
    files = [link.attributes["href"] for link in page.all("a", **{"class": "file"})]
    digests = [code.text for code in page.all("code") if "data-sha256" in code.attributes]
    for number, (file, digest) in enumerate(zip(files, digests, strict=True), start=1):
        assert file.startswith(f"/api/v1/artifacts/{number}/download?instance=")
        assert file.endswith(f"&sha256={digest}")  # a browser that has kept it has these bytes
    assert "ab" * 32 in [code.text for code in page.all("code")]
    assert page.one("code", id="weights").text == "9f" * 32
    for text in ("1.2 MB", "98.76%", "model.pt"):
        assert text in page.text
    assert not page.all("form", id="ask-cancel")


@pytest.mark.parametrize(("accuracy", "is_told"), [(0.0778, True), (0.93, False)])
def test_a_run_that_ended_well_and_has_not_learned_says_so_beside_its_state(
    client, report, accuracy, is_told
):
    job_id = report({"epochs": 1}, epoch_end(test_accuracy=accuracy))
    head = get(client, f"/jobs/{job_id}").one("header", id="part-head").text
    assert "succeeded" in head
    assert ("hardly better than guessing" in head) is is_told


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


def test_a_run_that_published_its_best_epoch_tells_that_one_and_the_last(client, report):
    last = epoch_end(epoch=2, step=20, test_accuracy=0.8, validation_accuracy=0.7, train_loss=0.1)
    job_id = report(VALIDATED, MEASURED, last, files=OF_THE_FIRST_EPOCH)

    page = get(client, f"/jobs/{job_id}")
    assert page.one("dd", data_live="test_accuracy").text == "90.00%"
    assert page.one("dd", data_live="train_loss").text == "0.2000"
    assert page.one("p", **{"class": "published"}).text.startswith(
        "Published: epoch 1, 90.00% (validation 92.71%); last: epoch 2, 80.00% (validation 70.00%)."
    )
    assert "90.00% epoch 1" in get(client, "/").one("tr", id=f"job-{job_id}").text


def test_a_run_that_published_its_last_epoch_tells_of_no_other(client, report):
    page = get(client, f"/jobs/{report(VALIDATED, MEASURED, files=OF_THE_FIRST_EPOCH)}")
    assert page.all("p", **{"class": "published"}) == []


def test_a_train_loss_says_what_it_is_the_mean_of(client, running, report):
    of_batches = get(client, f"/jobs/{running()[0]}")
    of_epoch = get(client, f"/jobs/{report({}, epoch_end(), ended=False)}")

    assert of_batches.one("abbr", data_live="train_loss_over").text == "(batches)"
    assert of_epoch.one("abbr", data_live="train_loss_over").text == "(epoch)"
    assert "train (batches)" in of_epoch.one("figure", id="loss-curve").text


def test_the_table_of_epochs_shows_every_measurement(client, report):
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


@pytest.fixture
def long(database):
    """The id of a run of days."""
    return longrun.write(database, samples=30_000, epochs=700, lines=3_000).lease.job_id


def test_the_page_of_a_long_run_is_small_and_has_its_spike(client, long):
    answer = client.get(f"/jobs/{long}")

    assert len(answer.data) < 150_000
    data = json.loads(Page(answer.text).one("script", id="run-data").text)
    train = data["metrics"]["values"]["train_loss"]
    assert len(data["metrics"]["at"]) <= BUCKETS
    assert sum(data["metrics"]["count"]) == 30_000
    assert max(train["max"]) == longrun.SPIKE
    assert train["max"].index(longrun.SPIKE) == pytest.approx(0.4321 * BUCKETS, abs=2)
    assert len(data["epochs"]["at"]) <= BUCKETS
    assert sum(data["epochs"]["count"]) == 700


def test_the_stream_continues_where_the_page_of_a_long_run_ends(client, long, database):
    data = json.loads(get(client, f"/jobs/{long}").one("script", id="run-data").text)

    assert news(database, long, Position.parse(data["position"])) == []


def test_older_epochs_and_lines_are_reached_without_a_script(client, long):
    page = get(client, f"/jobs/{long}")
    epochs = [row.attributes["data-epoch"] for row in page.all("tr") if row.attributes]
    assert epochs == [str(number) for number in range(700, 650, -1)]
    lines = [line.attributes["data-at"] for line in page.all("div", **{"class": "line"})]
    assert lines == [f"1.{number}" for number in range(2801, 3001)]

    earlier = get(client, page.one("a", id="earlier-epochs").attributes["href"])
    older = get(client, page.one("a", id="older-lines").attributes["href"])

    epochs = [row.attributes["data-epoch"] for row in earlier.all("tr") if row.attributes]
    assert epochs == [str(number) for number in range(650, 600, -1)]
    lines = [line.attributes["data-at"] for line in older.all("div", **{"class": "line"})]
    assert lines == [f"1.{number}" for number in range(2601, 2801)]


def test_a_short_run_offers_nothing_older(client, succeeded):
    page = get(client, f"/jobs/{succeeded()}")

    assert len([e for e in page.all("p", **{"class": "earlier"}) if "hidden" in e.attributes]) == 2


def test_a_made_up_cursor_in_an_address_is_refused(client, succeeded):
    job_id = succeeded()
    for query in ("epochs=x", "log=5"):
        assert client.get(f"/jobs/{job_id}?{query}").status_code == 422


def test_a_failed_run_shows_its_error_and_traceback(client, database, running):
    job_id, lease = running()
    failure = Failure("ValueError", plain("the loss is <nan>"), "Traceback <module>")
    endings.end(database, lease, "failed", failure)
    page = get(client, f"/jobs/{job_id}")
    assert page.one("section", role="alert").text.startswith("ValueError the loss is <nan>")
    assert page.one("pre").text == "Traceback <module>"


def test_a_failure_has_its_name_in_the_language_of_the_reader(client, database, running):
    job_id, lease = running()
    endings.end(database, lease, "failed", Failure("diverged", plain("too far"), ""))
    client.set_cookie("language", "zh")
    for address, shown in (
        (f"/jobs/{job_id}", "损失发散"),
        (f"/jobs/{job_id}/report", "损失发散."),
    ):
        assert shown in get(client, address).text


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


def test_a_run_that_no_worker_can_resume_may_be_restarted_from_scratch(
    client, database, submitted, worker_id
):
    job = submitted(device="cpu")
    assert "Restart from scratch" not in get(client, f"/jobs/{job.id}").text
    with database.writing() as session:
        session.execute(update(Job).values(pinned_threads=64))

    page = get(client, f"/jobs/{job.id}")

    assert "It began with a CPU and 64 threads" in page.text
    assert "Restart from scratch" in page.text
    form = {"csrf_token": token(client), "from_scratch": "true"}
    client.post(f"/jobs/{job.id}/retry", data=form)
    with database.reading() as session:
        assert session.get(Job, job.id).pinned_threads is None


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


def test_a_running_run_shows_its_last_heartbeat(client, database, running):
    job_id, lease = running()
    heartbeats = [
        e for e in get(client, f"/jobs/{job_id}").all("time") if "data-heartbeat" in e.attributes
    ]
    assert [bool(re.fullmatch("[0-9]+ s ago", element.text)) for element in heartbeats] == [True]
    endings.end(database, lease, "drained")
    assert "last heartbeat" not in get(client, f"/jobs/{job_id}").text


def test_the_parts_that_change_are_the_same_alone_as_in_the_page(client, running):
    job_id, _ = running()
    whole = get(client, f"/jobs/{job_id}")
    part = Page(client.get(f"/jobs/{job_id}?part=1").text)
    ids = {e.attributes["id"] for e in part.elements if "data-part" in e.attributes}
    assert ids == {e.attributes["id"] for e in whole.elements if "data-part" in e.attributes}
    assert len(ids) == 7
    assert not part.all("script")


def test_a_finished_run_says_how_its_network_is_loaded(client, succeeded, submitted):
    job_id = succeeded()
    page = get(client, f"/jobs/{job_id}")

    [shell, torch, fetch, runtime] = [
        each.attributes["data-copy"]
        for each in page.all("button")
        if "\n" in each.attributes.get("data-copy", "")
        or "trainyard" in each.attributes.get("data-copy", "")
    ]
    assert shell == f"trainyard download {job_id} -o run-{job_id}-a-run-model.pt"
    assert f'network = load("run-{job_id}-a-run-model.pt")' in torch
    assert fetch == f"trainyard download {job_id} --format onnx -o run-{job_id}-a-run-model.onnx"
    assert f'onnxruntime.InferenceSession("run-{job_id}-a-run-model.onnx")' in runtime
    assert "# your images: float32, (count, 1, 28, 28), 0 to 1\n" in runtime
    assert "images = torch.rand(8, 1, 28, 28)\n" in torch
    assert "Load it" not in get(client, f"/jobs/{submitted().id}").text


def test_a_run_that_has_published_weights_has_its_download_at_the_top(client, succeeded, running):
    page = get(client, f"/jobs/{succeeded()}")
    [weights] = [each for each in page.all("a") if each.text == "model.pt"]

    top = page.one("a", id="download")

    assert top.text == "Download"
    assert top.attributes["href"] == weights.attributes["href"]
    assert page.one("h2", id="files-title").text == "Files"
    assert not get(client, f"/jobs/{running('another')[0]}").all("a", id="download")


def test_elapsed_is_the_time_of_its_attempts_and_not_of_the_pauses(client, database, running):
    job_id, lease = running()
    with database.writing() as session:
        attempt = session.get(Attempt, (job_id, 1))
        attempt.started_at -= timedelta(seconds=100)
        session.get(Job, job_id).started_at -= timedelta(seconds=100)
    endings.end(database, lease, "drained")
    with database.writing() as session:
        attempt = session.get(Attempt, (job_id, 1))
        attempt.finished_at = attempt.started_at + timedelta(seconds=30)

    waiting = get(client, f"/jobs/{job_id}").one("div", id="part-progress").text

    assert waiting.endswith("Elapsed30 s")


def test_a_run_that_begins_says_that_it_gets_ready(client, database, submitted, worker_id):
    job = submitted()
    assert not get(client, f"/jobs/{job.id}").all("section", id="getting-ready")
    lease = claim.claim(database, Claimant(worker_id, ["default"], name="worker-one"), 600)
    notice = get(client, f"/jobs/{job.id}").one("section", id="getting-ready")
    assert notice.text.startswith("Getting ready. The worker loads the data")
    recorder = Recorder(database, lease, 600)
    recorder.record(started(batches=469))
    recorder.flush()
    assert not get(client, f"/jobs/{job.id}").all("section", id="getting-ready")


def test_after_the_last_batch_it_is_evaluated_and_no_time_is_left(client, database, running):
    job_id, lease = running()
    recorder = Recorder(database, lease, 600)
    recorder.record(epoch_end(step=469, batch=469))
    recorder.flush()

    assert get(client, f"/jobs/{job_id}").one("dd", data_live="eta").text == "evaluating"


def test_a_network_is_offered_to_be_tried_where_there_is_one(client, database, running):
    job_id, _ = running()
    assert "Try it so far" not in get(client, f"/jobs/{job_id}").text
    with database.writing() as session:
        snapshots.add(session, job_id, 1, SnapshotRef(0, 100, Blob("a" * 64, 5)))

    assert "Try it so far" in get(client, f"/jobs/{job_id}").text


def test_a_queued_run_shows_what_comes_and_a_running_one_its_curves(client, submitted, running):
    begun, _ = running()
    queued = submitted().id

    def shown(job_id):
        return get(client, f"/jobs/{job_id}").one("main").attributes["class"].split()

    assert "is-waiting" not in shown(begun)
    assert "is-waiting" in shown(queued)


def test_each_chart_can_be_kept_and_read_as_a_table(client, succeeded):
    page = get(client, f"/jobs/{succeeded()}")
    figures = page.all("figure")
    assert len(figures) == 12
    for kind in ("svg", "png"):
        assert len(page.all("button", data_picture=kind)) == len(figures)
    assert len(page.all("details", **{"class": "as-table"})) == len(figures)
    files = {
        link.attributes["href"].split("?")[0]: link
        for link in page.all("a")
        if "format=csv" in link.attributes.get("href", "")
    }
    assert {address.rsplit("/", 1)[1] for address in files} == {"metrics", "epochs", "resources"}
    for link in files.values():
        assert client.get(link.attributes["href"]).content_type.startswith("text/csv")


def test_a_log_is_searched_without_a_script(client, database, running):
    job_id, lease = running(line="needle one")
    recorder = Recorder(database, lease, 600)
    recorder.record(Line(text="a Needle two", level="warning"))
    recorder.record(Line(text="hay"))
    recorder._lines_written = 1
    recorder.flush()

    def lines(query):
        page = get(client, f"/jobs/{job_id}?{query}")
        return [each.text for each in page.all("div", **{"class": "line"})]

    assert len(lines("find=needle")) == 2
    assert len(lines("find=needle&level=warning,error")) == 1
    assert len(lines("level=loud")) == 3
    assert lines("find=nothing") == []


def test_runs_of_one_family_lead_to_each_other(client, database, submitted, succeeded):
    parent = succeeded()
    child = lifecycle.submit(
        database, LOCAL_OWNER, name="child", spec=resolve("quick", {}), cloned_from=parent
    )

    of_parent = get(client, f"/jobs/{parent}").one("section", aria_labelledby="lineage-title")
    of_child = get(client, f"/jobs/{child.id}").one("section", aria_labelledby="lineage-title")

    assert of_parent.text == f"Lineage Cloned from it #{child.id} child queued"
    assert of_child.text.startswith(f"Lineage Cloned from #{parent} ")
    assert of_child.text.endswith("98.76%")


def test_the_best_epoch_is_the_first_with_the_lowest_validation_loss(client, report):
    losses = {1: 0.5, 2: 0.25, 3: 0.25, 4: 0.75}
    ends = [
        epoch_end(epoch=each, step=10 * each, validation_loss=loss, validation_accuracy=0.5)
        for each, loss in losses.items()
    ]

    def best(job_id):
        return json.loads(get(client, f"/jobs/{job_id}").one("script", id="run-data").text)["best"]

    assert best(report(VALIDATED, *ends)) == {"epoch": 2, "validation_loss": 0.25}
    assert best(report({}, epoch_end())) is None


def test_a_clone_by_the_form_knows_its_parent(client, submitted):
    parent = submitted()
    post_run(client, name="child", **{"from": str(parent.id)})

    assert client.get(f"/api/v1/jobs/{parent.id + 1}").json["cloned_from"] == parent.id
