"""The docs name what is there: files, and each other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(path for path in ROOT.glob("docs/**/*.md")),
]
PACKAGES = "trainyard|core|worker|webui|cli|migrations|tests|bench|docs|scripts|requirements"

# `core/spec/spec.py`, `worker/training/`, `core/jobs/lease.py guarded_update`
NAMED = re.compile(rf"`((?:{PACKAGES})/[\w./-]*)[^`]*`")
MADE = re.compile(r"tests/screenshots|node_modules|bench/out")  # by tools: not in the repository
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_path_that_a_page_names_is_there(page):
    named = set(NAMED.findall(page.read_text()))

    missing = {path for path in named if not (ROOT / path).exists() and not MADE.search(path)}
    assert missing == set()


def test_the_map_of_the_packages_names_every_file():
    text = (ROOT / "docs/explanation/architecture.md").read_text()
    rows = re.findall(r"^\| `([\w/]+)/` \| (.*) \|$", text, re.MULTILINE)
    named = {
        f"{package}/{file}" for package, files in rows for file in re.findall(r"\w+\.py", files)
    }

    there = {
        str(path.relative_to(ROOT))
        for package in ("core", "worker", "webui", "cli", "trainyard")
        for path in (ROOT / package).rglob("*.py")
        if "node_modules" not in path.parts and not path.name.startswith("__")
    }
    assert named == there


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_between_pages_leads_somewhere(page):
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_can_be_reached_from_the_front():
    seen, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = [page.parent / link for link in LINK.findall(page.read_text())]
        left += [each for each in targets if each.is_file()]
        left += [found for each in targets if each.is_dir() for found in each.glob("*.md")]

    assert {name_of(page) for page in PAGES if page.resolve() not in seen} <= {"CONTRIBUTING.md"}
