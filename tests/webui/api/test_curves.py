"""Curves in as many buckets as are asked for, of one run and of several."""

import pytest

from core.jobs.recorder import Recorder
from core.protocol.reports import Line, ResourceSample, StepMetricsBatch
from tests.reported import epoch_end, started
from tests.webui.api.conftest import errors, submitted

COUNT = 3000


@pytest.fixture
def long(database, lease):
    """The id of a run with many samples, epochs and lines."""
    recorder = Recorder(database, lease, 30)
    recorder.record(started(epochs=30, batches=100))
    steps = list(range(1, COUNT + 1))
    losses = [1 / step for step in steps]
    losses[1234] = 99.0
    recorder.record(
        StepMetricsBatch(
            step=steps,
            epoch=[(step - 1) // 100 + 1 for step in steps],
            batch=[(step - 1) % 100 + 1 for step in steps],
            train_loss=losses,
            learning_rate=[0.1] * COUNT,
            images_per_s=[1000.0 + step for step in steps],
            eta_s=1.0,
        )
    )
    for number in range(1, 31):
        recorder.record(epoch_end(epoch=number, step=100 * number, test_loss=1 / number))
        level = "warning" if number % 10 == 0 else "info"
        recorder.record(Line(text=f"Epoch {number}", level=level))
        recorder.record(ResourceSample(step=100 * number, cpu_cores=number, gpu_power_w=None))
    recorder.flush()
    return lease.job_id


def curve(client, path):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_curve_has_at_most_as_many_points_as_asked_for_and_its_extremes(client, long):
    for points in (1, 10, 400, 2000):
        found = curve(client, f"jobs/{long}/metrics?points={points}")

        assert (found["job_id"], found["by"]) == (long, "step")
        assert len(found["at"]) <= points
        assert sum(found["count"]) == COUNT
        assert found["at"][-1] == COUNT
        assert max(found["values"]["train_loss"]["max"]) == 99.0
        assert found["values"]["images_per_s"]["last"][-1] == 1000 + COUNT
        for statistics in found["values"].values():
            assert {len(each) for each in statistics.values()} == {len(found["at"])}


def test_a_part_of_a_curve_is_finer(client, long):
    found = curve(client, f"jobs/{long}/metrics?points=100&from=1201&to=1260&values=train_loss")

    assert found["at"] == list(range(1201, 1261))
    assert found["values"].keys() == {"train_loss"}
    assert found["values"]["train_loss"]["last"][34] == 99.0
    beyond = curve(client, f"jobs/{long}/metrics?points=5&from=999999")
    assert (beyond["at"], beyond["count"]) == ([], [])


def test_the_curve_of_the_epochs_has_what_they_measure(client, long):
    found = curve(client, f"jobs/{long}/epochs?points=10&values=test_loss,validation_loss")

    assert (found["by"], found["at"][-1], sum(found["count"])) == ("epoch", 30, 30)
    assert found["values"]["test_loss"]["max"][0] == 1.0
    assert set(found["values"]["validation_loss"]["last"]) == {None}


def test_several_runs_are_answered_at_once_in_their_order(client, long):
    other = submitted(client)

    found = curve(client, f"metrics?job={other}&job={long}&job={other}&points=7")["items"]

    assert [each["job_id"] for each in found] == [other, long]
    assert found[0]["at"] == []
    assert max(found[1]["values"]["train_loss"]["max"]) == 99.0


def test_rows_are_answered_as_before(client, long):
    for name in ("metrics", "points"):
        page = curve(client, f"jobs/{long}/{name}?limit=1&cursor=1234")
        assert page == {
            "items": [
                {
                    "step": 1235,
                    "epoch": 13,
                    "batch": 35,
                    "train_loss": 99.0,
                    "learning_rate": 0.1,
                    "images_per_s": 2235.0,
                }
            ],
            "next": "1235",
        }


@pytest.mark.parametrize(("name", "key"), [("epochs", "epoch"), ("logs", "number")])
def test_a_list_can_be_read_from_its_end(client, long, name, key):
    seen, cursor = [], ""
    while cursor is not None:
        page = curve(client, f"jobs/{long}/{name}?order=desc&limit=7&cursor={cursor}")
        seen += [row[key] for row in page["items"]]
        cursor = page["next"]

    assert seen == list(range(30, 0, -1))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("jobs/{}/metrics?points=0", "points"),
        ("jobs/{}/metrics?points=2001", "points"),
        ("jobs/{}/metrics?points=x", "points"),
        ("jobs/{}/metrics?from=1", "points"),
        ("jobs/{}/metrics?points=5&from=-1", "from"),
        ("jobs/{}/metrics?points=5&to=1e3", "to"),
        ("jobs/{}/metrics?points=5&values=test_loss", "values"),
        ("jobs/{}/epochs?points=5&values=step", "values"),
        ("jobs/{}/epochs?order=up", "order"),
        ("jobs/{}/logs?order=", "order"),
        ("jobs/{}/logs?level=loud", "level"),
        ("jobs/{}/logs?format=csv", "format"),
        ("jobs/{}/epochs?format=text", "format"),
        ("jobs/{}/resources?points=5&values=train_loss", "values"),
        ("metrics?points=5", "job"),
        ("metrics?job={}", "points"),
        ("metrics?job=x&points=5", "job"),
        ("metrics?points=5" + "&job=1" * 51, "job"),
    ],
)
def test_what_is_no_part_of_a_curve_is_refused_by_name(client, lease, path, field):
    answer = client.get(f"/api/v1/{path.format(lease.job_id)}")

    assert answer.status_code == 422
    assert errors(answer).keys() == {field}


def test_the_curve_of_a_run_that_is_not_there_is_not_found(client, lease):
    for path in ("jobs/99/metrics?points=5", "jobs/99/epochs?points=5", "metrics?job=99&points=5"):
        assert client.get(f"/api/v1/{path}").status_code == 404
    assert client.get(f"/api/v1/metrics?job={'9' * 18}&points=5").status_code == 404


def test_the_curve_of_the_readings_leaves_out_what_nobody_could_read(client, long):
    found = curve(client, f"jobs/{long}/resources?points=10&values=cpu_cores,gpu_power_w")

    assert (found["at"], found["count"]) == (list(range(300, 3001, 300)), [3] * 10)
    assert found["values"]["cpu_cores"]["min"][:2] == [1.0, 4.0]
    assert found["values"]["cpu_cores"]["mean"][:2] == [2.0, 5.0]
    assert set(found["values"]["gpu_power_w"]["max"]) == {None}
    part = curve(client, f"jobs/{long}/resources?points=10&from=201&to=400")
    assert part["at"] == [300, 400]


def test_a_run_without_readings_has_an_empty_curve_of_them(client):
    found = curve(client, f"jobs/{submitted(client)}/resources?points=10")

    assert (found["at"], found["values"]["cpu_cores"]["last"]) == ([], [])


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("metrics", COUNT, "step,epoch,batch,train_loss,learning_rate,images_per_s"),
        ("epochs", 30, "epoch,train_loss,validation_loss,"),
        ("resources", 30, "attempt,number,step,time,gpu_utilization,"),
    ],
)
def test_a_file_of_measurements_has_every_row(client, long, name, count, first):
    answer = client.get(f"/api/v1/jobs/{long}/{name}?format=csv")

    assert answer.content_type == "text/csv; charset=utf-8"
    assert f"run-{long}-{name}.csv" in answer.headers["Content-Disposition"]
    heading, *rows = answer.text.splitlines()
    assert heading.startswith(first)
    assert len(rows) == count
    assert {row.count(",") for row in rows} == {heading.count(",")}


def test_the_lines_of_a_log_are_found_by_their_text_and_level(client, long):
    def texts(query):
        return [line["text"] for line in curve(client, f"jobs/{long}/logs?{query}")["items"]]

    assert texts("text=EPOCH 1&limit=3") == ["Epoch 1", "Epoch 10", "Epoch 11"]
    assert texts("level=warning,error&order=desc") == ["Epoch 30", "Epoch 20", "Epoch 10"]
    assert texts("level=warning&text=2") == ["Epoch 20"]
    assert texts("text=%25") == []


def test_a_log_can_be_kept_as_text(client, long):
    answer = client.get(f"/api/v1/jobs/{long}/logs?format=text")

    assert answer.content_type == "text/plain; charset=utf-8"
    assert len(answer.text.splitlines()) == 30
    assert answer.text.splitlines()[9].endswith(" 1 warning  Epoch 10")


@pytest.mark.parametrize("path", ["metrics?format=csv", "logs?format=text", "resources?points=1"])
def test_there_is_no_file_of_a_run_that_does_not_exist(client, path):
    assert client.get(f"/api/v1/jobs/999/{path}").status_code == 404
