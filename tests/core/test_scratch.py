"""Scratch folders: a live owner keeps his, and what a killed one left is removed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from core import scratch
from core.scratch import SIGN, Scratch

OWNER = """
import sys
from core.scratch import SIGN, Scratch
own = Scratch()
(own.folder / SIGN).touch()
print(own.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files that nobody else uses."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_live_one_is_not():
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        folder = Path(owner.stdout.readline().strip())
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("12345")
        assert scratch.sweep(0.0) == 0
        assert scratch.total_size() == 5

        owner.kill()
        owner.wait()

        assert scratch.sweep(3600.0) == 0  # it may be that of an earlier release
        assert scratch.sweep(0.0) == 1
    assert not folder.exists()


def test_folders_of_others_are_left_alone(temporary):
    for name in ("trainyard-postgres-1", "other"):
        (temporary / name).mkdir()
    (temporary / "other" / SIGN).touch()
    (temporary / "trainyard-file").touch()

    assert scratch.sweep(0.0) == 0
    assert len(list(temporary.iterdir())) == 3


def test_a_folder_that_the_host_has_tidied_away_is_made_again_and_held(temporary):
    own = Scratch()
    own.folder.rmdir()

    own.hold()
    (own.folder / SIGN).touch()

    assert scratch.sweep(0.0) == 0
    own.remove()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_download_left_is_removed_and_what_one_writes_is_not(tmp_path):
    data = tmp_path / "data"
    for name in (".mnist.abc", ".digits.def", "mnist"):
        (data / name).mkdir(parents=True)
    for name in (".mnist.lock", ".digits.lock"):
        (data / name).touch()

    with FileLock(data / ".digits.lock"):
        scratch.sweep_downloads(data)
        assert {path.name for path in data.iterdir() if path.is_dir()} == {".digits.def", "mnist"}
    scratch.sweep_downloads(data)
    assert {path.name for path in data.iterdir() if path.is_dir()} == {"mnist"}
    scratch.sweep_downloads(tmp_path / "nowhere")
