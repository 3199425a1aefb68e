"""What a run has come to, in the terminal: its log, its measurements, its files."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from core.jobs import claim, endings
from core.jobs.recorder import Recorder
from core.messages import plain
from tests.cli.conftest import CONTENT, LOGGED
from tests.reported import epoch_end, evaluated, started


def test_a_log_is_written_as_json_for_programs_and_untouched(trainyard, finished):
    lines = json.loads(trainyard("logs", finished, "--json").stdout)

    assert [line["text"] for line in lines] == [LOGGED]


def test_a_log_is_searched(trainyard, finished):
    assert "good" in trainyard("logs", finished, "--find", "GOOD", "--level", "info").stdout
    assert trainyard("logs", finished, "--level", "error").stdout == ""
    assert trainyard("logs", finished, "--find", "nowhere").stdout == ""


def test_a_run_is_shown_with_what_was_measured_and_why_it_ended(trainyard, database, claimant):
    trainyard("submit", "--data.validation", "0.1")
    lease = claim.claim(database, claimant, 30)
    recorder = Recorder(database, lease, 30)
    recorder.record(started())
    recorder.record(epoch_end(validation_loss=0.3141, validation_accuracy=0.9271))
    recorder.flush()
    endings.succeed(database, lease, "c" * 64, [], plain("Ended early: time limit of 5 s reached."))

    output = trainyard("show", "1").stdout

    for words in ("limit of 5 s reached", "VALIDATION LOSS", "0.3141", "92.71%", "412 MB", "0.75"):
        assert words in output


def test_what_no_epoch_has_takes_no_column(trainyard, finished):
    assert "VALIDATION" not in trainyard("show", finished).stdout


def test_an_evaluation_is_shown_class_by_class_with_the_most_common_confusions(trainyard, finished):
    output = trainyard("evaluation", finished).stdout

    assert output.startswith("20 test images, accuracy 85.00%, loss 0.4321")
    assert "It is as confident as it is right, within chance: sure" in output
    table = [line.split()[:4] for line in output.splitlines() if "%" in line and ":" not in line]
    assert table[1:] == [
        ["cat", "80.00%", "75.00%", "77.40%"],
        ["dog", "80.00%", "75.00%", "77.40%"],
        ["cat", "dog", "2", "20.00%"],
        ["dog", "cat", "1", "10.00%"],
    ]


def test_the_coach_is_asked_about_a_run(trainyard, finished):
    assert "The coach sees nothing to improve" in trainyard("advice", finished).stdout
    assert json.loads(trainyard("advice", finished, "--json").stdout) == {"items": []}


def test_an_evaluation_is_written_as_json_and_whole(trainyard, finished):
    answer = json.loads(trainyard("evaluation", finished, "--json").stdout)

    assert answer == {"attempt": 1, **evaluated().content}


def test_a_run_that_was_not_evaluated_says_so(trainyard):
    trainyard("submit")

    result = trainyard("evaluation", "1")

    assert result.exit_code == 1
    assert "has no evaluation" in result.stderr


def test_control_characters_of_a_log_do_not_reach_the_terminal(trainyard, finished):
    output = trainyard("logs", finished).output

    assert "good" in output
    assert "\x1b" not in output


def test_a_download_is_whole_and_named(trainyard, finished, tmp_path):
    result = trainyard("download", finished, "-o", str(tmp_path))

    assert result.exit_code == 0, result.output
    assert (tmp_path / f"run-{finished}-mnist-cnn.pt").read_bytes() == CONTENT


def test_a_download_can_be_given_a_name_and_replaces_what_has_it(trainyard, finished, tmp_path):
    target = tmp_path / "mine.pt"
    target.write_text("old")

    assert trainyard("download", finished, "-o", str(target)).exit_code == 0

    assert target.read_bytes() == CONTENT
    assert hashlib.sha256(CONTENT).hexdigest() in trainyard(
        "download", finished, "-o", str(target)
    ).output.replace("\n", "")


def test_a_format_that_a_run_does_not_have_is_refused_with_those_it_has(trainyard, finished):
    result = trainyard("download", finished, "--format", "onnx")

    assert result.exit_code == 1
    assert "no onnx file; it has: pt" in result.stderr


@pytest.mark.parametrize("place", ["no/such/folder/m.pt", "a file/m.pt"])
def test_a_place_that_cannot_be_written_is_said_in_a_sentence(trainyard, finished, tmp_path, place):
    (tmp_path / "a file").write_text("")

    result = trainyard("download", finished, "-o", str(tmp_path / place))

    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_a_download_without_its_blob_is_refused_and_leaves_no_file(trainyard, finished, tmp_path):
    shutil.rmtree(tmp_path / "storage")
    target = tmp_path / "target"
    target.mkdir()

    result = trainyard("download", finished, "-o", str(target))

    assert result.exit_code == 1
    assert "no blob" in result.stderr
    assert list(target.iterdir()) == []


def test_a_damaged_download_is_refused_and_leaves_no_file(trainyard, finished, tmp_path):
    for blob in (tmp_path / "storage").rglob("*"):
        if blob.is_file():
            blob.write_bytes(b"x" * len(CONTENT))
    target = tmp_path / "target"
    target.mkdir()

    result = trainyard("download", finished, "-o", str(target))

    assert result.exit_code == 1
    assert "damaged" in result.stderr
    assert list(target.iterdir()) == []


def test_a_run_without_a_file_says_so(trainyard):
    trainyard("submit", "--preset", "quick")

    result = trainyard("download", "1")

    assert result.exit_code == 1
    assert "is queued and has no file" in result.stderr


def test_a_run_begins_with_the_weights_of_another(trainyard, finished):
    refused = trainyard("submit", "--preset", "quick", "--weights-from", "99")
    made = trainyard("submit", "--preset", "quick", "--weights-from", finished)

    assert refused.exit_code == 2
    assert "weights_from: there is no run 99" in refused.stderr
    assert made.exit_code == 0, made.output
    assert f"the weights of run {finished}" in trainyard("show", "2").stdout
