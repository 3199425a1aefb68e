"""The evaluation for the terminal."""

from rich.console import Console

from cli.render.evaluation import confusions, evaluation
from tests.reported import evaluated


def test_it_is_said_how_sure_the_network_is(capsys):
    evaluation(Console(width=200), evaluated().content | {"count": 2000})

    text = capsys.readouterr().out
    assert "It is overconfident: sure of 90.00% of what it says, and right in 85.00%." in text


def test_the_commonest_confusions_come_first_and_only_so_many():
    content = {
        "classes": [{"name": name} for name in "abc"],
        "confusion": [[5, 1, 0], [0, 9, 3], [2, 2, 6]],
    }

    assert confusions(content, most=3) == [
        ("b", "c", 3, 0.25),
        ("c", "a", 2, 0.2),
        ("c", "b", 2, 0.2),
    ]
