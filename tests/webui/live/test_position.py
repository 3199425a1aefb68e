"""The position of a viewer in a stream: read from any text, trusted with nothing."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.jobs import endings
from core.protocol.reports import Line
from tests.webui.live.conftest import STARTED, events_of, identified, reading, write
from webui.live.position import LARGEST_PART, Position
from webui.live.subscription import Watched, event_id, watched


def test_a_position_of_an_earlier_version_is_understood():
    assert Position.parse("15.1.0.12.1.5.3") == Position(15, 1, 0, 12, 1, 5, 3)


def test_a_position_names_the_database_that_it_is_of():
    position = Position(15, 1, instance="0123456789abcdef")

    assert str(position) == "0123456789abcdef-15.1.0.0.0.0.0.0.0"
    assert Position.parse(str(position)) == position
    assert position.is_of("0123456789abcdef")
    assert not position.is_of("f" * 16)
    assert Position(15, 1).is_of("f" * 16)  # of an earlier version


def test_a_position_in_another_database_is_refused_and_nothing_of_this_one_is_sent(
    browser, recorder
):
    write(recorder, STARTED, reading(1), Line(text="one"))
    job_id = recorder.lease.job_id
    elsewhere = Position(1, 1, instance="f" * 16)

    alone = browser.get(f"/api/v1/jobs/{job_id}/events?after={elsewhere}")
    together = browser.get(f"/api/v1/streams?job={job_id}@{elsewhere}").text
    [(at, name, data)] = identified(together)

    assert (alone.status_code, alone.json()["code"]) == (410, "request.other_instance")
    assert (at, name) == (f"{job_id}@{elsewhere}", "missing")
    assert data["code"] == "request.other_instance"


def test_a_made_up_position_is_refused(client, recorder):
    for text in (
        *("x", "1", "1.2.3", "x.0.0.0.0.0.0", "-1.0.0.0.0.0.0", "1." * 7, "1.0.0.0.0.0"),
        *(f"1.0.0.0.0.0.{LARGEST_PART + 1}", f"1.0.{'9' * 5000}.0.0.0.0", "inf.0.0.0.0.0.0"),
        *("1.0.0.0.0.0.0.0.0.0", "-1.0.0.0.0.0.0.0.0", "x-1.0.0.0.0.0.0.0.0", "a-b-1.0.0.0.0.0.0"),
    ):
        address = f"/api/v1/jobs/{recorder.lease.job_id}/events"
        assert client.get(address, headers={"Last-Event-ID": text}).status_code == 422, text
        assert client.get(f"{address}?after={text}").status_code == 422, text


def test_the_largest_position_is_answered_like_any_other(browser, database, recorder):
    write(recorder, STARTED, reading(1), Line(text="one"))
    endings.succeed(database, recorder.lease, "c" * 64, [])
    beyond = ".".join(["1", "1", *[str(LARGEST_PART)] * 7])

    response = browser.get(f"/api/v1/jobs/{recorder.lease.job_id}/events?after={beyond}")

    assert [name for name, _ in events_of(response)] == ["job", "end"]


PARTS = st.lists(st.integers(0, LARGEST_PART), min_size=7, max_size=9)
NOISE = st.text("0123456789.@-_ x\u0663", max_size=40)


@given(PARTS)
def test_a_position_is_read_as_it_was_written(parts):
    position = Position(*parts)

    assert Position.parse(str(position)) == position
    assert watched([f"7@{position}"]) == [Watched(7, position, "7")]


@given(NOISE)
def test_any_other_text_is_refused_and_nothing_else_happens(text):
    for read in (Position.parse, event_id, lambda each: watched([each])):
        with contextlib.suppress(InvalidInput):
            assert read(text) is not None
