"""Runs for several seeds, from the terminal."""

import json


def test_a_submit_for_several_seeds_says_where_their_list_is(trainyard, server_url):
    answer = trainyard("submit", "--preset", "quick", "--name", "wide", "--seeds", "0-2")

    assert answer.exit_code == 0, answer.output
    assert answer.output == f"runs 1 to 3 are queued: {server_url}/?tag=seeds-1\n"
    listed = json.loads(trainyard("jobs", "--json").output)
    jobs = listed["items"] if isinstance(listed, dict) else listed
    assert sorted(job["name"] for job in jobs) == [f"wide (seed {seed})" for seed in (0, 1, 2)]


def test_one_run_is_followed_at_a_time(trainyard):
    answer = trainyard("submit", "--seeds", "0-2", "--follow")

    assert answer.exit_code != 0
    assert "--follow shows one run" in answer.output
