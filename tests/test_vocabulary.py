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
}
"""Earlier words, and those of today."""

PLACES = (
    "core",
    "worker",
    "webui",
    "cli",
    "trainyard",
    "migrations/env.py",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    "docker-compose.yml",
    ".env.example",
    "bench",
    "tests",
)

READS_THE_OLD = {
    "core/spec/migrate.py": "reads specs by their earlier names",
    "core/settings.py": "reads a variable by its earlier name",
    "bench/RESULTS.md": "records what was measured, in the words of the day",
    "docs/reference/api.md": "lists which earlier names are still answered",
    "webui/api/shapes": "answers earlier names for one release",
    "webui/actions.py": "takes from_nothing from terminals of version 0.1",
    "cli/commands/runs.py": "takes --from-nothing, hidden",
    "cli/render/tables.py": "reads answers of an earlier server",
    "docs/decisions": "a record of what was decided then",
    "tests/test_vocabulary.py": "lists the earlier words",
    "tests/upgrade": "data and programs of earlier releases, as they wrote them",
    "tests/cli/test_main.py": "runs --from-nothing",
    "tests/core/database/test_migrations.py": "fills a table of an earlier release",
    "tests/core/spec/test_facts.py": "reads a spec of an earlier release",
    "tests/core/spec/test_fields.py": "reads a form of an earlier release",
    "tests/core/spec/test_migrate.py": "reads specs by their earlier names",
    "tests/trainyard/test_checkpoint.py": "reads a checkpoint of an earlier release",
    "tests/webui/api/test_jobs.py": "earlier names are answered for one release",
    "tests/webui/forms/test_forms.py": "reads a form of an earlier release",
    "tests/worker/training/run/test_snapshot_file.py": "reads a snapshot of an earlier release",
}
"""Files that must name what earlier releases wrote, and why."""


def _texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PLACES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [
        ROOT / name
        for name in names
        if not name.endswith((".png", ".svg", ".lock", "package-lock.json"))
        and not name.startswith(tuple(READS_THE_OLD))
    ]


@pytest.mark.parametrize("words", EARLIER_WORDS, ids=EARLIER_WORDS.values())
def test_an_earlier_word_is_used_nowhere(words):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _texts()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(words, line)
    ]

    assert found == [], f"use {EARLIER_WORDS[words]}"


@pytest.mark.parametrize("name", READS_THE_OLD)
def test_a_file_that_reads_the_old_is_there(name):
    assert (ROOT / name).exists()
