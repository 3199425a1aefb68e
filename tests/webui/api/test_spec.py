"""The spec over the API: its schema, its presets, and the network that it describes."""

from __future__ import annotations

import json

import pytest

from core.datasets.builtin import DATASETS
from core.spec import spec
from core.spec.presets import PRESETS
from tests.webui.api.conftest import count, errors


def test_a_network_is_described_block_by_block_and_nothing_is_queued(client):
    answer = client.post(
        "/api/v1/network",
        json={"dataset": "digits", "model": {"kind": "mlp", "hidden": [32]}},
    )

    assert answer.status_code == 200
    assert (answer.json["parameters"], answer.json["multiply_adds"]) == (2410, 2368)
    assert answer.json["blocks"][1] == {
        "name": "Linear",
        "shape": [32],
        "parameters": 2080,
        "multiply_adds": 2048,
    }
    assert count(client) == 0


@pytest.mark.parametrize("body", [{}, {"dataset": "mnist"}, {"model": {"channels": [4]}}])
def test_fields_that_a_network_leaves_out_have_their_defaults(client, body):
    assert client.post("/api/v1/network", json=body).json["blocks"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"dataset": "mnits"}, {"dataset"}),
        ({"model": {"kind": "magic"}}, {"model.kind"}),
        ({"model": {"channels": ["x"]}}, {"model.channels.0"}),
        ({"model": []}, {"model"}),
        ({"model": {"hidden": [4]}}, {"model.hidden"}),
        ({"epochs": 3}, {"epochs"}),
        ([], {"body"}),
    ],
)
def test_a_wrong_network_is_422_naming_each_field(client, body, fields):
    response = client.post("/api/v1/network", json=body)

    assert response.status_code == 422
    assert set(errors(response)) == fields


def test_the_spec_has_its_schema_the_presets_and_the_datasets(client):
    body = client.get("/api/v1/spec").json

    assert "optimizer" in body["schema"]["properties"]
    assert [preset["name"] for preset in body["presets"]] == list(PRESETS)
    assert set(body["presets"][0]) == {"name", "title", "reason", "result", "spec"}
    datasets = {dataset["name"]: dataset for dataset in body["datasets"]}
    assert list(datasets) == list(DATASETS)
    assert datasets["digits"]["train_count"] == 1437
    for dataset in datasets.values():
        assert len(dataset["mean"]) == len(dataset["std"]) == dataset["channels"]
        assert dataset["license"]
        assert dataset["source"]


def test_what_can_be_asked_for_is_sent_field_by_field_in_its_order(client):
    answer = client.get("/api/v1/spec")

    assert list(answer.json) == ["schema", "presets", "datasets"]
    sent = json.dumps(spec.schema(), separators=(",", ":"))
    assert answer.text.startswith('{"schema":' + sent + ',"presets":[{"name":')
    assert list(answer.json["presets"][0]) == ["name", "title", "reason", "result", "spec"]
