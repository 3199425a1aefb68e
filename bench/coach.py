"""How often the coach is right: `python -m bench.coach`, or `make bench-coach`.

Reads the curves of the runs in `tests/core/coach/runs/`, which `bench/coached.py` made, and counts
for each rule how often it speaks where it is to, and how often where it is not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime

from tests.core.coach.recorded import Recorded, recorded


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="Show what is said of each run.")
    chosen = parser.parse_args()
    runs = list(recorded().values())
    if chosen.all:
        for each in runs:
            print(_line(each))
    for held_out in (False, True):
        part = [each for each in runs if each.name.startswith("held-") == held_out]
        if part:
            _show(part, "made after the rules were written" if held_out else "written by")


def _line(each: Recorded) -> str:
    spoken = each.spoken()
    verdict = "ok" if each.truth <= spoken and spoken <= each.truth | each.tolerated else "WRONG"
    return f"{verdict:6}{each.name}: {sorted(each.truth)} -> {sorted(spoken)}"


def _show(runs: list[Recorded], title: str) -> None:
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for each in runs:
        spoken = each.spoken()
        right.update(spoken & each.truth)
        wrong.update(spoken - each.truth - each.tolerated)
        missed.update(each.truth - spoken)
    rules = sorted({*right, *wrong, *missed})
    good = [each for each in runs if not each.truth]
    silent = sum(not each.spoken() for each in good)
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {len(runs)} runs ({title})\n")
    print("| rule | right | wrong | missed | precision | recall |")
    print("|---|--:|--:|--:|--:|--:|")
    for rule in rules:
        print(_row(rule, right[rule], wrong[rule], missed[rule]))
    print(_row("all", right.total(), wrong.total(), missed.total()))
    print(f"\nSilent on {silent} of {len(good)} good runs.")


def _row(rule: str, right: int, wrong: int, missed: int) -> str:
    return (
        f"| {rule} | {right} | {wrong} | {missed} | {_share(right, right + wrong)} | "
        f"{_share(right, right + missed)} |"
    )


def _share(count: int, of: int) -> str:
    return f"{count} of {of}"


if __name__ == "__main__":
    main()
