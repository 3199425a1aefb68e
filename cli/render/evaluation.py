"""The evaluation of a run on its test set, for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from cli.render.text import table
from core import formats
from core.statistics import confidence_kind

JSON = dict[str, Any]

_KINDS = {
    "over": "overconfident",
    "right": "as confident as it is right, within chance",
    "under": "not overconfident",
}


def evaluation(console: Console, content: JSON) -> None:
    """The test-set evaluation of a run: its scores for each class, and what it confuses most."""
    calibration = content["calibration"]["expected_calibration_error"]
    console.print(
        f"{formats.whole(content['count'])} test images, accuracy "
        f"{formats.percent(content['accuracy'])}, loss {formats.number(content['loss'])}, "
        f"expected calibration error {formats.number(calibration)}",
        highlight=False,
        soft_wrap=True,
    )
    console.print()
    console.print(
        table(
            ("CLASS", "PRECISION", "RECALL", "F1", "IMAGES"),
            (
                (
                    each["name"],
                    *(formats.percent(each[key]) for key in ("precision", "recall", "f1")),
                    each["support"],
                )
                for each in content["classes"]
            ),
        )
    )
    console.print()
    console.print(_confidence(content), highlight=False, soft_wrap=True)
    confused = confusions(content)
    if confused:
        console.print()
        console.print(
            table(
                ("TRUE", "PREDICTED", "IMAGES", "OF CLASS"),
                ((*names, count, formats.percent(part)) for *names, count, part in confused),
            )
        )


def _confidence(content: JSON) -> str:
    """How sure the network is on average, beside how often it is right."""
    bins = [each for each in content["calibration"]["bins"] if each["count"]]
    count = sum(each["count"] for each in bins) or 1
    confidence = sum(each["confidence"] * each["count"] for each in bins) / count
    kind = confidence_kind(confidence, content["accuracy"], content["count"] or 1)
    return (
        f"It is {_KINDS[kind]}: sure of {formats.percent(confidence)} of what it says, and right "
        f"in {formats.percent(content['accuracy'])}."
    )


def confusions(content: JSON, most: int = 10) -> list[tuple[str, str, int, float]]:
    """The most frequent confusions: true class, predicted class, images, part of the true class."""
    names = [each["name"] for each in content["classes"]]
    found = [
        (names[true], names[predicted], count, count / sum(row))
        for true, row in enumerate(content["confusion"])
        for predicted, count in enumerate(row)
        if count and predicted != true
    ]
    return sorted(found, key=lambda each: -each[2])[:most]
