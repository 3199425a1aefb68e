"""Versions of packages."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from core import versions

ROOT = Path(__file__).parents[2]


def test_a_package_that_is_not_there_has_no_version():
    assert versions.of_package("no-such-package-anywhere") is None


def test_the_terminal_says_the_version_that_is_installed():
    output = subprocess.run(
        [sys.executable, "-m", "cli.main", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert output.stdout.split()[-1] == versions.own() == metadata.version("trainyard")


def test_one_file_alone_asks_for_versions():
    asking = {
        str(path.relative_to(ROOT))
        for part in ("core", "cli", "webui", "worker", "trainyard")
        for path in (ROOT / part).rglob("*.py")
        if "importlib.metadata" in path.read_text() or "import metadata" in path.read_text()
    }

    assert asking == {"core/versions.py"}
