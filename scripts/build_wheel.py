"""What building the wheel needs besides setuptools' own steps; pyproject.toml names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from setuptools.command.build_py import build_py
from setuptools.errors import FileError

STATIC = Path("webui/static")


class BuildPy(build_py):  # type: ignore[misc]  # setuptools tells no types
    """Builds from the present files alone, and only where the front-end libraries are there."""

    def run(self) -> None:
        if not self.editable_mode:
            missing = missing_libraries(STATIC)
            if missing:
                raise FileError(
                    f"The front-end libraries {', '.join(missing)} are not in {STATIC}/node_modules"
                    ", and a wheel without them has no curves. Build it by `make wheel`, which "
                    "fetches them first."
                )
            # a file that was moved since the build before would be packed at its old place too
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


def missing_libraries(static: Path) -> list[str]:
    """The libraries that package.json names and npm has not fetched.

    Args:
        static: the folder of package.json.
    """
    wanted = json.loads((static / "package.json").read_text())["dependencies"]
    return [name for name in wanted if not (static / "node_modules" / name / "dist").is_dir()]
