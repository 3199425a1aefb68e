"""The field's words everywhere: nothing is called any more what earlier releases called it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

EARLIER_WORDS = {
    r"resume[ _-]points?|ResumePoint": "snapshot",
    r"\bdoorbells?\b|\bDoorbell\b|\brung\b|\brung_at\b|\bunheard\b": "notifier, notify",
    r"\b[Oo]utlook\b": "poll, PollResult",
    r"\b(heed|heeds|heeded|_heed_wishes)\b|\bwish(es)?\b": "desired state, apply",
    r"\bYard\b|\byard\.": "WorkerContext",
    r"\b(bury|buries|buried|burial|strike)\b|\bdie_with\b|\b_?Dead\b": "reap, kill, bind_lifetime",
    r"\badd_up\b|\bAlone\b|\bKeepsakes\b": "all_reduce, SingleProcess, SnapshotExtras",
    r"[Dd]ata[ _]sets?(\b|_)": "dataset",
    r"\blicen[c]e[ds]?\b|\bcolours?\b|\bnormalis|\bneighbour": "American English",
    r"\bfrom[_-]nothing\b|(Retry|again) from nothing": "from scratch",
    r"\b(begins?|began|begun) anew\b|\banew\b": "starts over, again",
    r"\baccumulation\b|\bmix_alpha\b": "micro_batches, mixup_alpha",
    r"\bseen_at\b|\bheard_at\b": "last_heartbeat_at",
    r"\bmultiply-adds\b": "MACs",
    r"\bto be mended\b|Put it into the queue|Work it out again|yard is empty": "the pages' words",
    r"\bjudgement\b|\bJudgement\b": "evaluation",
    r"\bJournal\b|\bjournal\b": "Recorder",
    r"\b(told|said|heard|judged)\b *=[^=]|\.(told|said|heard|judged)\b[^ ]": "a noun for a name",
    r"\breadings\b|= \"reading\"|\bpoint\.(step|epoch|batch|blob|size)\b|\bpoint: [A-Z]"
    r"|\b_point\b|\[point\]"
    r"|\b([Tt]he|[Tt]his|newest|same) point (before|of a run)\b": "metric sample, snapshot",
    r"(?<!standard )\bdeviations?\b|(?<![Ll]abel[ _])(?<!-)\bsmoothing\b": "std, alpha",
    r"\b(go|goes|going|gone|went) on\b": "resumes, continues",
    r"\bclass by class\b|\bmultiply-adds\b|\bsurest\b|\bhow sure\b": "the words of an evaluation",
    r"\b(Took|Presence|Queueing)\b|[>\"]Ended[<\"]": "Duration, Finished, Status, Scheduling",
    r"\b[Mm]end(s|ed|ing)?\b|\b[Cc]atalogue": "fix, catalog",
    r"\bnot bettered\b|s were up\b|\bno part of this question\b": "the words of a message",
}
"""Earlier words, and those of today."""

PLACES = (
    "core",
    "worker",
    "webui",
    "cli",
    "trainyard",
    "migrations/env.py",
    "scripts",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    "Dockerfile",
    "docker-compose.yml",
    "pyproject.toml",
    ".env.example",
    "bench",
    "tests",
)

RECORDS = {
    "bench/RESULTS.md": "records what was measured, in the words of the day",
    "docs/decisions/000": "a record of what was decided then",
    "docs/decisions/0010-snapshots.md": "a record of what was decided then",
    "docs/decisions/0011-the-engine.md": "a record of what was decided then",
    "tests/test_vocabulary.py": "lists the earlier words",
    "tests/upgrade/fixtures": "data of earlier releases, as they wrote it",
    "tests/upgrade/make_fixtures.py": "calls earlier releases by their names",
}
"""Files that are not read, by how their names begin, and why."""

STILL_WRITTEN = {
    "core/spec/migrate.py": (r"accumulation|mix_alpha|smoothing", "reads specs of 0.1"),
    "docs/decisions/0012-rooms.md": (r"`deviation`", "names the buffer of published files"),
    "docs/reference/api.md": (r"resume_point|seen_at", "lists which earlier names are answered"),
    "webui/api/shapes/jobs.py": (r"resume_point", "answers earlier names for one release"),
    "webui/api/shapes/workers.py": (r"seen_at", "answers earlier names for one release"),
    "webui/actions/options.py": (r"from_nothing", "takes what terminals of 0.1 send"),
    "worker/training/model/network.py": (
        r"deviation: Tensor|\"deviation\"|self\.deviation",
        "a buffer whose name is in every published file",
    ),
    "cli/commands/control.py": (r"from[-_]nothing", "takes --from-nothing, hidden"),
    "tests/cli/test_main.py": (r"--from-nothing", "runs it"),
    "tests/core/database/test_migrations.py": (r"rung_at", "fills a table of 0.1"),
    "tests/core/spec/test_facts.py": (r"accumulation", "reads a spec of 0.1"),
    "tests/core/spec/test_fields.py": (
        r"accumulation|mix_alpha|\.smoothing",
        "reads a form of 0.1",
    ),
    "tests/core/spec/test_migrate.py": (
        r"accumulation|mix_alpha",
        "reads specs of 0.1",
    ),
    "tests/trainyard/test_checkpoint.py": (r"accumulation", "reads a checkpoint of 0.1"),
    "tests/upgrade/test_upgrade.py": (
        r"resume_points|accumulation",
        "compares with what 0.1 answered",
    ),
    "tests/webui/api/test_jobs.py": (r"resume_point", "asks for earlier names"),
    "tests/webui/forms/test_forms.py": (r"accumulation|\.smoothing", "reads a form of 0.1"),
    "tests/worker/training/run/test_snapshot_file.py": (
        r"accumulation",
        "reads a snapshot of 0.1",
    ),
}
"""Files that must name what earlier releases wrote: these names and no other, and why."""


def _texts() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PLACES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [
        name
        for name in listed.stdout.split("\0")
        if name
        and (ROOT / name).is_file()
        and not name.endswith((".png", ".svg", ".lock", "package-lock.json"))
        and not name.startswith(tuple(RECORDS))
    ]


def _lines(name: str) -> list[str]:
    """The lines of a file, without the earlier names that it must write."""
    text = (ROOT / name).read_text()
    if name in STILL_WRITTEN:
        text = re.sub(STILL_WRITTEN[name][0], "", text)
    return text.splitlines()


@pytest.mark.parametrize("words", EARLIER_WORDS, ids=EARLIER_WORDS.values())
def test_an_earlier_word_is_used_nowhere(words):
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in _texts()
        for number, line in enumerate(_lines(name), 1)
        if re.search(words, line)
    ]

    assert found == [], f"use {EARLIER_WORDS[words]}"


@pytest.mark.parametrize("start", RECORDS)
def test_a_record_is_there(start):
    folder, name = (ROOT / start).parent, (ROOT / start).name
    assert [path for path in folder.iterdir() if path.name.startswith(name)]


@pytest.mark.parametrize("name", STILL_WRITTEN)
def test_an_earlier_name_that_a_file_may_write_is_in_it(name):
    for word in STILL_WRITTEN[name][0].split("|"):
        assert re.search(word, (ROOT / name).read_text()), word
