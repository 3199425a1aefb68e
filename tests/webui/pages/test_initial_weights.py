"""Runs that begin with the weights of another: from its page by the form, and by the API."""

from __future__ import annotations

from core.jobs import deletion, initial, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.initial import Initial
from core.spec.presets import resolve
from core.storage.blobs import Blob
from tests.webui.pages.conftest import get, post_run, token


def begin(database, source_id, **more):
    return lifecycle.submit(
        database,
        LOCAL_OWNER,
        name="heir",
        spec=resolve("quick", {}),
        weights_from=source_id,
        **more,
    )


def test_a_run_with_published_weights_leads_to_a_form_that_begins_with_them(client, succeeded):
    source = succeeded()

    page = get(client, f"/jobs/{source}")
    form = get(client, page.one("a", id="train-further").attributes["href"])

    assert form.one("input", name="weights_from").attributes["value"] == str(source)
    assert form.one("input", name="from").attributes["value"] == str(source)
    assert form.one("p", id="begins-with").text == f"It begins with the weights of run {source}."


def test_a_run_without_published_weights_does_not(client, submitted):
    assert not get(client, f"/jobs/{submitted().id}").all("a", id="train-further")


def test_the_form_queues_a_run_that_begins_with_them_and_both_pages_say_so(client, succeeded):
    source = succeeded("first")

    answer = post_run(client, name="heir", weights_from=str(source))

    heir = int(answer.location.rpartition("/")[2])
    assert client.get(f"/api/v1/jobs/{heir}").json["weights_from"] == source
    of_heir = get(client, f"/jobs/{heir}").one("section", aria_labelledby="lineage-title").text
    terms = [each.text for each in get(client, f"/jobs/{heir}/report").all("dt")]
    assert "Weights of run" in terms
    of_source = get(client, f"/jobs/{source}").one("section", aria_labelledby="lineage-title").text
    assert of_heir.startswith(f"Lineage Begins with the weights of #{source} first")
    assert of_source == f"Lineage Begin with its weights #{heir} heir queued"


def test_a_clone_of_it_begins_so_too(client, database, succeeded):
    source = succeeded()
    heir = begin(database, source)

    form = get(client, f"/jobs/new?from={heir.id}")

    assert form.one("input", name="weights_from").attributes["value"] == str(source)


def test_weights_that_do_not_fit_are_named_at_their_field_as_one_types_too(client, succeeded):
    source = succeeded()
    fields = {"weights_from": str(source), "model.cnn.channels": "4"}

    refused = post_run(client, name="x", **fields)
    sent = {"csrf_token": token(client), "preset": "quick", "name": "x", **fields}
    typed = client.post("/jobs/new?part=1", data=sent)

    sentence = f"the weights of run {source} are of another network: "
    assert refused.status_code == 422
    assert f"{sentence}model.channels" in refused.text
    assert sentence in typed.text


def test_a_list_of_runs_names_the_place_of_the_one_that_does_not_fit(client, succeeded):
    source = succeeded()
    runs = [
        {"name": "a", "preset": "quick", "weights_from": source},
        {"name": "b", "preset": "quick", "weights_from": 999},
    ]

    refused = client.post("/api/v1/jobs/bulk", json={"jobs": runs})
    taken = client.post("/api/v1/jobs/bulk", json={"jobs": runs[:1]})

    assert [each["field"] for each in refused.json["errors"]] == ["jobs.1.weights_from"]
    [made] = taken.json["ids"]
    assert client.get(f"/api/v1/jobs/{made}").json["weights_from"] == source


def test_a_key_by_which_a_run_with_other_weights_was_submitted_is_refused(client, succeeded):
    first, second = succeeded("first"), succeeded("second")
    headers = {"Idempotency-Key": "k"}

    def submit(source):
        body = {"name": "x", "preset": "quick"} | ({"weights_from": source} if source else {})
        return client.post("/api/v1/jobs", json=body, headers=headers)

    made, again, other, none = submit(first), submit(first), submit(second), submit(None)

    assert made.status_code == again.status_code == 201
    assert made.json["id"] == again.json["id"]
    assert (other.status_code, none.status_code) == (422, 422)
    assert other.json["errors"][0]["code"] == "input.key_of_another"


def test_the_same_key_answers_alike_though_the_weights_are_gone(client, database, succeeded):
    source = succeeded()
    headers = {"Idempotency-Key": "k"}
    one = {"name": "x", "preset": "quick", "weights_from": source}
    bulk = {"jobs": [one, one | {"name": "y"}]}
    first = [
        client.post(f"/api/v1{path}", json=body, headers=headers)
        for path, body in (("/jobs", one), ("/jobs/bulk", bulk))
    ]
    deletion.delete(database, source, LOCAL_OWNER, 3600)

    again = [
        client.post(f"/api/v1{path}", json=body, headers=headers)
        for path, body in (("/jobs", one), ("/jobs/bulk", bulk))
    ]

    assert [each.status_code for each in (*first, *again)] == [201] * 4
    assert again[0].json["id"] == first[0].json["id"]
    assert again[1].json == first[1].json


def test_what_it_came_to_is_no_experience_with_its_preset(client, database, succeeded):
    source = succeeded()
    with database.writing() as session:
        initial.add(session, {source: Initial(source, 1, Blob("ab" * 32, 7))})

    assert "98.76%" not in get(client, "/jobs/new").text


def test_the_commands_beside_the_form_say_so(client, succeeded):
    source = succeeded()

    page = get(client, f"/jobs/new?preset=quick&weights_from={source}")

    assert f"--weights-from={source}" in page.text
