"""Curves in the terminal: where the dots are, and what a window of any size shows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.render.canvas import Canvas, plot
from cli.render.curves import MOST_SAMPLES, Curves


def test_a_line_from_corner_to_corner_sets_the_dots_on_its_way():
    canvas = Canvas(2, 1)
    canvas.draw([(0, 0), (1, 1)], (0, 1, 0, 1), "cyan")

    assert [line.plain for line in canvas.lines()] == ["⡠⠊"]


def test_a_picture_has_its_scale_and_a_legend_and_leaves_out_what_is_no_number():
    lines = plot([("loss", "cyan", [(1, 2.0), (2, float("nan")), (3, 1.0)])], 30, 5)

    assert len(lines) == 5
    assert lines[0].plain.split()[0] == "2.0000"
    assert lines[3].plain.split()[0] == "1.0000"
    assert "loss 1.0000" in lines[-1].plain
    assert all(line.cell_len <= 30 for line in lines)


def test_nothing_and_a_single_point_are_drawn_too():
    assert plot([("loss", "cyan", [])], 30, 5) == []
    assert len(plot([("loss", "cyan", [(1, 1.0)])], 30, 5)) == 5


def job(**more):
    progress = {"epoch": 1, "epochs": 2, "batch": 3, "batches": 4, "fraction": 0.375, "eta_s": 61}
    facts = {"id": 1, "state": "running", "desired": "run", "progress": progress}
    return facts | {"train_loss": 0.5, "test_accuracy": 0.9} | more


def drawn(width, height):
    """What a window shows of a run in its second epoch."""
    written = io.StringIO()
    console = Console(file=written, width=width, height=height, force_terminal=True)
    view = Curves(console)
    view.take("metrics", [{"step": n, "train_loss": 2.0 / n} for n in range(1, 9)])
    view.take("epochs", [{"epoch": n, "test_loss": 1.0, "test_accuracy": 0.9} for n in (1, 2)])
    view.take("job", job())
    console.print(view)
    return Console(width=width).render_str(written.getvalue()).plain.splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (20, 8)])
def test_the_curves_fit_the_window(width, height):
    lines = drawn(width, height)

    assert any("train loss" in line for line in lines)
    assert any("⠤" in line for line in lines)


def test_a_start_over_forgets_the_curves_and_many_samples_are_thinned():
    view = Curves(Console(file=io.StringIO(), force_terminal=True))
    view.take("metrics", [{"step": n, "train_loss": 1.0} for n in range(MOST_SAMPLES + 1)])
    assert len(view._samples) <= MOST_SAMPLES // 2 + 1

    view.take("reset", {"attempt": 2})
    assert view._samples == []


def test_without_a_screen_the_curves_are_plain_lines(trainyard, finished):
    result = trainyard("follow", finished, "--plot")

    assert result.exit_code == 0
    assert "run 1 is succeeded" in result.stderr
    assert "⠤" not in result.output
