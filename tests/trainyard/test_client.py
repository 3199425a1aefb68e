"""A program's client, against a real server and a worker that is played here."""

from __future__ import annotations

import hashlib
import threading

import nbformat
import pytest
from nbclient import NotebookClient
from werkzeug.wrappers import Response

from cli import client as transport
from core import workers
from core.errors import InvalidInput, NotFound
from core.jobs import claim, endings
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication
from core.jobs.recorder import Recorder
from core.messages import plain
from core.storage import store
from core.workers import WorkerFacts
from tests.documented import watch
from tests.reported import epoch_end, evaluated, started
from tests.serving import serving
from trainyard import Client, RunFailed, TrainingSpec
from trainyard import client as module

CONTENT = b"checkpoint" * 100_000


@pytest.fixture
def database_kind():
    """SQLite alone: the client knows HTTP, and the API is tested on each kind of database."""
    return "sqlite"


@pytest.fixture(autouse=True)
def document(app, monkeypatch):
    """All that a client asks here, and all that it is answered, is in the OpenAPI document."""
    return watch(app, monkeypatch, refused_too=True)


@pytest.fixture
def url(app):
    with serving(app) as (_, address):
        yield address


@pytest.fixture
def client(url, monkeypatch, tmp_path):
    monkeypatch.setenv("TRAINYARD_URL", url)
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    with Client() as made:
        yield made


@pytest.fixture
def work(database, settings, tmp_path):
    """Does what a worker does with the next run; it ends well, or not."""
    facts = WorkerFacts("ada", 1, "0", ["default"], [{"kind": "cpu", "name": "CPU"}], 1)
    claimant = Claimant(workers.register(database, facts), ["default"])

    def once(*, succeeds=True):
        lease = claim.claim(database, claimant, 30)
        if lease is None:
            return False
        recorder = Recorder(database, lease, 30)
        recorder.record(started(threads=1))
        recorder.record(epoch_end(train_loss=0.5, test_loss=0.4, test_accuracy=0.9))
        recorder.record(evaluated())
        recorder.flush()
        if succeeds:
            (tmp_path / "m.pt").write_bytes(CONTENT)
            blob = store.connect(settings.storage_address).put(tmp_path / "m.pt")
            files = [Publication(blob, 1, "pt", "mnist-cnn.pt")]
            endings.succeed(database, lease, "c" * 64, files)
        else:
            endings.end(database, lease, "failed", Failure("E", plain("It broke.")))
        return True

    return once


def test_a_run_is_submitted_by_preset_and_single_fields(client):
    run = client.submit(preset="quick", epochs=3, optimizer__learning_rate=0.05, tags=["mine"])

    assert (run.name, run.state, run.data["tags"]) == ("quick", "queued", ["mine"])
    assert (run.spec.epochs, run.spec.optimizer.learning_rate) == (3, 0.05)
    assert client.run(run.id).data == run.refresh().data


def test_a_run_is_submitted_for_its_owner_alone(client):
    made = [
        client.submit(preset="digits_seconds", private=private) for private in (True, True, False)
    ]

    assert [client.run(each.id).data["private"] for each in made] == [True, True, False]


def test_a_whole_spec_is_submitted_as_it_is(client):
    spec = TrainingSpec(dataset="digits", epochs=2)

    assert client.submit(spec).spec == spec


def test_wrong_fields_are_named_and_nothing_is_queued(client):
    with pytest.raises(InvalidInput) as refused:
        client.submit(preset="quick", epochs=0, **{"optimizer.momentum": 3})

    assert {each.field for each in refused.value.errors} == {"epochs", "optimizer.momentum"}
    assert list(client.find()) == []


def test_a_run_is_waited_for_and_read(client, work):
    run = client.submit(preset="quick")
    worker = threading.Thread(target=work)
    worker.start()

    run.wait(60)
    worker.join()

    assert (run.state, run.test_accuracy) == ("succeeded", 0.9)
    history = run.history()
    assert list(history["epoch"]) == [1]
    assert list(history["train_loss"]) == [0.5]


def test_a_run_that_fails_is_raised_unless_it_is_not_minded(client, work):
    run = client.submit(preset="quick")
    work(succeeds=False)

    with pytest.raises(RunFailed, match="It broke") as raised:
        run.wait(60)
    assert raised.value.run is run
    assert run.wait(check=False).state == "failed"


def test_a_wait_ends_in_time_and_the_run_goes_on(client, monkeypatch):
    run = client.submit(preset="quick")

    with pytest.raises(TimeoutError, match="still queued"):
        run.wait(0)
    assert run.refresh().state == "queued"


def test_what_happens_is_followed_to_the_end(client, work):
    run = client.submit(preset="quick")
    work()

    names = [event.name for event in run.follow()]

    assert names[-1] == "end"
    assert {"job", "epochs", "history"} <= set(names)


def test_runs_are_a_table_with_a_column_for_each_hyperparameter(client):
    client.submit(preset="quick", epochs=2)
    client.submit(preset="quick", epochs=5, tags=["a", "b"])

    frame = client.runs(sort="epochs")

    assert list(frame["epochs"]) == [2, 5]
    assert list(frame["tags"]) == ["", "a, b"]
    assert "optimizer.learning_rate" in frame.columns
    assert [run.id for run in client.find(limit=1, state="queued")] == [2]


def test_without_pandas_a_table_is_a_list(client, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    client.submit(preset="quick")

    [row] = client.runs()

    assert row["state"] == "queued"


def test_a_file_is_downloaded_under_a_name_of_its_own(client, work, tmp_path):
    run = client.submit(preset="quick")
    work()

    path = run.download(tmp_path)

    assert path.read_bytes() == CONTENT
    assert path.name.startswith(f"run-{run.id}-")
    with pytest.raises(NotFound, match="it has: pt"):
        run.download(tmp_path, "onnx")


def test_a_download_that_breaks_off_continues_where_it_was(client, work, tmp_path, monkeypatch):
    run = client.submit(preset="quick")
    work()
    [file] = run.artifacts()
    whole = transport.Partial.add

    def breaks_off(partial, piece):
        whole(partial, piece[:1000])
        raise transport.httpx.ReadError("gone")

    monkeypatch.setattr(transport.Partial, "add", breaks_off)
    monkeypatch.setattr(client, "_tries", 1)
    with pytest.raises(transport.Unavailable):
        run.download(tmp_path / "m.pt")
    monkeypatch.setattr(transport.Partial, "add", whole)
    asked = []
    sent = client._http.stream
    monkeypatch.setattr(
        client._http, "stream", lambda *a, **more: asked.append(more) or sent(*a, **more)
    )

    run.download(tmp_path / "m.pt")

    assert asked[0]["headers"] == {"Range": "bytes=1000-"}
    assert hashlib.sha256((tmp_path / "m.pt").read_bytes()).hexdigest() == file["sha256"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".m.pt")] == []


def test_what_is_asked_of_a_run_is_done(client):
    run = client.submit(preset="quick")

    assert run.pause().state == "paused"
    assert run.resume().state == "queued"
    assert run.edit(name="renamed", tags=["x"]).name == "renamed"
    assert run.cancel().is_over


def test_each_address_that_the_client_asks_is_in_the_document(client, work, document, tmp_path):
    run = client.submit({"dataset": "digits"}, preset="quick", tags=["a"])
    work(succeeds=False)
    work(succeeds=run.retry(from_scratch=True) is None)
    client.run(run.id).retry()
    work()
    run.wait()
    run.metrics(), run.log(), run.history(), run.download(tmp_path), run.edit(notes="x")
    chosen = {"state": "succeeded", "dataset": "digits", "tag": "a", "text": "quick"}
    client.runs(1, **chosen, owner=run.data["owner"], created_from="2026-01-31", sort="-epochs")
    other = client.submit(preset="quick")
    other.pause(), other.resume(), other.cancel()

    assert document.asked == {
        *("POST /jobs", "GET /jobs", "GET /jobs/{job_id}", "PATCH /jobs/{job_id}"),
        *(f"POST /jobs/{{job_id}}/{what}" for what in ("cancel", "pause", "resume", "retry")),
        *(f"GET /jobs/{{job_id}}/{what}" for what in ("epochs", "metrics", "logs", "artifacts")),
        *("GET /jobs/{job_id}/events", "GET /artifacts/{artifact_id}/download"),
    }


def test_what_the_document_does_not_know_would_be_seen(client, document, app, monkeypatch):
    for path, parameters in (("/jobs", {"color": "red"}), ("/jobs", {"limit": 0}), ("/fax", {})):
        with pytest.raises(AssertionError, match=r"color|limit|fax"):
            client.get(path, **parameters)
    with pytest.raises(AssertionError, match="the body"):
        client.post("/jobs", {"name": "x", "color": "red"})
    answered = app.view_functions["api.show"]
    monkeypatch.setitem(
        app.view_functions, "api.show", lambda job_id: {**answered(job_id).json, "color": "red"}
    )
    run = client.submit(preset="quick")

    with pytest.raises(AssertionError, match="color"):
        run.refresh()


def test_a_submit_whose_answer_was_lost_is_sent_again_and_makes_one_run(client, app, monkeypatch):
    monkeypatch.setattr(transport, "FIRST_PAUSE_S", 0.0)
    served, lost = app.wsgi_app, []

    def loses_the_first_answer(environ, start):
        is_submit = environ["REQUEST_METHOD"] == "POST"
        if is_submit and not lost:
            lost.append(environ)
            list(served(environ, lambda *_: None))
            return Response("away", 503)(environ, start)
        return served(environ, start)

    monkeypatch.setattr(app, "wsgi_app", loses_the_first_answer)

    run = client.submit(preset="quick")

    assert lost
    assert [each.id for each in client.find()] == [run.id]


def test_a_server_that_is_away_is_asked_again_and_then_given_up(monkeypatch):
    monkeypatch.setattr(transport, "FIRST_PAUSE_S", 0.0)
    with Client("http://127.0.0.1:1") as client, pytest.raises(transport.Unavailable):
        client.run(1)


def test_the_notebook_of_the_docs_runs(client, work):
    """Its cells are those of docs/examples/client.ipynb, run by a kernel of its own."""
    notebook = nbformat.read("docs/examples/client.ipynb", as_version=4)
    over = threading.Event()

    def serve_runs():
        while not over.is_set():
            if not work():
                over.wait(0.05)

    worker = threading.Thread(target=serve_runs)
    worker.start()
    try:
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    finally:
        over.set()
        worker.join()

    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("succeeded" in str(output) for output in shown)
