"""Pages as the server sends them, and runs to be shown on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from core import workers
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.endings import Publication
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.protocol.reports import Line, StepMetrics
from core.spec.presets import resolve
from core.storage.blobs import Blob
from tests.reported import epoch_end, started
from tests.webui.people import shared
from webui.context import Context

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
        where = {key: changes.pop(key) for key in ("queue", "priority", "tags") if key in changes}
        return lifecycle.submit(
            database, LOCAL_OWNER, name=name, spec=resolve("quick", changes), **where
        )

    return submit


@pytest.fixture
def worker_id(database) -> int:
    return workers.register(
        database,
        workers.WorkerFacts(
            "worker-one", 4711, "1.2.3", ["default"], [{"kind": "cpu", "name": "CPU, 2 cores"}], 2
        ),
    )


@pytest.fixture
def running(database, submitted, worker_id):
    """Starts a run and writes down an epoch, a metric sample and a line of it."""

    def start(name: str = "a run", line: str = "hello") -> tuple[int, Lease]:
        job = submitted(name)
        lease = claim.claim(database, Claimant(worker_id, ["default"], name="worker-one"), 600)
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

    def write(changes: dict, *reports, ended: bool = True, files=(), **ending) -> int:
        job = lifecycle.submit(database, LOCAL_OWNER, name="a run", spec=resolve(None, changes))
        lease = claim.claim(database, Claimant(worker_id, ["default"], name="worker-one"), 600)
        assert lease is not None
        recorder = Recorder(database, lease, 600)
        for each in (started(), *reports):
            recorder.record(each)
        recorder.flush()
        if ended:
            endings.succeed(database, lease, "9f" * 32, files, **ending)
        return job.id

    return write


VALIDATED = {"data": {"validation": 0.1}}

MEASURED = epoch_end(validation_loss=0.3141, validation_accuracy=0.9271)

OF_THE_FIRST_EPOCH = [Publication(Blob("ab" * 32, 5), 1, "pt", "model.pt")]


@pytest.fixture
def place(settings, monkeypatch, compiled_templates):
    """An installation whose forms need their tokens, as they do for people."""
    with shared(settings, monkeypatch, compiled_templates, csrf=True) as made:
        yield made


@pytest.fixture
def visitor(place):
    """A browser in which nobody is logged in."""
    client = place.app.test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return client
