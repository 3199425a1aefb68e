"""Curves as files."""

from __future__ import annotations


def test_epochs_are_written_as_csv(trainyard, finished, tmp_path):
    shown = trainyard("export", finished)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[0].startswith("epoch,train_loss")
    assert shown.stdout.splitlines()[1].startswith("1,0.5")
    target = tmp_path / "curve.csv"
    assert trainyard("export", finished, "epochs", "-o", str(target)).exit_code == 0
    assert target.read_text().splitlines() == shown.stdout.splitlines()
    assert trainyard("export", finished, "-o", str(tmp_path / "no" / "f.csv")).exit_code == 1
    assert trainyard("export", "99").exit_code == 1
