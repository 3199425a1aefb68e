"""Several runs are submitted at once: all of them or none, and once by a key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from core.database.models import JobEvent, JobTag, JobValue
from tests.core.conftest import lose_the_answer_to_the_next_commit
from tests.webui.api.conftest import count, errors
from webui.context import of

RUNS = [
    {"name": f"run {number}", "preset": "quick", "spec": {"seed": number}, "tags": ["sweep"]}
    for number in range(5)
]
KEYED = {"Idempotency-Key": "night"}


def submit(client, runs, **headers):
    return client.post("/api/v1/jobs/bulk", json={"jobs": runs}, headers=headers)


def test_all_are_queued_in_their_order_with_all_of_their_rows(client, database):
    answer = submit(client, RUNS)

    assert answer.status_code == 201
    ids = answer.json["ids"]
    assert ids == sorted(ids)
    found = [client.get(f"/api/v1/jobs/{job_id}").json for job_id in ids]
    assert [each["name"] for each in found] == [each["name"] for each in RUNS]
    assert [each["spec"]["seed"] for each in found] == list(range(5))
    with database.reading() as session:
        history = session.scalars(select(JobEvent.job_id).order_by(JobEvent.id)).all()
        assert history == ids
        assert set(session.scalars(select(JobTag.job_id))) == set(ids)
        assert set(session.scalars(select(JobValue.job_id))) == set(ids)


def test_each_run_may_be_private_and_is_where_the_one_that_it_is_a_copy_of_is(client):
    parents = submit(client, [{"name": "open"}, {"name": "closed", "private": True}]).json["ids"]
    open_one, closed = parents

    ids = submit(
        client,
        [
            {"name": "a", "cloned_from": open_one},
            {"name": "b", "cloned_from": closed},
            {"name": "c", "cloned_from": closed, "private": False},
            {"name": "d", "cloned_from": 999},
            {"name": "e"},
        ],
    ).json["ids"]

    found = [client.get(f"/api/v1/jobs/{job_id}").json for job_id in ids]
    assert [each["private"] for each in found] == [False, True, False, False, False]
    assert [each["cloned_from"] for each in found] == [open_one, closed, closed, None, None]


def test_all_are_counted_against_the_limit_of_who_waits(client):
    client.put("/api/v1/limits", json={"most_queued": len(RUNS)})

    assert submit(client, [*RUNS, RUNS[0]]).json["code"] == "limit.queued"
    assert count(client) == 0
    assert submit(client, RUNS, **KEYED).status_code == 201
    assert submit(client, RUNS, **KEYED).status_code == 201  # nothing more is queued
    assert submit(client, RUNS[:1]).status_code == 409


def test_one_wrong_run_keeps_all_from_the_queue_and_each_wrong_field_is_named(client):
    wrong = [
        *RUNS,
        {"name": "", "spec": {"optimizer": {"kind": "sgd", "momentum": 2}}},
        {"name": "x", "seeds": [1], "spec": {"epochs": 0}},
    ]

    answer = submit(client, wrong)

    assert answer.status_code == 422
    assert set(errors(answer)) == {
        "jobs.5.name",
        "jobs.5.optimizer.momentum",
        "jobs.6.seeds",
        "jobs.6.epochs",
    }
    assert count(client) == 0


@pytest.mark.parametrize("body", [{}, {"jobs": []}, {"jobs": 7}, {"jobs": [7]}, {"jobs": None}])
def test_what_is_no_list_of_runs_is_refused(client, body):
    assert client.post("/api/v1/jobs/bulk", json=body).status_code == 422


def test_more_than_a_thousand_are_refused(client):
    answer = submit(client, [{"name": "x"}] * 1001)

    assert set(errors(answer)) == {"jobs"}


def test_the_same_key_again_queues_nothing_and_answers_alike(client):
    first = submit(client, RUNS, **KEYED)
    again = submit(client, RUNS, **KEYED)
    other = submit(client, RUNS[:2], **KEYED)

    assert again.json == first.json
    assert other.status_code == 422
    assert count(client) == len(RUNS)


def test_the_key_of_a_bulk_submit_is_none_of_a_single_one(client):
    client.post("/api/v1/jobs", json=RUNS[0], headers=KEYED)

    assert submit(client, RUNS, **KEYED).status_code == 201
    assert count(client) == len(RUNS) + 1


def test_the_same_key_at_the_same_time_is_the_same_runs(app, client):
    def ask(_number):
        return submit(app.test_client(), RUNS, **KEYED)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({tuple(answer.json["ids"]) for answer in answers}) == 1
    assert count(client) == len(RUNS)


@pytest.mark.parametrize(
    ("path", "body", "runs"),
    [
        ("/api/v1/jobs/bulk", {"jobs": RUNS}, len(RUNS)),
        ("/api/v1/jobs", RUNS[0], 1),
        ("/api/v1/jobs", {"name": "seeded", "seeds": "0-2"}, 3),
    ],
)
def test_a_submit_whose_answer_was_lost_is_found_by_its_key(app, client, path, body, runs):
    lose_the_answer_to_the_next_commit(of(app).database)

    first = client.post(path, json=body, headers=KEYED)
    again = client.post(path, json=body, headers=KEYED)

    assert (first.status_code, again.status_code) == (503, 201)
    assert count(client) == runs
