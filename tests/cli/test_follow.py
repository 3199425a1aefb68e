"""Following a run: lines for a pipe, a bar for a screen."""

import io

import pytest
from rich.console import Console

from cli.follow import Bar, Lines


def event(state="running", **more):
    progress = {"epoch": 1, "epochs": 2, "batch": 3, "batches": 4, "fraction": 0.375, "eta_s": 61}
    job = {"id": 1, "state": state, "desired": "run", "progress": progress}
    return job | {"train_loss": 0.5, "test_accuracy": None} | more


@pytest.fixture
def written():
    return io.StringIO()


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
        (event(), ["epoch 1/2 batch 3/4", "loss 0.5000", "1 min 1 s left"]),
        (event("queued"), ["queued"]),
        (event(test_accuracy=0.9), ["accuracy 90.00%"]),
    ],
)
def test_a_bar_tells_how_far_a_run_is(written, job, words):
    console = Console(file=written, force_terminal=True, width=160, color_system=None)
    with Bar(console) as view:
        view.take("job", job)
        view.take("events of a later version", None)

    for word in words:
        assert word in written.getvalue()
