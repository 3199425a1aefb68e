"""What a spec looks like, at the terminal."""

from __future__ import annotations

import io
import json
import threading

from PIL import Image

from core import previews
from core.datasets.builtin import DATASETS
from tests.services import wait_until


def test_a_network_is_shown_block_by_block_with_its_sums(trainyard):
    shown = trainyard("network", "--preset", "tutorial", "--set", "model.channels=8,16")

    assert shown.exit_code == 0, shown.output
    found = json.loads(
        trainyard(
            "network", "--preset", "tutorial", "--set", "model.channels=8,16", "--json"
        ).stdout
    )
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["BLOCK", "OUT", "PARAMETERS", "MACS"]
    assert len(lines) == len(found["blocks"]) + 2
    assert lines[-1].split()[0] == "total"
    assert sum(each["parameters"] for each in found["blocks"]) == found["parameters"]


def test_a_wrong_field_is_named(trainyard):
    refused = trainyard("network", "--set", "model.channels=0")

    assert refused.exit_code == 2
    assert "model.channels" in refused.stderr


def test_a_picture_of_augmented_images_is_saved_when_a_worker_has_drawn_it(
    trainyard, database, tmp_path
):
    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")

    def draw():
        taken = []
        wait_until(
            lambda: taken.append(previews.take(database, DATASETS)) or taken[-1], "asked for"
        )
        previews.finish(database, taken[-1][0], picture.getvalue())

    worker = threading.Thread(target=draw)
    worker.start()
    result = trainyard("preview", "--preset", "best", "-o", str(tmp_path / "seen.png"))
    worker.join()

    assert result.exit_code == 0, result.output
    assert (tmp_path / "seen.png").read_bytes() == picture.getvalue()
    assert result.stderr.count("\n") <= 2, "why it waits is said once"
