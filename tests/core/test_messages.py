"""Messages: every code has its sentence, and what is stored is read again, by any release."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.languages import speaking
from core.messages import (
    Message,
    as_json,
    from_json,
    from_stored,
    message,
    plain,
    stored,
)
from core.messages.english import CATALOG, TOPICS
from core.messages.template import Plural

SAMPLES = {
    "about": 200.0,
    "duration": 15.0,
    "number": 1234,
    "digits": 2.0,
    "short": 0.25,
    "list": ["a", "b"],
    "clauses": ["a", "b"],
    "either": ["a", "b", "c"],
}
"""A parameter for each way of writing one."""


def forms(code: str) -> list[str]:
    template = CATALOG[code]
    return [template.one, template.other] if isinstance(template, Plural) else [template]


def samples(code: str) -> Iterator[Message]:
    """The message of a code, once for each of its forms."""
    params = {
        name: SAMPLES.get(spec or "", f"<{name}>")
        for form in forms(code)
        for _, name, spec, _ in string.Formatter().parse(form)
        if name
    }
    template = CATALOG[code]
    if isinstance(template, Plural):
        for number in (1, 2):
            yield message(code, **params | {template.by: number})
    else:
        yield message(code, **params)


EVERY = [each for code in CATALOG for each in samples(code)]


@pytest.mark.parametrize("code", CATALOG)
def test_every_template_renders_all_that_it_names(code):
    for made in samples(code):
        assert made.text
        assert str(made) == made.text
        for value in made.params.values():
            if isinstance(value, str):
                assert value in made.text


@pytest.mark.parametrize("made", EVERY, ids=lambda made: made.code)
def test_a_stored_message_is_read_again(made):
    assert from_stored(stored(made)) == made
    assert from_json(json.loads(json.dumps(as_json(made)))) == made


def test_a_message_within_a_message_is_stored_with_it():
    slots = message("queue.slots", count=2)
    waits = message("queue.with_time", reason=message("queue.next", slots=slots), eta_s=200)

    assert waits.text == "next in line on 2 slots, about 3 min"
    assert from_stored(stored(waits)) == waits
    assert from_stored(stored(waits)).text == waits.text


@pytest.mark.parametrize(("count", "text"), [(0, "0 slots"), (1, "1 slot"), (2, "2 slots")])
def test_a_form_is_chosen_by_the_number(count, text):
    assert message("queue.slots", count=count).text == text


def test_a_code_of_a_later_release_is_shown_and_not_lost():
    later = '{"code":"run.teleported","params":{"to":"mars","why":{"code":"text","params":{}}}}'

    read = from_stored(later)

    assert "run.teleported" in read.text
    assert "mars" in read.text
    assert stored(read) == later


@pytest.mark.parametrize(
    "params", [{}, {"ahead": 2}, {"ahead": "many", "slots": 3}, {"slots": "2 slots"}]
)
def test_a_code_whose_parameters_were_others_in_another_release_is_shown_too(params):
    read = Message("queue.behind", params)

    assert read.text == f"queue.behind {json.dumps(params)}"
    assert from_stored(stored(read)) == read


@pytest.mark.parametrize(
    "sentence",
    [
        "The worker was lost.",
        "",
        "{curly} words",
        '{"code":',
        '{"code":"queue.next"}',
        '{"code":"queue.next","params":3}',
        '{"code": 3}',
    ],
)
def test_a_sentence_of_an_earlier_release_stays_one(sentence):
    read = from_stored(sentence)

    assert read == plain(sentence)
    assert read.text == sentence


@given(st.text())
def test_any_words_of_another_program_survive(words):
    assert from_stored(stored(plain(words))).text == words.replace("\0", "\N{SYMBOL FOR NULL}")


@pytest.mark.parametrize(
    "params", [{}, {"count": 1, "more": 2}, {"number": 1}], ids=["none", "too many", "another"]
)
def test_wrong_parameters_are_refused(params):
    with pytest.raises(TypeError, match=r"queue\.slots takes \['count'\]"):
        message("queue.slots", **params)


def test_no_code_stands_in_two_topics():
    codes = [code for topic in TOPICS for code in topic]

    assert sorted(codes) == sorted(CATALOG.keys() - {"text"})


def test_a_prefix_belongs_to_one_topic():
    prefixes = [prefix for topic in TOPICS for prefix in {code.split(".")[0] for code in topic}]

    # `run`: how one ended, and what cannot be done with one
    assert {prefix for prefix in prefixes if prefixes.count(prefix) > 1} == {"run"}


def test_an_unknown_code_is_refused_where_it_is_made():
    with pytest.raises(KeyError):
        message("queue.nonsense")


def test_what_is_still_true_later_is_equal_without_its_times():
    def waits(seconds, ahead=3):
        slots = message("queue.slots", count=2)
        reason = message("queue.behind", ahead=ahead, slots=slots)
        return message("queue.with_time", reason=reason, eta_s=seconds)

    assert waits(10) != waits(20)
    assert waits(10).timeless() == waits(20).timeless()
    assert waits(10).timeless() != waits(10, ahead=4).timeless()


def test_times_within_a_nested_message_are_left_out_too():
    def delayed(seconds):
        return message("queue.with_time", reason=message("queue.delayed", wait_s=seconds), eta_s=60)

    assert delayed(10).timeless() == delayed(20).timeless()


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (message("input.one_of", choices=["cnn"]), "choose one of cnn"),
        (message("input.one_of", choices=[3, 5, 7]), "choose one of 3, 5 or 7"),
        (message("input.at_most", bound=2**31 - 1), "must be at most 2147483647"),
        (message("input.at_least", bound=0.0), "must be at least 0"),
        (message("input.less_than", bound=0.5), "must be less than 0.5"),
        (message("queue.far", count=1000), "more than 1,000 runs ahead"),
        (message("worker.lost", lease_s=15.0), "Worker lost: no heartbeat for 15 s."),
        (message("queue.delayed", wait_s=0.2), "it may start in about 1 s"),
        (message("queue.delayed", wait_s=3725), "it may start in about 1 h 02 min"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_parameter_is_written_as_its_template_asks(made, text):
    assert made.text == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (message("input.one_of", choices=[3, 5, 7]), "请选择 3、5 或 7 之一"),
        (
            message("run.not_pausable", job_id=7, state="paused"),
            "任务 7 已暂停：没有可以暂停的内容。",
        ),
        (message("event.snapshot", step=1200, epoch=0), "在第 1,200 步保存快照，处于第 1 轮"),
        (message("event.snapshot", step=1200, epoch=1), "在第 1,200 步保存快照，已完成 1 轮"),
        (message("queue.delayed", wait_s=3725), "约 1 小时 02 分后可以开始"),
        (
            message("queue.retry_after_loss", why="no heartbeat.", attempt=2, budget=3, wait_s=5),
            "上一次尝试失联了（no heartbeat）；约 5 秒后第 2 次尝试（共 3 次）",
        ),
        (
            message("queue.behind", ahead=1, slots=message("queue.slots", count=2)),
            "在 2 个槽位上前面还有 1 个任务",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_is_written_in_the_language_of_its_reader(made, text):
    with speaking("zh"):
        assert made.text == text
        assert made.english != text
        assert from_stored(stored(made)) == made


def test_what_is_stored_does_not_depend_on_the_language():
    made = message("queue.behind", ahead=1, slots=message("queue.slots", count=2))
    with speaking("zh"):
        assert (
            stored(made)
            == '{"code":"queue.behind","params":{"ahead":1,"slots":'
            + stored(message("queue.slots", count=2))
            + "}}"
        )
        assert message("input.required").english == "Required"


def test_a_list_of_messages_is_stored_and_read_again():
    failures = [message("input.required"), "no route"]
    folders = {"dataset_folder": "mnist", "data_folder": "/data", "by_hand": None}
    made = message(
        "data.not_fetchable", dataset="MNIST", name="mnist", failures=failures, **folders
    )

    assert from_stored(stored(made)) == made
    assert "could not be fetched. Required; no route. Connect" in made.text


@pytest.mark.parametrize("value", [Path("/data"), object(), {"a": 1}, [Path("/data")]])
def test_a_parameter_that_cannot_be_stored_is_refused(value):
    with pytest.raises(TypeError, match="JSON"):
        message("input.unknown_state", state="x", known=value)
