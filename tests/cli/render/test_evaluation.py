"""The evaluation for the terminal."""

from cli.render.evaluation import confusions


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
