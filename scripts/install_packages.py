"""Installs the packages of a lock, and shows how it gets on: install_packages.py LOCK.

pip has nothing between silence for ten minutes and hundreds of lines. This runs it and shows each
large package as it comes and how much has come in all; whatever is wrong pip says itself.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator

PIP = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
OPTIONS = ["--progress-bar", "off", "--require-hashes", "-r"]
FIRST_TIME = (
    "   This is done once. About 3 GB are fetched, most of it PyTorch with CUDA, and 6 GB are\n"
    "   written: some ten minutes, by the network. The next start fetches nothing."
)
LARGE_MB = 50.0
"""A package of more megabytes is named."""

_COMES = re.compile(r"\s*(?:Downloading|Using cached) (\S+?)-\d\S* \(([\d.]+) (\wB|bytes)\)")
_IN_MB = {"GB": 1000.0, "MB": 1.0}


def shown(lines: Iterable[str]) -> Iterator[str]:
    """What is worth seeing of what pip prints.

    Args:
        lines: its standard output, line by line.
    """
    count, fetched_mb = 0, 0.0
    for line in lines:
        if found := _COMES.match(line):
            name, size, unit = found.groups()
            size_mb = float(size) * _IN_MB.get(unit, 0.0)
            count += 1
            fetched_mb += size_mb
            if size_mb > LARGE_MB:
                yield f"   {name.replace('_', '-')}, {size} {unit}"
        elif line.startswith("Installing collected packages"):
            yield f"   {count} packages are here, {round(fetched_mb)} MB; they are being unpacked"


def main(lock: str) -> int:
    """Install a lock; the exit status is pip's."""
    if importlib.util.find_spec("torch") is None:
        print(FIRST_TIME, flush=True)
    with subprocess.Popen([*PIP, *OPTIONS, lock], stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None
        for line in shown(pip.stdout):
            print(line, flush=True)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
