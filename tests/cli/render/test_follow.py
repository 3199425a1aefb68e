"""Following a run: lines for a pipe, a bar for a screen."""

import io

import pytest
from rich.console import Console

from cli.render.follow import Bar, Lines
from core.jobs.status import QueueStatus
from core.messages import message
from webui.api.shapes.jobs import QueueStatusShape


def event(state="running", **more):
    progress = {"epoch": 1, "epochs": 2, "batch": 3, "batches": 4, "fraction": 0.375, "eta_s": 61}
    job = {"id": 1, "state": state, "desired": "run", "progress": progress}
    return job | {"train_loss": 0.5, "test_accuracy": None} | more


@pytest.fixture
def written():
    return io.StringIO()


def waiting(code, **params):
    """Why a run waits, as the API sends it."""
    return {"queue_status": sent(QueueStatus(None, message(code, **params), None))}


def in_line(code, eta_s, **more):
    reason = message(code, slots=message("queue.cpu_slots", count=1), **more)
    return {"queue_status": sent(QueueStatus(1, reason, eta_s))}


def sent(status):
    return QueueStatusShape.of(status).as_json()


def test_why_a_run_waits_is_shown_once_and_again_when_the_queue_moves(written):
    view = Lines(Console(file=written, width=40))
    for state, more in (
        ("queued", in_line("queue.behind", 50, ahead=2)),
        ("queued", in_line("queue.behind", 48, ahead=2)),
        ("queued", in_line("queue.next", 30)),
        ("paused", waiting("queue.paused_by", name="[b]ada[/b]\x1b")),
        ("paused", waiting("queue.paused_by", name="[b]ada[/b]\x1b")),
        ("queued", waiting("queue.starting")),
    ):
        view.take("job", event(state, **more))

    assert written.getvalue().splitlines() == [
        "run 1 is queued: 2 runs ahead on 1 CPU slot, about 50 s",
        "run 1 is queued: next in line on 1 CPU slot, about 30 s",
        "run 1 is paused by [b]ada[/b]\ufffd",
        "run 1 is queued: about to start",
    ]


def test_a_run_that_is_being_paused_is_told_once(written):
    view = Lines(Console(file=written))
    heartbeat = "2999-01-01T00:00:00.000000Z"
    for desired in ("run", "pause", "pause"):
        view.take("job", event(desired=desired, last_heartbeat_at=heartbeat))

    assert written.getvalue().splitlines() == [
        "run 1 is running, last heartbeat 0 s ago",
        "run 1 is pausing, last heartbeat 0 s ago",
    ]


def test_a_state_is_told_once(written):
    view = Lines(Console(file=written))
    for state in ("queued", "running", "running", "succeeded"):
        view.take("job", event(state))

    assert written.getvalue().splitlines() == [
        "run 1 is queued",
        "run 1 is running",
        "run 1 is succeeded",
    ]


@pytest.mark.parametrize("view", [Lines, Bar])
def test_a_line_of_a_log_is_text_and_moves_no_cursor(written, view):
    with view(Console(file=written, force_terminal=False)) as shown:
        shown.take("logs", [{"text": "[bold]\x1b[2Jhello :smile:"}])

    assert "[bold]\ufffd[2Jhello :smile:" in written.getvalue()


def test_a_long_line_stays_one_line_in_a_pipe(written):
    Lines(Console(file=written)).take("logs", [{"text": "word " * 100}])

    assert written.getvalue().splitlines() == ["word " * 100]


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (event(), ["epoch 1/2 batch 3/4", "loss 0.5000", "1 min 01 s left"]),
        (event("queued"), ["queued"]),
        (event("queued", **waiting("queue.next", slots="1 slot")), ["run 1 is queued: next in"]),
        (event("paused", **waiting("queue.paused")), ["run 1 is paused"]),
        (event(last_heartbeat_at="2999-01-01T00:00:00Z"), ["last heartbeat 0 s ago"]),
        (event(test_accuracy=0.9), ["accuracy 90.00%"]),
        (event(test_accuracy=0.9, validation_accuracy=0.8), ["90.00%  validation 80.00%"]),
    ],
)
def test_a_bar_shows_the_progress_of_a_run(written, job, words):
    console = Console(file=written, force_terminal=True, width=160, color_system=None)
    with Bar(console) as view:
        view.take("job", job)
        view.take("events of a later version", None)

    for word in words:
        assert word in written.getvalue()


def test_a_warning_that_names_a_batch_is_shown_above_the_bar(written):
    warning = {"text": "epoch 1/2 batch 3/4 was skipped", "level": "warning"}
    with Bar(Console(file=written, force_terminal=True, width=160, color_system=None)) as view:
        view.take("logs", [warning, {"text": "each batch is smaller", "level": "info"}])

    assert "warning: epoch 1/2 batch 3/4 was skipped" in written.getvalue()
    assert "each batch is smaller" in written.getvalue()


@pytest.mark.parametrize(("view", "lines"), [(Lines, ["far", "done"]), (Bar, ["done"])])
def test_a_bar_leaves_out_the_progress_lines_of_an_epoch(written, view, lines):
    with view(Console(file=written, force_terminal=False)) as shown:
        shown.take("logs", [{"text": "far", "level": "progress"}, {"text": "done"}])

    assert [
        line.strip() for line in written.getvalue().splitlines() if line.strip() in lines
    ] == lines
    assert ("far" in written.getvalue()) == ("far" in lines)
