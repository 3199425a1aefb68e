"""The rule on the data: errors so confident, and so scattered, that the labels are suspect.

A network confuses what looks alike: most of its errors lie in a few pairs of classes. A label that
is wrong by chance makes an "error" of a prediction that is right, in any pair, and the network is
as sure of it as of its other predictions. Labels that were confused because the images look alike
cannot be told from hard images in this way, and are not spoken of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from core.coach.advice import Advice, Errors, advice
from core.coach.run import Run

CONFIDENT = 0.9
FEWEST = 8
"""Confident errors: of fewer it cannot be seen whether they are scattered."""
MOSTLY = 0.4
"""Share of all errors that are confident."""
IN_ONE_PAIR = 0.25
"""Share of the confident errors in their most frequent pair of classes: more is a confusion."""
SPREAD = 0.6
"""Pairs of classes among the confident errors, to their number: hard images gather in few."""
LEARNED = 0.75
"""Accuracy below which the errors are the network's own."""
SHOWN = 8


def labels(run: Run) -> Advice | None:
    """Many errors are as confident as right answers, and lie in no pairs of classes."""
    content = run.evaluation
    if content is None or content["accuracy"] < LEARNED:
        return None
    confident = [each for each in content["mistakes"] if each["confidence"] >= CONFIDENT]
    errors = round((1 - content["accuracy"]) * content["count"])
    if len(confident) < max(FEWEST, MOSTLY * min(errors, len(content["mistakes"]))):
        return None
    pairs = Counter(_pair(each) for each in confident)
    [(_, most)] = pairs.most_common(1)
    if most > max(2, IN_ONE_PAIR * len(confident)) or len(pairs) < SPREAD * len(confident):
        return None
    return advice(
        "labels",
        Errors([each["index"] for each in confident[:SHOWN]]),
        {"count": len(confident), "errors": errors, "images": content["count"],
         "confidence": CONFIDENT},
        {},
        {},
    )  # fmt: skip


def _pair(mistake: Mapping[str, Any]) -> tuple[int, int]:
    return min(mistake["label"], mistake["predicted"]), max(mistake["label"], mistake["predicted"])
