"""The datasets, from the terminal."""

from __future__ import annotations

import json

from core.datasets.builtin import DATASETS


def test_the_datasets_are_listed_with_what_is_here(trainyard, tmp_path):
    (tmp_path / "terminal" / "data" / DATASETS["digits"].folder).mkdir(parents=True)

    datasets = json.loads(trainyard("data", "list", "--json").stdout)
    table = trainyard("data", "list").stdout

    assert [dataset["name"] for dataset in datasets] == list(DATASETS)
    assert [dataset["name"] for dataset in datasets if dataset["is_here"]] == ["digits"]
    assert "Fashion-MNIST" in table
    assert "60,000" in table
