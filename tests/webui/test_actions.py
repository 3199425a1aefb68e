"""What is asked of the queue: checked whole, written first, notified of afterwards."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core import queries, workers
from core.database.models import NAME_LENGTH, QUEUE_LENGTH
from core.errors import Conflict, FieldError, InvalidInput, NotFound
from core.jobs import claim, endings
from core.jobs.claim import Claimant
from core.messages import message
from core.workers import WorkerFacts
from webui import actions as submission
from webui.actions import LARGEST_PRIORITY, ActionOptions, RetryOptions, Submission
from webui.context import current

CONTROLS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cc"]


class Bell:
    """A notifier that looks, when it notifies, at what a worker would find."""

    def __init__(self, database):
        self.database = database
        self.found = []

    def notify(self, queue):
        with self.database.reading() as session:
            found = [(job.queue, job.state) for job, _ in queries.jobs(session).items]
        self.found.append((queue, found))
        return False  # Redis is away


class Heralds:
    """Wake-ups that are only noted."""

    def __init__(self):
        self.announced = []

    def announce(self, topic, job_id):
        self.announced.append((topic, job_id))


@pytest.fixture
def context(app):
    with app.app_context():
        real = current()
    return dataclasses.replace(real, notifier=Bell(real.database), wakeups=Heralds())


def submit(context, values):
    """The one run of a submit."""
    [job] = submission.submit(context, values)
    return job


def refused(context, values):
    with pytest.raises(InvalidInput) as caught:
        submit(context, values)
    with context.database.reading() as session:
        assert not queries.jobs(session).items
    assert context.notifier.found == []
    return {error.field: error.message for error in caught.value.errors}


def test_a_worker_is_notified_once_the_job_can_be_seen_and_a_failed_notification_is_no_error(
    context,
):
    submit(context, {"name": "a", "queue": "gpu"})

    assert context.notifier.found == [("gpu", [("gpu", "queued")])]


@pytest.mark.parametrize("name", ["\u200b", "\u3164\u2800", "a\u202eb", "\u2066a", "\u202a\u2069"])
def test_a_word_that_nobody_sees_or_that_turns_its_row_is_refused(context, name):
    assert set(refused(context, {"name": name, "tags": ["fine"]})) == {"name"}
    assert set(refused(context, {"name": "fine", "tags": ["fine", name]})) == {"tags"}


def test_a_name_may_be_of_any_script(context):
    for name in ("שלום 12", "مرحبا\u200f", "👩\u200d🔬", "e\u0301"):
        assert submit(context, {"name": name, "tags": [name]}).name == name


def test_what_is_wrong_with_the_name_and_with_the_spec_is_told_at_once(context):
    wrong = refused(context, {"name": " ", "queue": "", "spec": {"epochs": 0, "speed": 1}})

    assert set(wrong) == {"name", "queue", "epochs", "speed"}


def test_a_control_character_in_a_name_has_a_code(context):
    with pytest.raises(InvalidInput) as caught:
        submit(context, {"name": "a\nb"})
    assert caught.value.errors == [FieldError("name", message("input.control_characters"))]

    with pytest.raises(InvalidInput) as caught:
        submit(context, {"name": "\ud800"})
    assert caught.value.errors == [FieldError("name", message("input.unicode"))]


def test_more_devices_than_any_live_worker_has_are_refused_by_the_largest_there_is(context):
    cpu = {"kind": "cpu", "name": "CPU", "memory_bytes": None}
    workers.register(context.database, WorkerFacts("w", 1, "0", ["default"], [cpu], 1))

    wrong = refused(context, {"name": "a", "spec": {"devices": 4}})

    assert set(wrong) == {"devices"}
    assert "1" in wrong["devices"]


def test_any_number_of_devices_is_queued_while_no_worker_is_there_to_ask(context):
    job = submit(context, {"name": "a", "spec": {"devices": 4}})

    assert job.devices == 4


def test_an_unknown_preset_and_a_bad_name_are_both_reported(context):
    assert set(refused(context, {"name": "", "preset": "slow"})) == {"name", "preset"}


def test_a_spec_is_laid_over_its_preset(context):
    job = submit(
        context, {"name": "a", "preset": "quick", "spec": {"optimizer": {"momentum": 0.5}}}
    )

    assert job.spec["optimizer"]["momentum"] == 0.5
    assert job.spec["optimizer"]["nesterov"] is True
    assert job.preset == "quick"


@pytest.mark.parametrize("control", CONTROLS, ids=lambda each: f"U+{ord(each):04X}")
def test_no_control_character_gets_into_a_name(control):
    with pytest.raises(ValidationError, match="control characters"):
        Submission(name=f"a{control}b")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "'; DROP TABLE jobs; --", "{{ 7 * 7 }}", "Übung 🚂 ١"]
)
def test_markup_and_every_script_are_text(context, name):
    assert submit(context, {"name": name}).name == name


def test_the_longest_values_are_taken_and_one_more_is_not(context):
    longest = {"name": "ü" * NAME_LENGTH, "queue": "q" * QUEUE_LENGTH, "priority": LARGEST_PRIORITY}
    longer = {
        "name": "ü" * (NAME_LENGTH + 1),
        "queue": "q" * (QUEUE_LENGTH + 1),
        "priority": -LARGEST_PRIORITY - 1,
    }

    assert set(refused(context, longer)) == {"name", "queue", "priority"}
    assert submit(context, longest).name == "ü" * NAME_LENGTH


@pytest.mark.parametrize("queue", ["a b", "-a", ".a", "a/b", "a\n", "ä", "a;b", ""])
def test_a_queue_is_a_plain_word(queue):
    with pytest.raises(ValidationError):
        Submission(name="x", queue=queue)


@given(name=st.text())
@hypothesis_settings(max_examples=200)
def test_a_name_that_is_taken_is_stripped_printable_and_fits(name):
    try:
        taken = Submission(name=name).name
    except ValidationError:
        return
    assert taken == taken.strip()
    assert 1 <= len(taken) <= NAME_LENGTH
    taken.encode()


def test_a_cancel_wakes_the_worker_and_the_viewers(context):
    job = submit(context, {"name": "a"})

    submission.cancel(context, job.id)

    assert context.wakeups.announced == [("asked", job.id), ("changed", job.id)]


def test_a_cancel_of_nothing_wakes_nobody(context):
    with pytest.raises(NotFound):
        submission.cancel(context, 99)

    assert context.wakeups.announced == []


def fail(context, job):
    """Let a worker take a job and the job fail."""
    facts = WorkerFacts("w", 1, "0", [job.queue], [], 1)
    claimant = Claimant(workers.register(context.database, facts), [job.queue])
    endings.end(context.database, claim.claim(context.database, claimant, 30), "failed")


def forget(context):
    context.wakeups.announced.clear()
    context.notifier.found.clear()


def test_a_pause_wakes_the_worker_and_the_viewers_and_notifies_nobody(context):
    job = submit(context, {"name": "a"})
    forget(context)

    submission.pause(context, job.id, {"by": "ada"})

    assert context.wakeups.announced == [("asked", job.id), ("changed", job.id)]
    assert context.notifier.found == []


def test_a_resume_notifies_once_the_job_can_be_claimed(context):
    job = submit(context, {"name": "a", "queue": "gpu"})
    submission.pause(context, job.id)
    forget(context)

    submission.resume(context, job.id)

    assert context.notifier.found == [("gpu", [("gpu", "queued")])]
    assert context.wakeups.announced == [("asked", job.id), ("changed", job.id)]


def test_a_retry_notifies_once_the_job_can_be_claimed(context):
    job = submit(context, {"name": "a", "queue": "gpu"})
    fail(context, job)
    forget(context)

    submission.retry(context, job.id, {"from_scratch": True})

    assert context.notifier.found == [("gpu", [("gpu", "queued")])]
    assert ("changed", job.id) in context.wakeups.announced


@pytest.mark.parametrize("ask", [submission.pause, submission.resume, submission.retry])
def test_what_does_not_fit_or_does_not_exist_wakes_nobody(context, ask):
    job = submit(context, {"name": "a"})
    submission.cancel(context, job.id)
    forget(context)

    with pytest.raises(Conflict):
        ask(context, job.id)
    with pytest.raises(NotFound):
        ask(context, 99)

    assert (context.wakeups.announced, context.notifier.found) == ([], [])


WRONG_WISHES = [
    ({"by": 5}, {"by"}),
    ({"by": "x" * (NAME_LENGTH + 1)}, {"by"}),
    ({"by": "a\x1b"}, {"by"}),
    ({"by": "\ud800"}, {"by"}),
    ({"who": "ada"}, {"who"}),
    ({"by": ["ada"], "who": 1}, {"by", "who"}),
]


@pytest.mark.parametrize(("values", "fields"), WRONG_WISHES)
@pytest.mark.parametrize(
    "ask", [submission.cancel, submission.pause, submission.resume, submission.retry]
)
def test_a_wrong_field_is_named_and_nothing_is_asked(context, ask, values, fields):
    job = submit(context, {"name": "a"})
    forget(context)

    with pytest.raises(InvalidInput) as caught:
        ask(context, job.id, values)

    assert {error.field for error in caught.value.errors} == fields
    assert context.wakeups.announced == []
    with context.database.reading() as session:
        assert queries.job(session, job.id)[0].revision == job.revision


@pytest.mark.parametrize("value", [1, "true", None, "", []])
def test_from_scratch_is_a_boolean(value):
    with pytest.raises(ValidationError):
        RetryOptions(from_scratch=value)


@pytest.mark.parametrize(
    ("by", "taken"),
    [(None, None), ("", ""), (" ada ", "ada"), ("ü" * NAME_LENGTH, "ü" * NAME_LENGTH)],
    ids=["nobody", "empty", "stripped", "longest"],
)
def test_who_asks_may_be_left_out_and_is_stripped(by, taken):
    assert ActionOptions(by=by).by == taken
