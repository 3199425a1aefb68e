"""The wheel tried for real: install it where nothing else is, train, look at a page.

    python tests/deploy/wheel_run.py dist/trainyard-*.whl

Makes a virtualenv and a home folder of their own, far from the repository, installs the wheel with
its extras by pip alone, runs `trainyard demo`, then brings `trainyard up` up and follows every
script, style sheet and import of the demo's page. Everything is removed, whatever happens.

Takes some minutes and a few GB of disk: torch is installed again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx

from cli.stack.endpoint import find_running

EXTRAS = "worker,embedded"
LEAST_ACCURACY = 98.7
"""Of the demo's network on the test set, in per cent."""

# bounds of the steps, in seconds
INSTALL_S = 1800
DEMO_S = 900
READY_S = 120
STOP_S = 60

_ASSET = re.compile(r"""(?:<script[^>]*\ssrc|<link[^>]*\shref)=["']([^"'#]+)["']""")
_IMPORT = re.compile(r"""^(?:import|export)\b[^;"']*?["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)


class Failed(Exception):
    """What did not happen, in a sentence."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A virtualenv with the wheel in it, and a home folder beside it."""

    folder: Path

    @property
    def program(self) -> str:
        return str(self.folder / "venv" / "bin" / "trainyard")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """That of a person who has never seen Trainyard: no setting, no path to the sources."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TRAINYARD_", "PYTHON", "VIRTUAL_ENV"))
        }
        return kept | {"TRAINYARD_HOME": str(self.home)}

    def run(self, *command: str, timeout: float) -> str:
        """Run a program to its end, and return what it printed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    @contextmanager
    def up(self) -> Iterator[str]:
        """The stack, up; the address of its dashboard."""
        process = subprocess.Popen(
            [self.program, "up"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield self._wait_for_address(process)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_S)
            finally:
                process.kill()

    def _wait_for_address(self, process: subprocess.Popen[bytes]) -> str:
        """The address, once the stack has written down that it is up."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise Failed(f"`trainyard up` ended with {process.returncode}")
            if running := find_running(self.home):
                return running.url
            time.sleep(0.2)
        raise Failed(f"`trainyard up` is not up within {READY_S} s")


def install(wheel: Path, folder: Path) -> Installation:
    """A fresh virtualenv with the wheel and all that it needs."""
    venv.create(folder / "venv", with_pip=True)
    installation = Installation(folder)
    pip = str(folder / "venv" / "bin" / "pip")
    installation.run(pip, "install", "--quiet", f"{wheel}[{EXTRAS}]", timeout=INSTALL_S)
    return installation


def check_demo(installation: Installation) -> float:
    """Train the demo, and return its accuracy in per cent."""
    output = installation.run(installation.program, "demo", timeout=DEMO_S)
    accuracy = re.search(r"test accuracy\s+([\d.]+)\s?%", output)
    if not accuracy:
        raise Failed(f"the demo shows no accuracy:\n{output}")
    if float(accuracy[1]) < LEAST_ACCURACY:
        raise Failed(f"the demo's accuracy is {accuracy[1]}%, less than {LEAST_ACCURACY}%")
    return float(accuracy[1])


def check_page(url: str, path: str) -> list[str]:
    """Fetch a page and, one after the other, all that it and its scripts load.

    Returns:
        The paths that it loads.

    Raises:
        Failed: one of them is not there, or the front-end libraries are not among them.
    """
    with httpx.Client(base_url=url, trust_env=False, timeout=15) as http:
        left = [urljoin(path, found) for found in _ASSET.findall(fetch(http, path))]
        seen: list[str] = []
        while left:
            asset = left.pop()
            if asset in seen:
                continue
            seen.append(asset)
            text = fetch(http, asset)
            if ".js" in asset:
                left += [urljoin(asset, found) for found in _IMPORT.findall(text)]
    if not any(".esm.js" in asset for asset in seen):
        raise Failed(f"{path} loads no front-end library, only {', '.join(seen)}")
    return sorted(seen)


def fetch(http: httpx.Client, path: str) -> str:
    """What a path answers with."""
    answer = http.get(path)
    if not answer.is_success:
        raise Failed(f"{path} answers {answer.status_code}")
    return answer.text


def main(wheel: Path) -> None:
    """Try the wheel, and clean up."""
    # what has been made must also go when we are told to stop
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="trainyard-wheel-") as folder:
        print(f"installing {wheel.name} with {EXTRAS} …", flush=True)
        installation = install(wheel.absolute(), Path(folder))
        print("training the demo …", flush=True)
        accuracy = check_demo(installation)
        print("looking at its page …", flush=True)
        with installation.up() as url:
            assets = check_page(url, "/jobs/1")
    print(
        f"\nthe demo's test accuracy is {accuracy}%; its page loads {len(assets)} files, all there"
    )


if __name__ == "__main__":
    try:
        [given] = sys.argv[1:]
        main(Path(given))
    except (Failed, subprocess.SubprocessError, httpx.HTTPError) as error:
        sys.exit(f"failed: {error}")
