"""Log lines: events with keys, in one format for every library of a process."""

from __future__ import annotations

import io
import json
import logging
import threading

import pytest

from core import logs


@pytest.fixture(autouse=True)
def root():
    """The root logger, which is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines():
    """Configures the logging of this process, and returns what it has written since."""
    stream = io.StringIO()

    def configured(log_format="json", **fields):
        logs.configure(log_format, stream=stream, **fields)
        return stream

    def written():
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    written.configure = configured
    configured()
    return written


def test_a_line_carries_its_event_its_keys_and_where_it_is_from(lines):
    logs.get_logger("worker.x").info("job_claimed", slot=3)

    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "job_claimed", "level": "info", "logger": "worker.x", "slot": 3}


def test_on_a_terminal_a_line_reads_as_the_event_and_its_keys(lines):
    stream = lines.configure("console")

    logs.get_logger("worker.x").info("job_claimed", job_id=3, reason="a sentence")

    [line] = stream.getvalue().splitlines()
    assert "job_claimed" in line
    assert line.endswith("[worker.x] job_id=3 reason='a sentence'")


def test_on_a_terminal_control_characters_are_written_as_escapes(lines):
    stream = lines.configure("console")

    logs.get_logger("webui").error("service_unavailable", path="/jobs/\x1b[31mred\x9b\r\nforged")
    logging.getLogger("lib").warning("said \x1b]0;title\x07")

    [first, second] = stream.getvalue().splitlines()
    assert r"\x1b[31mred\x9b\x0d" in first.replace("\\\\", "\\")
    assert "forged" in first
    assert r"said \x1b]0;title\x07" in second


def test_lines_of_libraries_have_the_same_format(lines):
    with logs.bound(job_id=7):
        logging.getLogger("sqlalchemy.pool").warning("%s connections", 5)

    [line] = lines()
    assert (line["event"], line["logger"], line["job_id"]) == (
        "5 connections",
        "sqlalchemy.pool",
        7,
    )


def test_every_line_of_a_process_carries_its_fields(lines):
    lines.configure(worker="w1")
    logs.get_logger("worker.x").info("started")
    logging.getLogger("celery").warning("lost")

    assert [line["worker"] for line in lines()] == ["w1", "w1"]


def test_bound_fields_end_with_their_block(lines):
    log = logs.get_logger("worker.x")
    with logs.bound(job_id=7, attempt=2):
        log.info("inside")
    log.info("outside")

    inside, outside = lines()
    assert (inside["job_id"], inside["attempt"]) == (7, 2)
    assert "job_id" not in outside


def test_a_helper_thread_carries_the_fields_of_the_thread_that_started_it(lines):
    log = logs.get_logger("worker.x")
    with logs.bound(job_id=7):
        helper = threading.Thread(target=logs.carried(lambda: log.info("carried")))
        stranger = threading.Thread(target=lambda: log.info("stranger"))
    for thread in (helper, stranger):
        thread.start()
        thread.join()

    assert [line.get("job_id") for line in lines()] == [7, None]


def test_an_exception_is_part_of_its_line_without_the_values_of_variables(lines):
    secret = "hunter2"  # noqa: F841
    try:
        raise ValueError("broken")
    except ValueError:
        logs.get_logger("worker.x").exception("failed")

    [line] = lines()
    assert "ValueError: broken" in line["exception"]
    assert "hunter2" not in line["exception"]


def test_without_configuration_lines_still_reach_the_handlers(caplog):
    logs.get_logger("worker.x").warning("claim_failed", reason="away")

    assert "claim_failed" in caplog.text


def test_what_json_does_not_know_is_written_as_text(lines):
    logs.get_logger("worker.x").info("started", folder=object)

    assert "object" in lines()[0]["folder"]
